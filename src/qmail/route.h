/* SPDX-License-Identifier: ISC */
#ifndef ROUTE_H
#define ROUTE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMTP_PORT = 25 };

/* Where mail for a host is sent. */
struct route {
	size_t line;       /* in smtproutes, from 1; 0 if no line matches */
	struct span relay; /* a name or an address; empty: the MX records as usual */
	uint16_t port;
};

/*
 * Reads every line of smtproutes, and finds the route for `host`: the most specific match wins, and of equal domains
 * the last line.  `host` is lower-cased and without final dot; an empty one matches nothing, which only checks the
 * file.  The relay points into `text`.  For a malformed line, returns what is wrong with it, as a constant sentence
 * without its subject, and puts its number into route->line; else NULL.
 */
const char *route_find(struct span text, struct span host, struct route *route);

#endif
