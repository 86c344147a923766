/* SPDX-License-Identifier: ISC */
/*
 * mime - a message for a server: src/smtp/form.c, src/smtp/encoder.c and src/mime
 *
 * What leaves is legal, has as many octets as was announced, does not depend on the room in the buffer, and stays as it
 * is when it is recoded again.  Whether it still means the same, a reader in Python judges (see run.py).  The input is
 * a digit, the sum of 1 for 8BITMIME, 2 for SMTPUTF8 and 4 for CHUNKING, then the message.
 */
#include "common.h"

#include "base/lines.h"
#include "smtp/form.h"

#include <stdlib.h>
#include <string.h>

static const size_t small_rooms[] = {ENCODER_ROOM_MIN, 1000, 97, 4000};

static const char *line_end_after(const char *at, const char *end)
{
	return at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
}

/* A chosen form, and what it makes of the message. */
static struct buf write_wire(struct form *form, bool small)
{
	static struct mime mime;
	struct encoder encoder;
	struct buf wire = {0};
	form_open(form, &encoder, &mime);
	for (size_t i = 0; !encoder_is_done(&encoder); i++) {
		size_t room = small ? small_rooms[i % 4] : 65536;
		MUST(buf_reserve(&wire, room));
		/* Not into the buffer, which may have more room than that. */
		char *out = malloc(room);
		size_t length = encoder_write(&encoder, out, room);
		MUST(length <= room && (length > 0 || encoder_is_done(&encoder)));
		buf_add(&wire, out, length);
		free(out);
	}
	MUST(encoder.size == form->size);
	return wire;
}

/* Lines end with CR LF, no CR or LF stands elsewhere; after DATA, dots at their beginning are doubled.  Returns the
 * message, its dots no longer doubled. */
static struct buf check_lines(const struct buf *wire, bool dots)
{
	struct buf message = {0};
	const char *at = wire->data;
	const char *end = wire->data + wire->length;
	while (at < end) {
		const char *lf = line_end_after(at, end);
		MUST(lf && lf > at && lf[-1] == '\r' && !memchr(at, '\r', (size_t)(lf - 1 - at)));
		MUST(!dots || *at != '.' || at[1] == '.');
		at += dots && *at == '.';
		buf_add(&message, at, (size_t)(lf + 1 - at));
		at = lf + 1;
	}
	return message;
}

/* What was recoded is legal for the server; and the size is that of what arrives. */
static void check_legal(const struct form *form, struct span message, const struct capabilities *offers)
{
	struct span rest = message;
	MUST(form->size == message.length);
	if (form->chunked)
		return;
	MUST(message.length == 0 || !memchr(message.data, '\0', message.length));
	while (rest.data && rest.length > 0)
		MUST(span_split(rest, '\n', &rest).length <= LINE_MAX_TEXT + 1);
	bool ascii = text_is_ascii(message);
	MUST(ascii || offers->eightbitmime || (offers->smtputf8 && form->smtputf8));
	MUST(!form->recoded || form->recoding.eightbit == !ascii);
}

/* CR, LF and CR LF each become CR LF, and nothing else changes. */
static void check_unchanged(struct span source, struct span message)
{
	size_t to = 0;
	for (size_t i = 0; i < source.length; i++) {
		char octet = source.data[i];
		if (octet != '\r' && octet != '\n') {
			MUST(to < message.length && message.data[to++] == octet);
			continue;
		}
		i += octet == '\r' && i + 1 < source.length && source.data[i + 1] == '\n';
		MUST(message.length - to >= 2 && memcmp(message.data + to, "\r\n", 2) == 0);
		to += 2;
	}
	if (to > 0 && message.data[to - 1] != '\n')
		to += 2;
	MUST(to == message.length);
}

static void check_repeated(struct span message, const struct capabilities *offers)
{
	struct form form;
	struct line_facts facts = lines_examine(message);
	MUST(form_choose(&form, offers, message, &facts, "client.example"));
	struct buf wire = write_wire(&form, false);
	struct buf again = check_lines(&wire, true);
	MUST(is_same(message, (struct span){again.data, again.length}));
	buf_free(&wire);
	buf_free(&again);
}

static void check_form(struct form *form, struct span source, const struct capabilities *offers)
{
	struct buf wire = write_wire(form, false);
	struct buf slowly = write_wire(form, true);
	MUST(is_same((struct span){wire.data, wire.length}, (struct span){slowly.data, slowly.length}));
	struct buf received = check_lines(&wire, !form->chunked);
	struct span message = copy_of((struct span){received.data, received.length});
	check_legal(form, message, offers);
	if (!form->recoded)
		check_unchanged(source, message);
	else
		check_repeated(message, offers);
	free((void *)message.data);
	buf_free(&wire);
	buf_free(&slowly);
	buf_free(&received);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_of(data, size);
	unsigned offered = input_digit(&input);
	struct span source = copy_of((struct span){input.at, input.left});
	struct capabilities offers = {
		.eightbitmime = offered & 1,
		.smtputf8 = offered & 2,
		.chunking = offered & 4,
	};
	struct form form;
	struct line_facts facts = lines_examine(source);
	if (form_choose(&form, &offers, source, &facts, "client.example"))
		check_form(&form, source, &offers);
	else
		MUST(*form.recoding.trouble && is_printable(span_of(form.recoding.trouble)));
	free((void *)source.data);
	return 0;
}
