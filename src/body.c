/*
 * body - a message to the octets after DATA or BDAT
 *
 * transaction.c has it write straight from the mapped file into the stream's out buffer: no copy in between.  No octet
 * sequence of the message can become CR LF .  CR LF on the wire, since every CR and LF, alone or not, becomes CR LF,
 * and every dot after one is doubled.  A message that must be recoded is a sequence of pieces that mime.c gives.
 */
#include "body.h"

#include "qp.h"

#include <string.h>

static void begin(struct body *body, struct mime *mime, bool dots)
{
	*body = (struct body){.mime = mime, .manner = MANNER_COPY, .dots = dots};
}

void body_open(struct body *body, struct span message, bool dots)
{
	begin(body, NULL, dots);
	lines_open(&body->rest, message);
}

void body_open_recoded(struct body *body, struct mime *mime, struct recoding *recoding)
{
	begin(body, mime, true);
	mime_open(mime, recoding);
	lines_open(&body->rest, (struct span){recoding->message.data, 0});
}

/* Gets the next piece if the last one is done; false if there is none. */
static bool has_piece(struct body *body)
{
	struct piece piece;
	if (body->rest.at < body->rest.end || body->in_line)
		return true;
	if (!body->mime || !mime_next(body->mime, &piece))
		return false;
	lines_open(&body->rest, piece.octets);
	body->manner = piece.manner;
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
static char *copy_line(struct body *body, char *out, char *limit)
{
	struct lines *rest = &body->rest;
	if (!body->in_line && body->dots && *rest->at == '.') {
		*out++ = '.';
		body->size--;
		body->in_line = true;
	}
	size_t length = (size_t)(lines_line_end(rest) - rest->at);
	bool whole = length < (size_t)(limit - out);
	if (!whole)
		length = (size_t)(limit - out);
	out = copy_octets(out, (size_t)(limit - out), rest, length);
	rest->at += length;
	body->in_line = body->in_line || length > 0;
	if (!whole)
		return out;
	*out++ = '\r';
	body->owes_lf = true;
	body->in_line = false;
	lines_skip(rest);
	return out;
}

/* Begins a line of a body that becomes, or is, quoted-printable. */
static void begin_quoted(struct body *body)
{
	struct lines *rest = &body->rest;
	struct span text = {rest->at, (size_t)(lines_line_end(rest) - rest->at)};
	while (body->manner == MANNER_MEND && text.length > 0 &&
	       (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
		text.length--;
	body->text_end = text.data + text.length;
	body->in_line = true;
}

/* The next line of quoted-printable, for which there is room. */
static char *write_quoted(struct body *body, char *out)
{
	struct lines *rest = &body->rest;
	if (!body->in_line)
		begin_quoted(body);
	char *line = out;
	out += (body->manner == MANNER_QUOTE ? qp_encode : qp_mend)(&rest->at, body->text_end, out);
	if (line < out && *line == '.' && body->dots) {
		memmove(line + 1, line, (size_t)(out++ - line));
		body->size--;
	}
	*out++ = '\r';
	body->owes_lf = true;
	body->in_line = rest->at < body->text_end;
	if (!body->in_line)
		lines_skip(rest);
	return out;
}

size_t body_encode(struct body *body, char *out, size_t room)
{
	char *const start = out;
	char *const limit = out + room;
	while (out < limit || !body->owes_lf) {
		if (body->owes_lf) {
			*out++ = '\n';
			body->owes_lf = false;
			continue;
		}
		body->done = !has_piece(body);
		if (body->done || out == limit)
			break;
		if (body->manner == MANNER_COPY)
			out = copy_line(body, out, limit);
		else if (limit - out >= BODY_ROOM_MIN)
			out = write_quoted(body, out);
		else
			break;
	}
	body->size += (size_t)(out - start);
	return (size_t)(out - start);
}

bool body_is_done(const struct body *body)
{
	return body->done;
}

uint64_t body_recoded_size(struct recoding *recoding)
{
	char scratch[16384];
	struct mime mime;
	struct body body;
	body_open_recoded(&body, &mime, recoding);
	while (!body_is_done(&body))
		body_encode(&body, scratch, sizeof scratch);
	return body.size;
}
