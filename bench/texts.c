/* SPDX-License-Identifier: ISC */
/*
 * texts - the input of the benchmark
 *
 * Made in memory from a fixed seed, so that two runs, even on different machines, measure the same octets.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64_COLUMNS = 76, WORD_MAX = 11, SLACK = 4096 };

/* A text that grows. */
struct draft {
	char *data;
	size_t length;
	uint64_t seed;
	const char *line_end;
};

static struct draft begin(size_t size, const char *line_end)
{
	/* No step of a loop that checks the size adds more than this. */
	struct draft draft = {.data = malloc(size + SLACK), .seed = 2463534242, .line_end = line_end};
	if (!draft.data) {
		fputs("bench: out of memory\n", stderr);
		exit(1);
	}
	return draft;
}

/* xorshift (Marsaglia); a number from 0 to below `most`. */
static unsigned pick(struct draft *draft, unsigned most)
{
	draft->seed ^= draft->seed << 13;
	draft->seed ^= draft->seed >> 7;
	draft->seed ^= draft->seed << 17;
	return (unsigned)((draft->seed >> 32) * most >> 32);
}

static void add(struct draft *draft, const char *string)
{
	size_t length = strlen(string);
	memcpy(draft->data + draft->length, string, length);
	draft->length += length;
}

static void add_octet(struct draft *draft, unsigned octet)
{
	draft->data[draft->length++] = (char)octet;
}

static void add_base64(struct draft *draft, size_t size, bool in_lines)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t column = 0;
	while (draft->length < size) {
		add_octet(draft, (unsigned char)digits[pick(draft, 64)]);
		if (in_lines && ++column == BASE64_COLUMNS) {
			add(draft, draft->line_end);
			column = 0;
		}
	}
}

static void add_letter(struct draft *draft, enum kind kind)
{
	static const char *const umlauts[] = {"\xc3\xa4", "\xc3\xb6", "\xc3\xbc", "\xc3\x9f"};
	if (kind == CYRILLIC) {
		unsigned letter = 0x430 + pick(draft, 32);
		add_octet(draft, 0xc0 | letter >> 6);
		add_octet(draft, 0x80 | (letter & 0x3f));
	} else if (kind == GERMAN && pick(draft, 55) == 0) {
		add(draft, umlauts[pick(draft, 4)]);
	} else {
		add_octet(draft, 'a' + pick(draft, 26));
	}
}

static void add_word(struct draft *draft, enum kind kind)
{
	if (kind == HTML && pick(draft, 8) == 0)
		add(draft, "</td><td class=\"cell\" style=\"width:120px;color:#333\">");
	for (unsigned letters = 1 + pick(draft, WORD_MAX); letters > 0; letters--)
		add_letter(draft, kind);
	if (pick(draft, 9) == 0)
		add_octet(draft, ',');
}

/* Lines of words, with their least and greatest length. */
static void add_words(struct draft *draft, enum kind kind, size_t size)
{
	unsigned shortest = kind == HTML ? 2000 : kind == PARAGRAPHS ? 150 : 40;
	unsigned longest = kind == HTML ? 9000 : kind == PARAGRAPHS ? 900 : 75;
	while (draft->length < size) {
		size_t line_end = draft->length + shortest + pick(draft, longest - shortest);
		unsigned oddity = pick(draft, 50);
		add(draft, oddity == 0 ? "." : oddity == 1 ? "-- " : oddity < 6 ? draft->line_end : "");
		while (draft->length < line_end && draft->length < size) {
			add_word(draft, kind);
			add_octet(draft, ' ');
		}
		draft->length--; /* the space */
		add(draft, draft->line_end);
	}
}

static void add_text(struct draft *draft, enum kind kind, size_t size)
{
	if (kind == BASE64 || kind == ONE_LINE)
		add_base64(draft, size, kind == BASE64);
	else
		add_words(draft, kind, size);
	if (draft->data[draft->length - 1] != '\n')
		add(draft, draft->line_end);
}

static struct span finish(const struct draft *draft)
{
	return (struct span){draft->data, draft->length};
}

struct span text_make(const char *header, enum kind kind, const char *line_end, size_t size)
{
	struct draft draft = begin(size, line_end);
	add(&draft, header);
	add_text(&draft, kind, size);
	return finish(&draft);
}

struct span text_nest(const char *fields, unsigned depth, size_t size)
{
	char text[256];
	struct draft draft = begin(size + 400 * depth, "\n");
	add(&draft, "MIME-Version: 1.0\n");
	for (unsigned level = 0; level < depth; level++) {
		snprintf(text, sizeof text,
			 "%sContent-Type: multipart/mixed; boundary=\"level-%03u\"\n\n--level-%03u\n", fields, level,
			 level);
		add(&draft, text);
	}
	add(&draft, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
	add_text(&draft, GERMAN, size);
	for (unsigned level = depth; level > 0; level--) {
		snprintf(text, sizeof text, "\n--level-%03u--\n", level - 1);
		add(&draft, text);
	}
	return finish(&draft);
}

struct span text_parts(unsigned count)
{
	struct draft draft = begin(count * (size_t)SLACK, "\n");
	add(&draft, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=parts\n");
	for (unsigned part = 0; part < count; part++) {
		add(&draft, "\n--parts\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
		add_text(&draft, GERMAN, draft.length + 800);
	}
	add(&draft, "\n--parts--\n");
	return finish(&draft);
}

struct span text_field(size_t size)
{
	struct draft draft = begin(size, "\n");
	add(&draft, "X-Words: ");
	while (draft.length < size / 2)
		add(&draft, "word ");
	while (draft.length < size)
		add_octet(&draft, ' ');
	add(&draft, "\n\nhi\n");
	return finish(&draft);
}
