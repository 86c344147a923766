/* SPDX-License-Identifier: ISC */
#ifndef QP_H
#define QP_H

#include <stddef.h>

/* The longest line of quoted-printable, in octets without its CR LF (RFC 2045 section 6.7, rule 5). */
enum { QP_LINE_MAX = 76 };

/* Writes an octet as three, in upper case, and returns the place after them. */
char *qp_escape(char *out, char octet);

/*
 * Encodes as much of a line of text as fits into one line of quoted-printable, without CR LF, and moves `at` past it.
 * If `at` is not at `end` afterwards, the line ends with a soft line break.  `out` has room for QP_LINE_MAX + 2 octets.
 * Returns how many octets it wrote.
 */
size_t qp_encode(const char **at, const char *end, char *out);

/*
 * The same for a line that is quoted-printable already, without trailing white space, which has no meaning (rule 3): no
 * line is too long, and illegal octets (8-bit, controls, a `=` without two digits after it) are encoded; the meaning of
 * the line stays the same.
 */
size_t qp_mend(const char **at, const char *end, char *out);

#endif
