/* SPDX-License-Identifier: ISC */
/*
 * encoder - a message to the octets after DATA or BDAT
 *
 * transaction.c has it write straight from the mapped file into the stream's out buffer: no copy in between.  No octet
 * sequence of the message can become CR LF . CR LF on the wire, since every CR and LF, alone or not, becomes CR LF,
 * and every dot after one is doubled.  A message that must be recoded is a sequence of pieces that mime.c gives.
 */
#include "smtp/encoder.h"

#include "mime/qp.h"

#include <string.h>

static void begin(struct encoder *encoder, struct mime *mime, bool dots)
{
	*encoder = (struct encoder){.mime = mime, .manner = MANNER_COPY, .dots = dots};
}

void encoder_open(struct encoder *encoder, struct span message, bool dots)
{
	begin(encoder, NULL, dots);
	lines_open(&encoder->rest, message);
}

void encoder_open_recoded(struct encoder *encoder, struct mime *mime, struct recoding *recoding)
{
	begin(encoder, mime, true);
	mime_open(mime, recoding);
	lines_open(&encoder->rest, (struct span){recoding->message.data, 0});
}

/* Gets the next piece if the last one is done; false if there is none. */
static bool has_piece(struct encoder *encoder)
{
	struct piece piece;
	if (encoder->rest.at < encoder->rest.end || encoder->in_line)
		return true;
	if (!encoder->mime || !mime_next(encoder->mime, &piece))
		return false;
	lines_open(&encoder->rest, piece.octets);
	encoder->manner = piece.manner;
	return true;
}

/* Most lines are short.  A short one is copied together with the octets after it, if there are enough: a copy of
 * constant length needs neither a call nor a branch.  The next line overwrites the surplus. */
static char *copy_octets(char *out, size_t room, const struct lines *from, size_t length)
{
	enum { SHORT = 80 };
	if (length <= SHORT && room >= SHORT && from->end - from->at >= SHORT)
		memcpy(out, from->at, SHORT);
	else
		memcpy(out, from->at, length);
	return out + length;
}

/* Copies as much of a line as there is room for, up to its CR; returns where the next octet goes. */
static char *copy_line(struct encoder *encoder, char *out, char *limit)
{
	struct lines *rest = &encoder->rest;
	if (!encoder->in_line && encoder->dots && *rest->at == '.') {
		*out++ = '.';
		encoder->size--;
		encoder->in_line = true;
	}
	size_t length = (size_t)(lines_line_end(rest) - rest->at);
	bool whole = length < (size_t)(limit - out);
	if (!whole)
		length = (size_t)(limit - out);
	out = copy_octets(out, (size_t)(limit - out), rest, length);
	rest->at += length;
	encoder->in_line = encoder->in_line || length > 0;
	if (!whole)
		return out;
	*out++ = '\r';
	encoder->owes_lf = out == limit;
	if (!encoder->owes_lf)
		*out++ = '\n';
	encoder->in_line = false;
	lines_skip(rest);
	return out;
}

/* Begins a line of a body that becomes, or is, quoted-printable. */
static void begin_quoted(struct encoder *encoder)
{
	struct lines *rest = &encoder->rest;
	struct span text = {rest->at, (size_t)(lines_line_end(rest) - rest->at)};
	while (encoder->manner == MANNER_MEND && text.length > 0 &&
	       (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
		text.length--;
	encoder->text_end = text.data + text.length;
	encoder->in_line = true;
}

/* The next line of quoted-printable, for which there is room. */
static char *write_quoted(struct encoder *encoder, char *out)
{
	struct lines *rest = &encoder->rest;
	if (!encoder->in_line)
		begin_quoted(encoder);
	char *line = out;
	out += (encoder->manner == MANNER_QUOTE ? qp_encode : qp_mend)(&rest->at, encoder->text_end, out);
	if (line < out && *line == '.' && encoder->dots) {
		memmove(line + 1, line, (size_t)(out++ - line));
		encoder->size--;
	}
	*out++ = '\r';
	*out++ = '\n';
	encoder->in_line = rest->at < encoder->text_end;
	if (!encoder->in_line)
		lines_skip(rest);
	return out;
}

size_t encoder_write(struct encoder *encoder, char *out, size_t room)
{
	char *const start = out;
	char *const limit = out + room;
	if (encoder->owes_lf && room > 0) {
		*out++ = '\n';
		encoder->owes_lf = false;
	}
	while (!encoder->owes_lf) {
		encoder->done = !has_piece(encoder);
		if (encoder->done || out == limit)
			break;
		if (encoder->manner == MANNER_COPY)
			out = copy_line(encoder, out, limit);
		else if (limit - out >= ENCODER_ROOM_MIN)
			out = write_quoted(encoder, out);
		else
			break;
	}
	encoder->size += (size_t)(out - start);
	return (size_t)(out - start);
}

bool encoder_is_done(const struct encoder *encoder)
{
	return encoder->done;
}

uint64_t encoder_recoded_size(struct recoding *recoding)
{
	char scratch[16384];
	struct mime mime;
	struct encoder encoder;
	encoder_open_recoded(&encoder, &mime, recoding);
	while (!encoder_is_done(&encoder))
		encoder_write(&encoder, scratch, sizeof scratch);
	return encoder.size;
}
