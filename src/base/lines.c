/* SPDX-License-Identifier: ISC */
/*
 * lines - octets as lines, whatever ends them
 *
 * encoder.c, mime.c and header.c go through the mapped message with it, message.c asks it for facts.  On the wire CR,
 * LF and CR LF all become CR LF (TR-3), so all three end a line here as well.  A message may be one line of many
 * megabytes: nothing is searched twice for the same octet.
 */
#include "base/lines.h"

#include <limits.h>
#include <string.h>

static const char *find(const char *from, const char *end, char octet)
{
	const char *at = from < end ? memchr(from, octet, (size_t)(end - from)) : NULL;
	return at ? at : end;
}

/* The first CR or LF, or the end.  CRs are searched for no further ahead than a cache is large: LFs are, in the same
 * octets. */
static const char *find_line_end(struct lines *lines, const char *from)
{
	enum { AHEAD = 16384 };
	for (;; from = lines->searched) {
		bool further = from >= lines->searched;
		if (further)
			lines->searched = lines->end - from > AHEAD ? from + AHEAD : lines->end;
		if (further || lines->next_cr < from)
			lines->next_cr = find(from, lines->searched, '\r');
		const char *at = find(from, lines->next_cr, '\n');
		if (at < lines->searched || at == lines->end)
			return at;
	}
}

void lines_open(struct lines *lines, struct span octets)
{
	const char *at = octets.data;
	*lines = (struct lines){.at = at, .end = at + octets.length, .searched = at, .next_cr = at};
	lines->line_end = find_line_end(lines, at);
}

const char *lines_line_end(struct lines *lines)
{
	if (lines->line_end < lines->at)
		lines->line_end = find_line_end(lines, lines->at);
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

/* Octets that are examined at once: the compiler has an instruction for each operation, or makes it of others. */
typedef unsigned char several __attribute__((vector_size(16)));

enum { SEVERAL = sizeof(several) };

/* Adds what there is in SEVERAL octets in each of at most UCHAR_MAX rounds; reads the octet before them, too. */
static void examine(struct line_facts *facts, const char *at, size_t rounds)
{
	several ends = {0}, pairs = {0}, all = {0}, nul = {0};
	for (; rounds > 0; rounds--, at += SEVERAL) {
		several octets, before;
		memcpy(&octets, at, SEVERAL);
		memcpy(&before, at - 1, SEVERAL);
		several lf = (several)(octets == '\n'); /* -1 where it is so */
		ends -= lf | (several)(octets == '\r');
		pairs -= lf & (several)(before == '\r');
		nul |= (several)(octets == '\0');
		all |= octets;
	}
	for (size_t i = 0; i < SEVERAL; i++) {
		facts->size += ends[i];       /* CR and LF become CR LF, */
		facts->size -= 2U * pairs[i]; /* which stays */
		facts->nul = facts->nul || nul[i];
		facts->eightbit = facts->eightbit || all[i] >= 0x80;
	}
}

/* The same for fewer octets, after `before`. */
static void examine_few(struct line_facts *facts, char before, const char *at, size_t length)
{
	char few[1 + SEVERAL];
	memset(few, ' ', sizeof few);
	few[0] = before;
	memcpy(few + 1, at, length);
	examine(facts, few + 1, 1);
}

/* Where the last line that begins before `end` begins.  From line end to line end in the largest steps: if there is
 * none among the octets that a line may have, it is too long. */
static const char *measure(struct line_facts *facts, const char *line, const char *end)
{
	while (end - line > LINE_MAX_TEXT) {
		const char *at = memrchr(line, '\n', LINE_MAX_TEXT + 1);
		if (!at)
			at = memrchr(line, '\r', LINE_MAX_TEXT + 1);
		facts->long_line = facts->long_line || !at;
		line = at ? at + 1 : end;
	}
	return line;
}

struct line_facts lines_examine(struct span octets)
{
	struct line_facts facts = {.size = octets.length};
	const char *line = octets.data;
	const char *end = line + octets.length;
	if (octets.length == 0)
		return facts;
	examine_few(&facts, ' ', line, 1);
	const char *at = line + 1;
	for (size_t rounds; (rounds = (size_t)(end - at) / SEVERAL) > 0;) {
		rounds = rounds < UCHAR_MAX ? rounds : UCHAR_MAX;
		examine(&facts, at, rounds);
		at += rounds * SEVERAL;
		line = measure(&facts, line, at); /* these octets are still near */
	}
	examine_few(&facts, at[-1], at, (size_t)(end - at));
	measure(&facts, line, end);
	facts.size += end[-1] == '\r' || end[-1] == '\n' ? 0 : 2;
	return facts;
}

bool lines_are_legal(const struct line_facts *facts, bool eightbitmime)
{
	return !facts->nul && !facts->long_line && (!facts->eightbit || eightbitmime);
}
