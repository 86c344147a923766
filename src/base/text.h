/* SPDX-License-Identifier: ISC */
#ifndef TEXT_H
#define TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Octets that belong to the caller. */
struct span {
	const char *data;
	size_t length;
};

/* A string without its NUL. */
struct span span_of(const char *string);

/* Compare octets; ASCII letters without regard to case. */
bool span_equal(struct span a, struct span b);

/* Whether the text is this string, letter for letter. */
bool span_is(struct span text, const char *string);

/* The text before the first `octet`, or all of it.  `rest` becomes the text after that octet; its data is NULL if
 * there is none. */
struct span span_split(struct span text, char octet, struct span *rest);

/* Without the white space (space, tab, CR, LF, VT, FF) at its end. */
struct span span_trim(struct span text);

/* Reads all of the text as a decimal number from `least` to `most`; false if it is anything else. */
bool span_number(struct span text, unsigned long least, unsigned long most, unsigned long *number);

/* The length of the well-formed UTF-8 sequence (RFC 3629) at the start of the text; 0 if there is none. */
size_t text_utf8_length(struct span text);

/* Whether no octet of the text has its highest bit set. */
bool text_is_ascii(struct span text);

/* Whether all of the text is well-formed UTF-8. */
bool text_is_utf8(struct span text);

/* Whether all of the text is well-formed UTF-8 without control characters. */
bool text_is_plain(struct span text);

/*
 * Appends the text in printable form, for a report or a terminal: control characters (DEL and C1 too) and octets that
 * are not UTF-8 become `?`; LF stays if `lines` is set.  At most `most` octets, and no character is cut.  Returns
 * whether all of it fits.
 */
bool text_printable(struct buf *out, struct span text, bool lines, size_t most);

#endif
