/* SPDX-License-Identifier: ISC */
#ifndef WORLD_H
#define WORLD_H

#include "audit.h"

enum { CONNECTIONS_MOST = 8 };

/* All servers say these octets, some of which have a meaning: see `enum cue` in world.c.  A server takes so many octets
 * before it pauses; 0: all. */
void world_begin(struct span servers, size_t pause);

/* What was said on each connection so far; returns how many there were, at most CONNECTIONS_MOST. */
size_t world_tapes(const struct tape **tapes);

/* Frees the tapes.  The last session must be closed. */
void world_end(void);

#endif
