/* SPDX-License-Identifier: ISC */
/*
 * common - what the targets share: inputs, promises, and a second reader of replies
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void broken(const char *file, int line, const char *promise)
{
	fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
	abort();
}

struct input input_of(const uint8_t *data, size_t size)
{
	return (struct input){(const char *)data, size};
}

unsigned input_digit(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return (uint8_t)(*input->at++ - '0');
}

struct span copy_of(struct span octets)
{
	char *copy = malloc(octets.length > 0 ? octets.length : 1);
	MUST(copy);
	if (octets.length > 0)
		memcpy(copy, octets.data, octets.length);
	return (struct span){copy, octets.length};
}

struct span input_octets(struct input *input)
{
	const char *end = input->left > 0 ? memchr(input->at, 0xff, input->left) : NULL;
	size_t length = end ? (size_t)(end - input->at) : input->left;
	struct span octets = copy_of((struct span){input->at, length});
	input->at += length + (end != NULL);
	input->left -= length + (end != NULL);
	return octets;
}

bool is_same(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool starts_with(struct span octets, struct span start)
{
	return octets.length >= start.length && is_same((struct span){octets.data, start.length}, start);
}

const char *find(struct span octets, const char *text)
{
	return octets.length > 0 ? memmem(octets.data, octets.length, text, strlen(text)) : NULL;
}

/* The first code point of each length in UTF-8 (RFC 3629). */
static const unsigned long first_of_length[] = {0, 0, 0x80, 0x800, 0x10000};

/* Takes one character; false if it is not well formed. */
static bool take_character(struct span *text, unsigned long *character)
{
	unsigned char lead = (unsigned char)*text->data;
	size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
	if (length == 0 || length > text->length)
		return false;
	*character = length == 1 ? lead : lead & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text->data[i] & 0xc0) != 0x80)
			return false;
		*character = *character << 6 | ((unsigned char)text->data[i] & 0x3fU);
	}
	text->data += length;
	text->length -= length;
	return *character >= first_of_length[length] && *character <= 0x10ffff &&
	       (*character < 0xd800 || *character > 0xdfff);
}

bool is_printable(struct span text)
{
	unsigned long character;
	while (text.length > 0) {
		if (!take_character(&text, &character))
			return false;
		if ((character < ' ' && character != '\n') || (character >= 0x7f && character < 0xa0))
			return false;
	}
	return true;
}

enum { LINE_MOST = 4096, LINES_MOST = 1000, OCTETS_MOST = 65536 };

/* The code that a line begins with; 0 if it has none. */
static int code_of(const char *line, size_t length)
{
	char code[4] = "";
	memcpy(code, line, length < 3 ? length : 3);
	if (strspn(code, "0123456789") != 3 || *code < '2' || *code > '5')
		return 0;
	return length == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '-' ? atoi(code) : 0;
}

struct plain_reply plain_reply_read(struct span octets)
{
	struct plain_reply reply = {.state = PLAIN_INCOMPLETE};
	size_t lines = 0;
	size_t kept = 0;
	while (reply.state == PLAIN_INCOMPLETE) {
		const char *line = octets.data + reply.length;
		size_t left = octets.length - reply.length;
		const char *lf = left > 0 ? memchr(line, '\n', left) : NULL;
		size_t length = lf ? (size_t)(lf - line) : left;
		for (int crs = 0; crs < 2 && length > 0 && line[length - 1] == '\r'; crs++)
			length--;
		if (!lf && length <= LINE_MOST)
			break;
		if (lf && reply.length == 0 && length == 0) { /* an empty line before the reply */
			reply.length = (size_t)(lf + 1 - line);
			continue;
		}
		int code = lf ? code_of(line, length) : 0;
		kept += length + 1;
		if (code == 0 || (lines > 0 && code != reply.code) || length > LINE_MOST || ++lines > LINES_MOST ||
		    kept > OCTETS_MOST)
			reply.state = PLAIN_MALFORMED;
		else if (length == 3 || line[3] != '-')
			reply.state = PLAIN_COMPLETE;
		reply.code = lines == 1 ? code : reply.code;
		reply.length += lf ? (size_t)(lf + 1 - line) : length;
	}
	return reply;
}

struct span plain_canonical(struct span message)
{
	char *canonical = malloc(2 * message.length + 3);
	size_t length = 0;
	MUST(canonical);
	for (size_t i = 0; i < message.length; i++) {
		bool pair = i > 0 && message.data[i - 1] == '\r' && message.data[i] == '\n';
		bool end = message.data[i] == '\r' || message.data[i] == '\n';
		if (end && !pair)
			length += (size_t)sprintf(canonical + length, "\r\n");
		else if (!end)
			canonical[length++] = message.data[i];
	}
	if (length > 0 && canonical[length - 1] != '\n')
		length += (size_t)sprintf(canonical + length, "\r\n");
	return (struct span){canonical, length};
}
