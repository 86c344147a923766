#ifndef SCOUT_H
#define SCOUT_H

#include "lines.h"
#include "nest.h"

#include <stdbool.h>
#include <stddef.h>

/* Bodies within one another, at most: one for each level, and that of an entity without parts. */
enum { SCOUT_BODIES_MAX = NEST_MAX + 1 };

/* Goes through a message ahead of the walk, from one illegal line to the next, and knows in which bodies each is. */
struct scout {
	struct lines lines;
	bool eightbitmime; /* what the server takes */
	bool illegal;      /* the line that was taken last is */
	struct nest nest;
	const char *entity;                   /* where the next one begins, if that is known */
	size_t inside;                        /* how many bodies it is in */
	const char *bodies[SCOUT_BODIES_MAX]; /* where each of them begins, the outermost first */
};

/* Begins where `lines` are, at the beginning of a message. */
void scout_open(struct scout *scout, struct lines lines, bool eightbitmime);

/*
 * Whether the server takes all lines of a body, be there entities in it or not: one that begins at `body`, of an entity
 * that `depth` levels surround.  Who asks must go through the message from front to back as well.
 */
bool scout_is_legal(struct scout *scout, size_t depth, const char *body);

#endif
