/* SPDX-License-Identifier: ISC */
#ifndef ULABEL_H
#define ULABEL_H

#include "base/address.h"
#include "qmail/envelope.h"

#include <stdbool.h>

/* Why a name could not be converted. */
struct ulabel_failure {
	bool local;     /* Qremote cannot do it here and now: the text is about Qremote, else about the name */
	char text[300]; /* a sentence without its subject; empty where it is a name of no kind */
};

/*
 * Copies a name as the DNS knows it: lower-cased, without a final dot, and with A-labels in place of U-labels (RFC 5890
 * section 2.3.2.1).  An ASCII name stays what it is, whatever its labels mean.  False, with an empty name and a
 * failure, where that cannot be done.
 */
bool ulabel_copy(struct span text, char name[NAME_SIZE], struct ulabel_failure *failure);

/*
 * Puts A-labels into the addresses with an ASCII local part and a domain beyond ASCII, which then need no SMTPUTF8.
 * Other domains beyond ASCII stay as they were given (RFC 6531 section 3.3), but must be names, too.  A recipient with
 * a domain that is none is decided (h 5.1.3).  Returns false, and says why in `failure`, if the sender has one
 * (D 5.1.7), or if it cannot be done now (Z 4.3.0).  `sender` is the argument.
 */
bool ulabel_envelope(struct envelope *envelope, const char *sender, struct report *failure);

#endif
