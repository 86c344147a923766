/* SPDX-License-Identifier: ISC */
/*
 * content - the octets of the message, after DATA or in chunks
 *
 * transaction.c says when.  RFC 5321 section 4.1.1.4, RFC 3030.  The octets leave by the out buffer, into which
 * encoder.c writes them from the mapped file.  Whoever takes the end of a message takes the message: before it is put,
 * the file must be as it was (IN-4).
 */
#include "smtp/content.h"

#include <inttypes.h>
#include <stdio.h>

void content_open(struct content *content, struct session *session, const struct message *message)
{
	uint64_t size = content->form.size;
	uint64_t most = session->config->chunk_size;
	content->session = session;
	content->message = message;
	content->chunk_size = most > 0 && most < size ? most : size;
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

static enum put fail_to_end(struct session *session)
{
	session_break(session, 'Z', "4.3.0", "was not sent the end of the message, whose file changed meanwhile.",
		      NULL);
	return PUT_FAILED;
}

static bool put_command(struct content *content, bool last)
{
	static const struct span nothing = {"", 0};
	char command[40];
	uint64_t left = content->form.size - content->encoder.size;
	uint64_t octets = last || left < content->chunk_size ? left : content->chunk_size;
	snprintf(command, sizeof command, "BDAT %" PRIu64 "%s", octets, last ? " LAST" : "");
	if (!session_put(content->session, span_of(command), nothing, nothing))
		return false;
	content->chunk_left = octets;
	content->in_chunk = true;
	return true;
}

enum put content_put_chunk(struct content *content, bool last)
{
	struct session *session = content->session;
	size_t room;
	if (!content->in_chunk && !put_command(content, last))
		return PUT_PART;
	char *space = stream_space(&session->stream, &room);
	if (room > content->chunk_left)
		room = (size_t)content->chunk_left;
	size_t length = encoder_write(&content->encoder, space, room);
	content->chunk_left -= length;
	bool whole = content->chunk_left == 0;
	if (whole ? last && has_changed(content) : length < room)
		return fail_to_end(session);
	stream_commit(&session->stream, length);
	if (!whole)
		return PUT_PART;
	trace_note(session->trace, 'C', "(a chunk; %" PRIu64 " octets of the message so far)", content->encoder.size);
	content->in_chunk = false;
	session->end_put = last;
	return PUT_WHOLE;
}

/* Writes what is pending; false where the server spoke before it was all gone, or the stream broke. */
static bool flush(struct session *session)
{
	while (stream_pending(&session->stream) > 0) {
		if (!stream_advance(&session->stream))
			return false;
		if (stream_pending(&session->stream) > 0 && session_look_for_input(session))
			return false;
	}
	return true;
}

/*
 * Puts the message and the dot after it into the stream, and writes all but what the out buffer holds in the end.  A
 * server may refuse before it has everything, and hang up (RFC 5321 section 4.2.5 forbids it, but they do): between two
 * buffers it gets a hearing.  False where it spoke too early.
 */
static bool put_message(struct content *content)
{
	struct session *session = content->session;
	struct stream *stream = &session->stream;
	size_t room;
	for (;;) {
		char *space = stream_space(stream, &room);
		stream_commit(stream, encoder_write(&content->encoder, space, room));
		if (encoder_is_done(&content->encoder) && stream_put(stream, ".\r\n", 3))
			return true;
		if (!flush(session) || session_look_for_input(session) || stream->error)
			return false;
	}
}

enum put content_send(struct content *content)
{
	struct session *session = content->session;
	if (!put_message(content))
		return PUT_PART;
	if (has_changed(content))
		return fail_to_end(session);
	session->end_put = true;
	if (!flush(session))
		return PUT_PART;
	trace_note(session->trace, 'C', "(the message: %" PRIu64 " octets)", content->form.size);
	return PUT_WHOLE;
}
