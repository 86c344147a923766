/*
 * nest - the multiparts and messages that surround a place in a message
 *
 * entity.c and mime.c find with it where a body ends.  RFC 2046 section 5.1.
 */
#include "nest.h"

#include <stdio.h>
#include <string.h>

static size_t boundaries_used(const struct nest *nest)
{
	if (nest->depth == 0)
		return 0;
	const struct level *last = &nest->levels[nest->depth - 1];
	return last->boundary + last->boundary_length;
}

bool nest_has_room(const struct nest *nest, const struct content_type *type)
{
	return nest->depth < NEST_MAX && type->boundary_length <= NEST_BOUNDARIES_MAX - boundaries_used(nest);
}

bool nest_holds_message(const struct nest *nest)
{
	return nest->depth == 0 || nest->levels[nest->depth - 1].boundary_length == 0;
}

void nest_push(struct nest *nest, const struct content_type *type)
{
	struct level level = {
		.boundary = boundaries_used(nest), .boundary_length = type->boundary_length, .digest = type->digest};
	memcpy(nest->boundaries + level.boundary, type->boundary, level.boundary_length);
	nest->levels[nest->depth++] = level;
}

static bool is_blank(struct span text)
{
	while (text.length > 0 && (*text.data == ' ' || *text.data == '\t')) {
		text.data++;
		text.length--;
	}
	return text.length == 0;
}

bool nest_is_delimiter(const struct nest *nest, struct span line, size_t *level, bool *closing)
{
	if (line.length < 2 || line.data[0] != '-' || line.data[1] != '-')
		return false;
	struct span text = {line.data + 2, line.length - 2};
	for (*level = 0; *level < nest->depth; ++*level) {
		const struct level *one = &nest->levels[*level];
		if (one->boundary_length == 0 || text.length < one->boundary_length ||
		    memcmp(text.data, nest->boundaries + one->boundary, one->boundary_length) != 0)
			continue;
		struct span rest = {text.data + one->boundary_length, text.length - one->boundary_length};
		*closing = rest.length >= 2 && rest.data[0] == '-' && rest.data[1] == '-';
		if (*closing)
			rest = (struct span){rest.data + 2, rest.length - 2};
		if (is_blank(rest))
			return true;
	}
	return false;
}

void nest_pass(struct nest *nest, size_t level, bool closing)
{
	nest->levels[level].part++;
	nest->depth = closing ? level : level + 1;
}

bool nest_at_delimiter(const struct nest *nest, struct lines *lines)
{
	size_t level;
	bool closing;
	struct span line = {lines->at, (size_t)(lines_line_end(lines) - lines->at)};
	return nest_is_delimiter(nest, line, &level, &closing);
}

const char *nest_find_delimiter(const struct nest *nest, struct lines lines)
{
	if (nest->depth == 0)
		return lines.end;
	while (lines.at < lines.end && !nest_at_delimiter(nest, &lines))
		lines_skip(&lines);
	return lines.at;
}

void nest_print_place(const struct nest *nest, size_t depth, char text[NEST_PLACE_SIZE])
{
	size_t length = 0;
	for (size_t i = 0; i < depth && length < NEST_PLACE_SIZE; i++)
		if (nest->levels[i].boundary_length > 0)
			length += (size_t)snprintf(text + length, NEST_PLACE_SIZE - length, "%s%u",
						   length > 0 ? "." : "part ", nest->levels[i].part);
	if (length == 0)
		snprintf(text, NEST_PLACE_SIZE, "its body");
}
