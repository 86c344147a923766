/* SPDX-License-Identifier: ISC */
/*
 * text - spans of octets, and how they are made printable
 *
 * The pure floor parses with spans, because control files and replies are not strings: they may hold NULs.
 */
#include "base/text.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span span_of(const char *string)
{
	return (struct span){string, strlen(string)};
}

bool span_equal(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || strncasecmp(a.data, b.data, a.length) == 0);
}

bool span_is(struct span text, const char *string)
{
	return text.length == strlen(string) && (text.length == 0 || memcmp(text.data, string, text.length) == 0);
}

struct span span_split(struct span text, char octet, struct span *rest)
{
	const char *at = text.length > 0 ? memchr(text.data, octet, text.length) : NULL;
	if (!at) {
		*rest = (struct span){NULL, 0};
		return text;
	}
	size_t before = (size_t)(at - text.data);
	*rest = (struct span){at + 1, text.length - before - 1};
	return (struct span){text.data, before};
}

struct span span_trim(struct span text)
{
	while (text.length > 0 && memchr(" \t\r\n\v\f", text.data[text.length - 1], 6))
		text.length--;
	return text;
}

bool span_number(struct span text, unsigned long least, unsigned long most, unsigned long *number)
{
	unsigned long value = 0;
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		unsigned long digit = (unsigned long)(text.data[i] - '0');
		if (value > (most - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return text.length > 0 && value >= least && value <= most;
}

size_t text_utf8_length(struct span text)
{
	const unsigned char *octets = (const unsigned char *)text.data;
	if (text.length == 0)
		return 0;
	if (octets[0] < 0x80)
		return 1;
	size_t length = octets[0] >= 0xf0 ? 4 : octets[0] >= 0xe0 ? 3 : 2;
	if (octets[0] < 0xc2 || octets[0] > 0xf4 || text.length < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((octets[i] & 0xc0) != 0x80)
			return 0;
	/* No overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629 section 4). */
	if ((octets[0] == 0xe0 && octets[1] < 0xa0) || (octets[0] == 0xed && octets[1] > 0x9f) ||
	    (octets[0] == 0xf0 && octets[1] < 0x90) || (octets[0] == 0xf4 && octets[1] > 0x8f))
		return 0;
	return length;
}

/* The same, or eight octets if they are all ASCII, as most are. */
static size_t utf8_length_at_once(struct span text)
{
	uint64_t word;
	if (text.length < sizeof word)
		return text_utf8_length(text);
	memcpy(&word, text.data, sizeof word);
	return word & UINT64_C(0x8080808080808080) ? text_utf8_length(text) : sizeof word;
}

bool text_is_ascii(struct span text)
{
	unsigned char all = 0;
	for (size_t i = 0; i < text.length; i++)
		all |= (unsigned char)text.data[i];
	return all < 0x80;
}

bool text_is_utf8(struct span text)
{
	while (text.length > 0) {
		size_t length = utf8_length_at_once(text);
		if (length == 0)
			return false;
		text.data += length;
		text.length -= length;
	}
	return true;
}

/* Whether a character of UTF-8 is a control character: DEL and C1 too. */
static bool is_control(struct span character)
{
	unsigned char first = (unsigned char)character.data[0];
	if (character.length == 2)
		return first == 0xc2 && (unsigned char)character.data[1] < 0xa0; /* C1: U+0080 to U+009F */
	return character.length == 1 && (first < 0x20 || first == 0x7f);
}

bool text_is_plain(struct span text)
{
	while (text.length > 0) {
		size_t length = text_utf8_length(text);
		if (length == 0 || is_control((struct span){text.data, length}))
			return false;
		text.data += length;
		text.length -= length;
	}
	return true;
}

bool text_printable(struct buf *out, struct span text, bool lines, size_t most)
{
	while (text.length > 0 && most > 0) {
		size_t length = text_utf8_length(text);
		struct span character = {text.data, length > 0 ? length : 1};
		if (character.length > most)
			return false;
		bool plain = length > 0 && (!is_control(character) || (lines && *text.data == '\n'));
		buf_add(out, plain ? character.data : "?", plain ? character.length : 1);
		most -= plain ? character.length : 1;
		text.data += character.length;
		text.length -= character.length;
	}
	return text.length == 0;
}
