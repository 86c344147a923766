/* SPDX-License-Identifier: ISC */
#ifndef WORDS_H
#define WORDS_H

#include "mime/header.h"

#include <stdbool.h>
#include <stddef.h>

/* White space and what follows up to the next: text that stays, then text that becomes encoded-words. */
struct unit {
	struct span white;
	struct span plain;
	struct span encoded; /* what is not written yet */
	bool has_encoded;    /* it has or had some */
};

/* A field while it is turned into ASCII (RFC 2047). */
struct words {
	struct span rest; /* the body after the unit */
	struct unit unit; /* the last one taken; at first name and colon */
	bool pending;     /* it did not fit into the last line, or not all of it */
	enum grammar { FREE_TEXT, ADDRESSES, COMMENTS_ONLY, NOTHING } grammar; /* what may be encoded */
	size_t depth;                                                          /* of comments, at the rest */
	const char *mailbox_end;                                               /* of the mailbox that was looked at */
	const char *address_end; /* what comes before it in there is an address */
	bool utf8;               /* the field is; else its charset is unknown-8bit (RFC 1428) */
	enum { NO_TROUBLE, MISPLACED, TOO_LONG } trouble; /* 8-bit octets where no encoded-word may be; a line */
};

/* Begins with a field that has 8-bit octets. */
void words_open(struct words *words, const struct field *field);

/*
 * Writes the next line of the field, without its end, and returns its length: at most LINE_MAX_TEXT octets, and at most
 * 76 if it has an encoded-word. 0 at the end, or in trouble.  `out` has room for LINE_MAX_TEXT + 1.
 *
 * Words with 8-bit octets become encoded-words of at most 75 octets, in the encoding Q and in characters as whole as
 * they were: those of free text, of display names, and of comments.  Several in a row are encoded as one text with the
 * white space between them; what is quoted belongs to one word.  The field is unfolded and folded anew; white space at
 * its end is left out, and a single space put where RFC 2047 section 5 wants one.  What a reader is shown stays
 * otherwise the same.
 */
size_t words_next(struct words *words, char *out);

#endif
