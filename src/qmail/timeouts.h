/* SPDX-License-Identifier: ISC */
#ifndef TIMEOUTS_H
#define TIMEOUTS_H

#include "qmail/tcpto.h"

/*
 * Reads the table of hosts that timed out, queue/lock/tcpto in the qmail home.  It has no records if there is none, or
 * if it cannot be opened for reading and writing, or locked.
 */
void timeouts_read(struct tcpto *table, const char *home);

/* Whether an address is passed over now. */
bool timeouts_defer(const struct tcpto *table, const struct address *address);

/* Notes in the table what came of an attempt to connect, if `known`, what was read of it before, has an entry for the
 * address, or if it timed out. */
void timeouts_note(const struct tcpto *known, const char *home, const struct address *address, bool timed_out);

#endif
