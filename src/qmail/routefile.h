/* SPDX-License-Identifier: ISC */
#ifndef ROUTEFILE_H
#define ROUTEFILE_H

#include "qmail/route.h"

/*
 * Reads a file of smtproutes.d; see the manual page for its keys.  Returns NULL, and the line of the relay in
 * route->line, or the first one; for a malformed file what is wrong with it, as a constant sentence without its
 * subject, and the number of the line in route->line.
 */
const char *routefile_read(struct span text, struct route *route);

#endif
