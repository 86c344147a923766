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
	bool quoted; /* a quoted-string, whose quotes and backslashes are not shown to a reader */
};

/* A field while it is turned into ASCII (RFC 2047). */
struct words {
	struct span start; /* name and colon, until they are written */
	struct span rest;  /* the body after the unit */
	struct unit unit;
	bool pending; /* the unit did not fit into the last line, or not all of it */
	enum { AFTER_SEPARATOR, AFTER_TEXT, AFTER_OLD_WORD, AFTER_NEW_WORD } place;
	bool utf8;       /* the field is UTF-8; else its charset is unknown-8bit (RFC 1428) */
	bool addresses;  /* its body is a list of addresses; else unstructured text */
	bool judged;     /* `bare` is known for the current address */
	bool bare;       /* without brackets, and so without a display name */
	size_t comments; /* the number of comments around the current place */
	bool stuck;      /* 8-bit octets are where no encoded-word may be, or a line would be too long */
	bool is_long;    /* the latter */
};

/* Begins with a field that has 8-bit octets.  False if fields of that name allow no encoded-words. */
bool words_open(struct words *words, const struct field *field);

/*
 * Writes the next line of the field, without its end, and returns its length: at most LINE_MAX_TEXT octets, and at most
 * 76 if it has an encoded-word. 0 at the end, or if it is stuck.
 *
 * Words with 8-bit octets become encoded-words of at most 75 octets, in encoding Q, without cutting characters: in
 * unstructured text, in display names (a quoted-string as a whole), and in comments of address fields.  The field is
 * unfolded and folded anew; trailing white space is removed, and a space is added where RFC 2047 section 5 demands one.
 * Apart from that, a reader sees the same text.
 */
size_t words_next(struct words *words, char *out);

#endif
