/*
 * handover - the octets of the message, behind DATA or in chunks
 *
 * transaction.c says when.  RFC 5321 section 4.1.1.4, RFC 3030.  The octets leave by the out buffer, into which body.c
 * writes them from the mapped file.  Whoever takes the end of a message takes the message: before it is put, the file
 * must be as it was (IN-4).
 */
#include "handover.h"

#include <inttypes.h>
#include <stdio.h>

void handover_open(struct handover *handover, struct session *session, const struct message *message)
{
	uint64_t size = handover->form.size;
	uint64_t most = session->config->chunk_size;
	handover->session = session;
	handover->message = message;
	handover->chunk_size = most > 0 && most < size ? most : size;
	handover->in_chunk = false;
	form_open(&handover->form, &handover->body, handover->mime);
}

uint64_t handover_chunks(const struct handover *handover)
{
	uint64_t size = handover->form.size;
	return size == 0 ? 1 : (size - 1) / handover->chunk_size + 1;
}

static bool has_changed(const struct handover *handover)
{
	return !message_is_unchanged(handover->message) || !body_is_done(&handover->body) ||
	       handover->body.size != handover->form.size;
}

static void refuse_end(struct session *session)
{
	session->out_of_step = true;
	session_fail(session, 'Z', "4.3.0", "was not sent the end of the message, whose file changed meanwhile.", NULL);
}

static bool put_command(struct handover *handover, bool last)
{
	static const struct span nothing = {"", 0};
	char command[40];
	uint64_t left = handover->form.size - handover->body.size;
	uint64_t octets = last || left < handover->chunk_size ? left : handover->chunk_size;
	snprintf(command, sizeof command, "BDAT %" PRIu64 "%s", octets, last ? " LAST" : "");
	if (!session_put(handover->session, span_of(command), nothing, nothing))
		return false;
	handover->chunk_left = octets;
	handover->in_chunk = true;
	return true;
}

bool handover_put_chunk(struct handover *handover, bool last)
{
	struct session *session = handover->session;
	size_t room;
	if (!handover->in_chunk && !put_command(handover, last))
		return false;
	char *space = stream_space(&session->stream, &room);
	if (room > handover->chunk_left)
		room = (size_t)handover->chunk_left;
	size_t length = body_encode(&handover->body, space, room);
	handover->chunk_left -= length;
	bool whole = handover->chunk_left == 0;
	if (whole ? last && has_changed(handover) : length < room) {
		refuse_end(session);
		return false;
	}
	stream_commit(&session->stream, length);
	if (!whole)
		return false;
	trace_note(session->trace, 'C', "(a chunk; %" PRIu64 " octets of the message so far)", handover->body.size);
	handover->in_chunk = false;
	session->end_put = last;
	return true;
}

/* Writes what is pending; false where the server spoke before it was all gone, or the stream broke. */
static bool flush(struct session *session)
{
	while (stream_pending(&session->stream) > 0) {
		if (!stream_advance(&session->stream))
			return false;
		if (stream_pending(&session->stream) > 0 && session_has_input(session))
			return false;
	}
	return true;
}

/*
 * Puts the message and the dot behind it into the stream, and writes all but what the out buffer holds in the end.  A
 * server may refuse before it has everything, and hang up (RFC 5321 section 4.2.5 forbids it, but they do): between two
 * buffers it gets a hearing.  False where it spoke too early.
 */
static bool put_message(struct handover *handover)
{
	struct session *session = handover->session;
	struct stream *stream = &session->stream;
	size_t room;
	for (;;) {
		char *space = stream_space(stream, &room);
		stream_commit(stream, body_encode(&handover->body, space, room));
		if (body_is_done(&handover->body) && stream_put(stream, ".\r\n", 3))
			return true;
		if (!flush(session) || session_has_input(session) || stream->error)
			return false;
	}
}

bool handover_send(struct handover *handover)
{
	struct session *session = handover->session;
	if (!put_message(handover))
		return false;
	if (has_changed(handover)) {
		refuse_end(session);
		return false;
	}
	session->end_put = true;
	bool gone = flush(session);
	if (gone)
		trace_note(session->trace, 'C', "(the message: %" PRIu64 " octets)", handover->form.size);
	return gone;
}
