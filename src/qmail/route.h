#ifndef ROUTE_H
#define ROUTE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMTP_PORT = 25 };

/* Where mail for a host goes. */
struct route {
	size_t line;       /* of smtproutes, from 1; 0 where no line matches */
	struct span relay; /* a name or an address; empty: the MX records as usual */
	uint16_t port;
};

/*
 * Reads smtproutes, every line of it, and finds the route for `host`: the most specific match wins, and of equal
 * domains the last line.  `host` is lower-cased and without final dot; an empty one matches nothing, which leaves the
 * check.  The relay points into `text`.  On a malformed line, returns what is wrong with it, as a constant sentence
 * without its subject, and puts its number into route->line; else NULL.
 */
const char *route_find(struct span text, struct span host, struct route *route);

#endif
