/* SPDX-License-Identifier: ISC */
/*
 * nest - the multiparts and messages around a place in a message
 *
 * entity.c and mime.c find the ends of bodies with it.  RFC 2046 section 5.1.  All lines of a message may look like
 * delimiters, so none is compared with all boundaries: they are sorted.
 */
#include "mime/nest.h"

#include <stdio.h>
#include <string.h>

void nest_open(struct nest *nest)
{
	nest->depth = nest->sorted = 0;
}

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

/* Shorter ones first: any order will do, and this one rarely compares octets. */
static int compare(const struct nest *nest, size_t place, struct span boundary)
{
	const struct level *level = &nest->levels[nest->order[place]];
	if (level->boundary_length != boundary.length)
		return level->boundary_length < boundary.length ? -1 : 1;
	return memcmp(nest->boundaries + level->boundary, boundary.data, boundary.length);
}

/* The place of a boundary in the order; false, with the place where it would be, if it is not there. */
static bool find(const struct nest *nest, struct span boundary, size_t *place)
{
	size_t end = nest->sorted;
	*place = 0;
	while (*place < end) {
		size_t middle = (*place + end) / 2;
		if (compare(nest, middle, boundary) < 0)
			*place = middle + 1;
		else
			end = middle;
	}
	return *place < nest->sorted && compare(nest, *place, boundary) == 0;
}

void nest_push(struct nest *nest, const struct content_type *type)
{
	struct level level = {
		.boundary = boundaries_used(nest), .boundary_length = type->boundary_length, .digest = type->digest};
	memcpy(nest->boundaries + level.boundary, type->boundary, level.boundary_length);
	nest->levels[nest->depth] = level;
	/* The inner one of two equal boundaries is never found, and ends no later than the outer one. */
	struct span boundary = {type->boundary, type->boundary_length};
	size_t place;
	if (boundary.length > 0 && !find(nest, boundary, &place)) {
		memmove(nest->order + place + 1, nest->order + place, nest->sorted - place);
		nest->order[place] = (unsigned char)nest->depth;
		nest->sorted++;
	}
	nest->depth++;
}

/* The level with a boundary, NEST_MAX if there is none. */
static size_t level_of(const struct nest *nest, struct span boundary)
{
	size_t place;
	return find(nest, boundary, &place) ? nest->order[place] : NEST_MAX;
}

/* No boundary ends with white space, so the text between the hyphens and trailing white space is the candidate. */
struct delimiter nest_delimiter(const struct nest *nest, struct span line)
{
	size_t opened = NEST_MAX;
	size_t closed = NEST_MAX;
	while (line.length > 0 && (line.data[line.length - 1] == ' ' || line.data[line.length - 1] == '\t'))
		line.length--;
	if (line.length > 2 && line.data[0] == '-' && line.data[1] == '-') {
		struct span text = {line.data + 2, line.length - 2};
		opened = level_of(nest, text);
		if (text.length > 2 && text.data[text.length - 1] == '-' && text.data[text.length - 2] == '-')
			closed = level_of(nest, (struct span){text.data, text.length - 2});
	}
	return (struct delimiter){.level = closed < opened ? closed : opened, .closing = closed < opened};
}

bool nest_at_delimiter(const struct nest *nest, struct lines *lines)
{
	struct span line = {lines->at, (size_t)(lines_line_end(lines) - lines->at)};
	return nest_delimiter(nest, line).level < NEST_MAX;
}

void nest_pass(struct nest *nest, struct delimiter delimiter)
{
	size_t depth = delimiter.level + !delimiter.closing;
	size_t kept = 0;
	nest->levels[delimiter.level].part++;
	if (depth == nest->depth)
		return;
	nest->depth = depth;
	for (size_t i = 0; i < nest->sorted; i++)
		if (nest->order[i] < nest->depth)
			nest->order[kept++] = nest->order[i];
	nest->sorted = kept;
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
