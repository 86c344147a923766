/* SPDX-License-Identifier: ISC */
/*
 * qp - lines of quoted-printable (RFC 2045 section 6.7)
 *
 * encoder.c writes each line of a quoted-printable body with it, straight into the out buffer.
 */
#include "mime/qp.h"

#include <ctype.h>
#include <stdbool.h>

char *qp_escape(char *out, char octet)
{
	static const char digits[] = "0123456789ABCDEF";
	out[0] = '=';
	out[1] = digits[(unsigned char)octet >> 4];
	out[2] = digits[(unsigned char)octet & 15];
	return out + 3;
}

/* Whether an octet may represent itself, except at the end of a line. */
static bool is_literal(char octet)
{
	return (octet >= ' ' && octet <= '~' && octet != '=') || octet == '\t';
}

static bool is_escape(const char *at, const char *end)
{
	return end - at > 2 && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]);
}

/* Without a branch: octets that stay and others alternate too often.  It may write two octets more. */
static inline char *put(char *out, char octet, bool stays)
{
	qp_escape(out, octet);
	*out = stays ? octet : '=';
	return out + (stays ? 1 : 3);
}

/* With `mend`, valid quoted-printable in the line stays unchanged. */
static inline size_t put_line(const char **at, const char *end, char *out, bool mend)
{
	const char *const start = out;
	const char *const limit = out + QP_LINE_MAX - 1; /* one column is reserved for the `=` of a soft line break */
	const char *from = *at;
	/* Cutting or encoding must not turn a line into a delimiter, so none begins with two hyphens. */
	if (end - from > 1 && from[0] == '-' && from[1] == '-')
		out = qp_escape(out, *from++);
	while (from < end) {
		for (; end - from > 1 && limit - out >= 3 && !(mend && *from == '='); from++)
			out = put(out, *from, is_literal(*from));
		bool quoted = mend && *from == '=';
		ptrdiff_t taken = quoted && is_escape(from, end) ? 3 : 1;
		bool last = end - from == taken;
		bool stays =
			quoted ? taken == 3 || last : is_literal(*from) && !(last && (*from == ' ' || *from == '\t'));
		if (limit + last - out < (stays ? taken : 3)) {
			*out++ = '=';
			break;
		}
		out = put(out, *from++, stays);
		for (; taken > 1; taken--)
			*out++ = *from++;
	}
	*at = from;
	return (size_t)(out - start);
}

size_t qp_encode(const char **at, const char *end, char *out)
{
	return put_line(at, end, out, false);
}

size_t qp_mend(const char **at, const char *end, char *out)
{
	return put_line(at, end, out, true);
}
