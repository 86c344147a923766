/* SPDX-License-Identifier: ISC */
#ifndef LINES_H
#define LINES_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line of text, in octets (RFC 5321 section 4.5.3.1.6), without its CR LF. */
enum { LINE_MAX_TEXT = 998 };

/* A walk through octets, line by line.  CR, LF and CR LF each end a line; octets after the last line end are a line
 * too. */
struct lines {
	const char *at; /* the user moves it, forward only */
	const char *end;
	const char *line_end; /* the end of the line at `at`; out of date if before it */
	const char *searched; /* where the search for a CR ended */
	const char *next_cr;  /* the first CR from `at` on, or `searched`; out of date if before `at` */
};

/* Begins at the first of the octets, which must stay in place. */
void lines_open(struct lines *lines, struct span octets);

/* Where the line at `at` ends: at its CR or LF, or at the end of the octets. */
const char *lines_line_end(struct lines *lines);

/* Moves `at` past the end of its line. */
void lines_skip(struct lines *lines);

/* The line at `at`, or the rest of it, without its end; moves past it.  `at` must be before `end`. */
struct span lines_take(struct lines *lines);

/* What SMTP needs to know about octets. */
struct line_facts {
	uint64_t size;  /* number of octets with each line end as CR LF, a missing last one added */
	bool long_line; /* a line has more than LINE_MAX_TEXT octets, without its end */
	bool eightbit;
	bool nul;
};

/* Reads all of the octets. */
struct line_facts lines_examine(struct span octets);

/* Whether a server accepts octets with these facts in a body. */
bool lines_are_legal(const struct line_facts *facts, bool eightbitmime);

#endif
