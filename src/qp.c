/*
 * qp - lines of quoted-printable (RFC 2045 section 6.7)
 *
 * body.c has each line of a part that is recoded written by it, straight into the out buffer.  Text is mostly octets
 * that stand for themselves: they are looked at and copied eight at a time.
 */
#include "qp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* `octet` in each of the eight octets of a word. */
#define EACH(octet) (UINT64_C(0x0101010101010101) * (octet))

static bool has_zero(uint64_t word)
{
	return (word - EACH(0x01)) & ~word & EACH(0x80);
}

/* Whether all eight octets are from space to `~` and none is `=`. */
static bool are_plain(uint64_t word)
{
	return !(word & EACH(0x80)) && !((word - EACH(0x20)) & EACH(0x80)) && !has_zero(word ^ EACH(0x7f)) &&
	       !has_zero(word ^ EACH('='));
}

static bool is_plain(unsigned char octet)
{
	return (octet >= ' ' && octet <= '~' && octet != '=') || octet == '\t';
}

static bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Copies plain octets, up to `most`; the last of the line is left, since more than itself decides about it. */
static char *copy_plain(const char **at, const char *end, char *out, size_t most)
{
	const char *from = *at;
	const char *stop = (size_t)(end - from) > most ? from + most : end - 1;
	uint64_t word;
	while (stop - from >= (ptrdiff_t)sizeof word) {
		memcpy(&word, from, sizeof word);
		if (!are_plain(word))
			break;
		memcpy(out, &word, sizeof word);
		from += sizeof word;
		out += sizeof word;
	}
	while (from < stop && is_plain((unsigned char)*from))
		*out++ = *from++;
	*at = from;
	return out;
}

static char *put_encoded(char *out, unsigned char octet)
{
	static const char digits[] = "0123456789ABCDEF";
	out[0] = '=';
	out[1] = digits[octet >> 4];
	out[2] = digits[octet & 15];
	return out + 3;
}

/* A line of a part must not become a delimiter by being cut or encoded, so none begins with two hyphens. */
static char *break_delimiter(const char **at, const char *end, char *out)
{
	if (end - *at < 2 || (*at)[0] != '-' || (*at)[1] != '-')
		return out;
	++*at;
	return put_encoded(out, '-');
}

size_t qp_encode(const char **at, const char *end, char *out)
{
	char *const start = out;
	out = break_delimiter(at, end, out);
	while (*at < end) {
		/* One column is kept for the `=` of a soft line break, unless the line ends here. */
		out = copy_plain(at, end, out, (size_t)(start + QP_LINE_MAX - 1 - out));
		bool last = end - *at == 1;
		bool plain = is_plain((unsigned char)**at) && !(last && is_blank(**at));
		if (start + QP_LINE_MAX - (last ? 0 : 1) - out < (plain ? 1 : 3)) {
			*out++ = '=';
			break;
		}
		if (plain)
			*out++ = **at;
		else
			out = put_encoded(out, (unsigned char)**at);
		++*at;
	}
	return (size_t)(out - start);
}

static bool is_hexadecimal(char digit)
{
	return (digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F') || (digit >= 'a' && digit <= 'f');
}

size_t qp_mend(const char **at, const char *end, char *out)
{
	char *const start = out;
	out = break_delimiter(at, end, out);
	while (*at < end) {
		out = copy_plain(at, end, out, (size_t)(start + QP_LINE_MAX - 1 - out));
		if (**at == '=' && end - *at == 1) { /* a soft line break that was there */
			*out++ = *(*at)++;
			break;
		}
		bool quoted = **at == '=' && end - *at > 2 && is_hexadecimal((*at)[1]) && is_hexadecimal((*at)[2]);
		bool plain = is_plain((unsigned char)**at);
		ptrdiff_t taken = quoted ? 3 : 1;
		if (start + QP_LINE_MAX - (end - *at == taken ? 0 : 1) - out < (plain ? 1 : 3)) {
			*out++ = '=';
			break;
		}
		if (quoted || plain) {
			memcpy(out, *at, (size_t)taken);
			out += taken;
		} else {
			out = put_encoded(out, (unsigned char)**at);
		}
		*at += taken;
	}
	return (size_t)(out - start);
}
