/* SPDX-License-Identifier: ISC */
/*
 * qp - lines of quoted-printable (RFC 2045 section 6.7)
 *
 * encoder.c writes each line of a quoted-printable body with it, straight into the out buffer.
 */
#include "mime/qp.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Each octet in quoted-printable, padded to three octets, and the number of octets that count. */
enum { FORM_SIZE = 4 };
static const char forms[] = "=003=013=023=033=043=053=063=073=083\t  1=0A3=0B3=0C3=0D3=0E3=0F3"
			    "=103=113=123=133=143=153=163=173=183=193=1A3=1B3=1C3=1D3=1E3=1F3"
			    "   1!  1\"  1#  1$  1%  1&  1'  1(  1)  1*  1+  1,  1-  1.  1/  1"
			    "0  11  12  13  14  15  16  17  18  19  1:  1;  1<  1=3D3>  1?  1"
			    "@  1A  1B  1C  1D  1E  1F  1G  1H  1I  1J  1K  1L  1M  1N  1O  1"
			    "P  1Q  1R  1S  1T  1U  1V  1W  1X  1Y  1Z  1[  1\\  1]  1^  1_  1"
			    "`  1a  1b  1c  1d  1e  1f  1g  1h  1i  1j  1k  1l  1m  1n  1o  1"
			    "p  1q  1r  1s  1t  1u  1v  1w  1x  1y  1z  1{  1|  1}  1~  1=7F3"
			    "=803=813=823=833=843=853=863=873=883=893=8A3=8B3=8C3=8D3=8E3=8F3"
			    "=903=913=923=933=943=953=963=973=983=993=9A3=9B3=9C3=9D3=9E3=9F3"
			    "=A03=A13=A23=A33=A43=A53=A63=A73=A83=A93=AA3=AB3=AC3=AD3=AE3=AF3"
			    "=B03=B13=B23=B33=B43=B53=B63=B73=B83=B93=BA3=BB3=BC3=BD3=BE3=BF3"
			    "=C03=C13=C23=C33=C43=C53=C63=C73=C83=C93=CA3=CB3=CC3=CD3=CE3=CF3"
			    "=D03=D13=D23=D33=D43=D53=D63=D73=D83=D93=DA3=DB3=DC3=DD3=DE3=DF3"
			    "=E03=E13=E23=E33=E43=E53=E63=E73=E83=E93=EA3=EB3=EC3=ED3=EE3=EF3"
			    "=F03=F13=F23=F33=F43=F53=F63=F73=F83=F93=FA3=FB3=FC3=FD3=FE3=FF3";

static const char *form_of(char octet)
{
	return forms + (size_t)(unsigned char)octet * FORM_SIZE;
}

/* Whether an octet may represent itself, except at the end of a line. */
static bool is_literal(char octet)
{
	return form_of(octet)[3] == '1';
}

/* Writes FORM_SIZE octets, of which up to three count: the two kinds alternate too often for a branch on each octet. */
static char *put(char *out, char octet)
{
	const char *form = form_of(octet);
	memcpy(out, form, FORM_SIZE);
	return out + (form[3] - '0');
}

static bool is_hexadecimal(char digit)
{
	return (digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F') || (digit >= 'a' && digit <= 'f');
}

char *qp_escape(char *out, char octet)
{
	static const char digits[] = "0123456789ABCDEF";
	out[0] = '=';
	out[1] = digits[(unsigned char)octet >> 4];
	out[2] = digits[(unsigned char)octet & 15];
	return out + 3;
}

/* Cutting or encoding must not turn a line into a delimiter, so none begins with two hyphens. */
static char *break_delimiter(const char **at, const char *end, char *out)
{
	if (end - *at < 2 || (*at)[0] != '-' || (*at)[1] != '-')
		return out;
	++*at;
	return qp_escape(out, '-');
}

/* With `mend`, valid quoted-printable in the line stays unchanged. */
static size_t put_line(const char **at, const char *end, char *out, bool mend)
{
	char *const start = out;
	char *const limit = start + QP_LINE_MAX - 1; /* one column is reserved for the `=` of a soft line break */
	out = break_delimiter(at, end, out);
	const char *from = *at;
	while (from < end) {
		while (end - from > 1 && limit - out >= 3 && (!mend || *from != '='))
			out = put(out, *from++);
		bool quoted = mend && *from == '=';
		bool escape = quoted && end - from > 2 && is_hexadecimal(from[1]) && is_hexadecimal(from[2]);
		ptrdiff_t taken = escape ? 3 : 1;
		bool last = end - from == taken;
		bool stays = escape || (quoted && last) || (is_literal(*from) && !(last && is_blank(*from)));
		if (limit + last - out < (stays ? taken : 3)) {
			*out++ = '=';
			break;
		}
		if (stays)
			memcpy(out, from, (size_t)taken);
		out = stays ? out + taken : qp_escape(out, *from);
		from += taken;
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
