/* SPDX-License-Identifier: ISC */
#ifndef NEST_H
#define NEST_H

#include "base/lines.h"
#include "mime/header.h"

#include <stdbool.h>
#include <stddef.h>

/* The deepest nesting, and the octets of all boundaries together. */
enum { NEST_MAX = 100, NEST_BOUNDARIES_MAX = 8192, NEST_PLACE_SIZE = 80 };

/* A level around an entity: a multipart, or a message, which has no boundary. */
struct level {
	size_t boundary; /* offset in `boundaries` */
	size_t boundary_length;
	bool digest;
	unsigned part; /* the part entered last, from 1 */
};

/* All levels around a place in a message, the outermost first. */
struct nest {
	size_t depth;
	struct level levels[NEST_MAX];
	char boundaries[NEST_BOUNDARIES_MAX]; /* one after the other */
	size_t sorted;                        /* the number of these: */
	unsigned char order[NEST_MAX];        /* levels sorted by their boundaries, of equal ones the outermost */
};

/* Makes it empty. */
void nest_open(struct nest *nest);

/* Whether there is room for one more level, with the boundary of the type. */
bool nest_has_room(const struct nest *nest, const struct content_type *type);

/* Whether an entity that begins in it is a message, and not a part of a multipart. */
bool nest_holds_message(const struct nest *nest);

/* Adds a level, for which there must be room: a multipart, or a message if the type has no boundary. */
void nest_push(struct nest *nest, const struct content_type *type);

/* Which level a line is a delimiter of, or NEST_MAX if it is none, and whether it closes that. */
struct delimiter {
	size_t level;
	bool closing;
};

/* Reads a delimiter, of the outermost multipart that it fits (RFC 2046 section 5.1.2): `--`, the boundary, perhaps
 * `--`, and then only white space. */
struct delimiter nest_delimiter(const struct nest *nest, struct span line);

/* Whether there is one at `lines`, which are not moved. */
bool nest_at_delimiter(const struct nest *nest, struct lines *lines);

/* Moves past a delimiter: leaves all inner levels, and its level itself if it closes that. */
void nest_pass(struct nest *nest, struct delimiter delimiter);

/* The beginning of the next delimiter, or the end of the lines. */
const char *nest_find_delimiter(const struct nest *nest, struct lines lines);

/* Names the place of an entity with `depth` levels around it: "part 2.1", or "its body" outside of parts. */
void nest_print_place(const struct nest *nest, size_t depth, char text[NEST_PLACE_SIZE]);

#endif
