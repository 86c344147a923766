/* SPDX-License-Identifier: ISC */
/*
 * content - the octets of the message, after DATA or in chunks
 *
 * transaction.c says when.  RFC 5321 section 4.1.1.4, RFC 3030.  encoder.c writes the octets from the mapped file into
 * the out buffer.  Whoever takes the end of a message takes the message: before it is put, the file must be as it was
 * (IN-4).
 */
#include "smtp/content.h"

#include <inttypes.h>

void content_open(struct content *content, struct session *session, const struct message *message)
{
	uint64_t size = content->form.size;
	uint64_t most = session->config->chunk_size;
	content->session = session;
	content->message = message;
	content->chunk_size = content->form.chunked && most > 0 && most < size ? most : size;
	content->in_chunk = false;
	form_open(&content->form, &content->encoder, content->mime);
}

uint64_t content_chunks(const struct content *content)
{
	uint64_t size = content->form.size;
	return size == 0 ? 1 : (size - 1) / content->chunk_size + 1;
}

static bool has_changed(const struct content *content)
{
	return !message_is_unchanged(content->message) || !encoder_is_done(&content->encoder) ||
	       content->encoder.size != content->form.size;
}

/* Puts the BDAT command of a chunk; the message after DATA needs none, and its dots make it longer than its size. */
static bool begin_chunk(struct content *content)
{
	uint64_t left = content->form.size - content->encoder.size;
	content->last = left <= content->chunk_size;
	content->chunk_left = content->last ? left : content->chunk_size;
	if (!content->form.chunked)
		content->chunk_left = UINT64_MAX;
	else if (!session_put(content->session, "BDAT %" PRIu64 "%s", content->chunk_left,
			      content->last ? " LAST" : ""))
		return false;
	content->in_chunk = true;
	return true;
}

/*
 * Whether a chunk that was put is done with.  The last one is when it has left: a reply that begins before that is no
 * reply to it, so this writes no more once the server speaks.
 */
static bool is_done(struct content *content)
{
	if (content->last && !session_look_for_input(content->session))
		stream_try_write(&content->session->stream);
	content->in_chunk = content->last && !session_end_has_left(content->session);
	return !content->in_chunk;
}

bool content_put(struct content *content)
{
	struct session *session = content->session;
	struct stream *stream = &session->stream;
	size_t room;
	if (session->end_put)
		return is_done(content);
	if (!content->in_chunk && !begin_chunk(content))
		return false;
	char *space = stream_space(stream, &room);
	if (room > content->chunk_left)
		room = (size_t)content->chunk_left;
	size_t length = encoder_write(&content->encoder, space, room);
	content->chunk_left -= length;
	if (content->form.recoded)
		stream_look_again(stream);
	bool done = encoder_is_done(&content->encoder);
	bool whole = done || content->chunk_left == 0;
	if (whole && (done || content->last) && has_changed(content)) {
		session_break(session, 'Z', "4.3.0",
			      "was not sent the end of the message, whose file changed meanwhile.", NULL);
		return false;
	}
	stream_commit(stream, length);
	if (!whole || (!content->form.chunked && !stream_put(stream, ".\r\n", 3)))
		return false;
	trace_note(session->trace, 'C',
		   content->form.chunked ? "(a chunk; %" PRIu64 " octets of the message so far)"
					 : "(the message: %" PRIu64 " octets)",
		   content->encoder.size);
	session->end_put = content->last;
	return is_done(content);
}
