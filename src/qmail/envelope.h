/* SPDX-License-Identifier: ISC */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "base/buf.h"
#include "qmail/report.h"

#include <stdbool.h>
#include <stddef.h>

struct recipient {
	const char *argument;
	struct buf path;      /* as RCPT sends it, with its angle brackets */
	bool utf8;            /* needs SMTPUTF8 */
	struct report report; /* with a letter, the recipient is decided */
};

/* Sender and recipients of one message (RFC 5321 section 2.3.1). */
struct envelope {
	struct buf sender; /* as MAIL sends it, with its angle brackets; empty: it is invalid */
	bool sender_utf8;
	struct recipient *recipients; /* owned, in the order of the arguments */
	size_t count;
	struct buf results; /* the octets for the caller, once all is decided */
};

/* Makes the envelope from argument strings, which must stay in place.  An invalid recipient is decided at once (h
 * 5.1.3). */
void envelope_build(struct envelope *envelope, const char *sender, char *const *recipients, size_t count);

/* Returns false, and says why in `failure`, if the sender is invalid (D 5.1.7), if no recipient is left (D 5.1.3), or
 * if memory was short (Z 4.3.0).  `sender` is the argument. */
bool envelope_check(const struct envelope *envelope, const char *sender, struct report *failure);

/* The number of recipients that are not decided yet. */
size_t envelope_open_count(const struct envelope *envelope);

/* Whether the sender or an undecided recipient needs SMTPUTF8 (RFC 6531). */
bool envelope_needs_utf8(const struct envelope *envelope);

/*
 * Reserves the memory for the reports of all recipients, decided or not, and for one message report, so that accepted
 * mail is always reported as accepted.  False if memory is, or was, short.
 */
bool envelope_reserve(struct envelope *envelope);

/* Writes the reports of all decided recipients, and then the message report, into `results`. */
void envelope_emit(struct envelope *envelope, const struct report *message);

void envelope_free(struct envelope *envelope);

#endif
