#ifndef NEST_H
#define NEST_H

#include "base/lines.h"
#include "mime/header.h"

#include <stdbool.h>
#include <stddef.h>

/* Entities within one another, at most; and octets of all their boundaries. */
enum { NEST_MAX = 100, NEST_BOUNDARIES_MAX = 8192, NEST_PLACE_SIZE = 80 };

/* What surrounds an entity: a multipart, or a message, which has no boundary. */
struct level {
	size_t boundary; /* where in `boundaries` */
	size_t boundary_length;
	bool digest;
	unsigned part; /* the one that was entered last, from 1 */
};

/* All that surrounds a place in a message, the outermost first. */
struct nest {
	size_t depth;
	struct level levels[NEST_MAX];
	char boundaries[NEST_BOUNDARIES_MAX]; /* one behind the other */
	size_t sorted;                        /* how many there are of these: */
	unsigned char order[NEST_MAX];        /* levels in the order of their boundaries, of equal ones the outermost */
};

/* Makes it empty. */
void nest_open(struct nest *nest);

/* Whether there is room for one more level, with the boundary that the type has. */
bool nest_has_room(const struct nest *nest, const struct content_type *type);

/* Whether an entity that begins in it is a message, and no part of a multipart. */
bool nest_holds_message(const struct nest *nest);

/* Adds a level, for which there must be room: a multipart, or a message where the type has no boundary. */
void nest_push(struct nest *nest, const struct content_type *type);

/*
 * Whether the line is a delimiter of a multipart, the outermost first (RFC 2046 section 5.1.2): `--`, the boundary,
 * perhaps `--`, and then nothing but white space.  Gives its level, and whether it is the one that closes; nothing
 * where it is none.
 */
bool nest_is_delimiter(const struct nest *nest, struct span line, size_t *level, bool *closing);

/* The same of the line where `lines` are, which are not moved. */
bool nest_at_delimiter(const struct nest *nest, struct lines *lines);

/* Goes behind a delimiter of that level: out of what is within the level and, where it closes, out of that itself. */
void nest_pass(struct nest *nest, size_t level, bool closing);

/* Where the next delimiter begins, or the end of the lines. */
const char *nest_find_delimiter(const struct nest *nest, struct lines lines);

/* Names the place where an entity stands that `depth` levels surround: "part 2.1", or "its body" outside of parts. */
void nest_print_place(const struct nest *nest, size_t depth, char text[NEST_PLACE_SIZE]);

#endif
