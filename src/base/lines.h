#ifndef LINES_H
#define LINES_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets of text in a line, at most (RFC 5321 section 4.5.3.1.6, CR LF not counted). */
enum { LINE_MAX_TEXT = 998 };

/* Octets on the way through their lines.  CR, LF and CR LF each end a line; what stands behind the last one is a line
 * too, unless it is empty. */
struct lines {
	const char *at; /* its user moves it, forward only */
	const char *end;
	const char *line_end; /* of the line at `at`, if not before it */
	const char *next_cr;  /* the first CR not before `at`, or `end`, if not before `at` */
};

/* Begins at the first of the octets, which must stay where they are. */
void lines_open(struct lines *lines, struct span octets);

/* Where the line at `at` ends: at its CR or LF, or at the end of the octets. */
const char *lines_line_end(struct lines *lines);

/* Moves `at` behind the end of its line. */
void lines_skip(struct lines *lines);

/* The line at `at`, or what is left of it, without its end; moves behind it.  `at` must be before `end`. */
struct span lines_take(struct lines *lines);

/* What octets hold, as far as SMTP asks. */
struct line_facts {
	uint64_t size;  /* with each line end as CR LF, the last one added */
	size_t longest; /* octets of the longest line, its end not counted */
	bool eightbit;
	bool nul;
};

/* Reads all of the octets. */
struct line_facts lines_examine(struct span octets);

/* Whether a server takes octets of which this is known, in a body. */
bool lines_are_legal(const struct line_facts *facts, bool eightbitmime);

#endif
