/* SPDX-License-Identifier: ISC */
#ifndef WORDS_H
#define WORDS_H

#include "mime/header.h"

#include <stdbool.h>
#include <stddef.h>

/* White space and the text after it: unchanged, or to be encoded-words. */
struct unit {
	struct span white;
	struct span text; /* the rest of it */
	bool encoded;
	bool comment; /* the text is what stands between its parentheses */
	bool begun;   /* encoded-words of it have left */
};

/* A field while it is turned into ASCII (RFC 2047). */
struct words {
	struct span start; /* name and colon, until they are written */
	struct span rest;  /* the body after the unit */
	struct unit unit;
	bool pending; /* the unit did not fit into the last line, or not all of it */
	enum { AFTER_SEPARATOR, AFTER_TEXT, AFTER_OLD_WORD } place; /* encoded-words of ours separate, too */
	enum { FREE_TEXT, ADDRESSES, COMMENTS_ONLY } grammar;
	const char *comments_end; /* no parenthesis from here on begins a comment, since it has no end */
	const char *quotes_end;   /* the same of quotes */
	bool utf8;                /* the field is; else its charset is unknown-8bit (RFC 1428) */
	bool bare;    /* we are where nothing but comments may be encoded, as in an address without brackets */
	bool stuck;   /* 8-bit octets stand where no encoded-word may, or a line would be too long */
	bool is_long; /* the latter */
};

/* Begins with a field that has 8-bit octets.  False if fields of that name allow no encoded-words. */
bool words_open(struct words *words, const struct field *field);

/*
 * Writes the next line of the field, without its end, and returns its length: at most LINE_MAX_TEXT octets, and at most
 * 76 if it has an encoded-word. 0 at the end, or if it is stuck.
 *
 * Words with 8-bit octets become encoded-words of at most 75 octets, in the encoding Q and in characters as whole as
 * they were: those of free text, of display names, and of comments.  Several in a row are encoded as one text with the
 * white space between them; so are a quoted-string and a comment.  The field is unfolded and folded anew; white space
 * at its end is left out, and a single space put where RFC 2047 section 5 wants one.  What a reader is shown stays
 * otherwise the same.
 */
size_t words_next(struct words *words, char *out);

#endif
