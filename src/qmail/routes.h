/* SPDX-License-Identifier: ISC */
#ifndef ROUTES_H
#define ROUTES_H

#include "qmail/config.h"
#include "qmail/route.h"

/* The way to a host, and where it is written. */
struct way {
	struct route route;
	char file[NAME_SIZE + 16]; /* the control file that applies; empty if there is none */
	const char *families_file; /* the control file that says which families are used */
	struct buf contents;       /* what the route points into, if it is a file of smtproutes.d */
};

/*
 * Finds the way to a host (its name in lower case without a final dot, or a literal): by the file of smtproutes.d that
 * is for it or, without one, by smtproutes; what neither says is taken from the other control files.  False, with
 * Z 4.3.0 in `failure`, if that file cannot be read or is malformed.
 */
bool routes_find(struct way *way, const char *host, const struct config *config, struct report *failure);

#endif
