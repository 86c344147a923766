/* SPDX-License-Identifier: ISC */
/*
 * lines - octets as lines, whatever ends them
 *
 * encoder.c, mime.c and header.c go through the mapped message with it, message.c asks it for facts.  On the wire CR,
 * LF and CR LF all become CR LF (TR-3), so all three end a line here as well.  Line ends are searched with memchr(3),
 * and never twice: a message may be one line of many megabytes.
 */
#include "base/lines.h"

#include <string.h>

static const char *find(const char *from, const char *end, char octet)
{
	const char *at = from < end ? memchr(from, octet, (size_t)(end - from)) : NULL;
	return at ? at : end;
}

void lines_open(struct lines *lines, struct span octets)
{
	lines->at = octets.data;
	lines->end = octets.data + octets.length;
	lines->next_cr = find(lines->at, lines->end, '\r');
	lines->line_end = find(lines->at, lines->next_cr, '\n');
}

const char *lines_line_end(struct lines *lines)
{
	if (lines->line_end >= lines->at)
		return lines->line_end;
	if (lines->next_cr < lines->at)
		lines->next_cr = find(lines->at, lines->end, '\r');
	lines->line_end = find(lines->at, lines->next_cr, '\n');
	return lines->line_end;
}

void lines_skip(struct lines *lines)
{
	const char *at = lines_line_end(lines);
	if (at < lines->end)
		at += *at == '\r' && lines->end - at > 1 && at[1] == '\n' ? 2 : 1;
	lines->at = at;
}

struct span lines_take(struct lines *lines)
{
	struct span line = {lines->at, (size_t)(lines_line_end(lines) - lines->at)};
	lines_skip(lines);
	return line;
}

struct line_facts lines_examine(struct span octets)
{
	struct line_facts facts = {.eightbit = !text_is_ascii(octets)};
	struct lines lines;
	facts.nul = octets.length > 0 && memchr(octets.data, '\0', octets.length);
	lines_open(&lines, octets);
	while (lines.at < lines.end) {
		size_t length = lines_take(&lines).length;
		facts.size += length + 2;
		if (length > facts.longest)
			facts.longest = length;
	}
	return facts;
}

bool lines_are_legal(const struct line_facts *facts, bool eightbitmime)
{
	return !facts->nul && facts->longest <= LINE_MAX_TEXT && (!facts->eightbit || eightbitmime);
}
