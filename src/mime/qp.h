#ifndef QP_H
#define QP_H

#include <stddef.h>

/* Octets of a quoted-printable line, its CR LF not counted (RFC 2045 section 6.7, rule 5). */
enum { QP_LINE_MAX = 76 };

/* Writes the three octets that stand for one, in capitals, and returns what is after them. */
char *qp_escape(char *out, char octet);

/*
 * Encodes what it can of a line of text as one line of quoted-printable, CR LF not included, and moves `at` behind it.
 * As long as `at` is not at `end` afterwards, the line written ends with a soft line break.  `out` has room for
 * QP_LINE_MAX octets.  Returns how many it wrote.
 */
size_t qp_encode(const char **at, const char *end, char *out);

/*
 * The same for a line that is quoted-printable already, without the white space at its end, which means nothing (rule
 * 3): no line is too long, and octets that have no place in it (8-bit, controls, a `=` without two digits behind it)
 * are encoded; what the line means stays.
 */
size_t qp_mend(const char **at, const char *end, char *out);

#endif
