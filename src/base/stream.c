/* SPDX-License-Identifier: ISC */
/*
 * stream - buffered octets both ways, with a deadline, over any transport
 *
 * conn.c gives it a socket, tests give it memory.  session.c and transaction.c use it.  One out buffer of 64 KiB holds
 * a whole group of commands (RFC 2920), so it is sent with one system call.
 */
#include "base/stream.h"

#include <string.h>

void stream_open(struct stream *stream, const struct stream_transport *transport, void *context, int64_t timeout)
{
	stream->transport = transport;
	stream->context = context;
	stream->timeout = timeout;
	stream->error = STREAM_OK;
	stream->drained = false;
	stream->in_start = stream->in_end = 0;
	stream->out_start = stream->out_end = 0;
	stream_restart_clock(stream);
}

void stream_switch(struct stream *stream, const struct stream_transport *transport, void *context)
{
	stream->transport = transport;
	stream->context = context;
	stream->drained = false;
}

void stream_restart_clock(struct stream *stream)
{
	stream->deadline = stream->transport->now(stream->context) + stream->timeout;
}

static void stream_fail(struct stream *stream, enum stream_error error)
{
	if (!stream->error)
		stream->error = error;
}

char *stream_space(struct stream *stream, size_t *room)
{
	*room = stream->error ? 0 : STREAM_OUT - stream->out_end;
	return stream->out + stream->out_end;
}

void stream_commit(struct stream *stream, size_t length)
{
	stream->out_end += length;
}

bool stream_put(struct stream *stream, const void *data, size_t length)
{
	size_t room;
	char *space = stream_space(stream, &room);
	if (room < length)
		return false;
	memcpy(space, data, length);
	stream_commit(stream, length);
	return true;
}

size_t stream_pending(const struct stream *stream)
{
	return stream->out_end - stream->out_start;
}

/* Writes once; returns whether the transport took anything. */
static bool write_some(struct stream *stream)
{
	ssize_t length =
		stream->transport->write(stream->context, stream->out + stream->out_start, stream_pending(stream));
	if (length == STREAM_FAILED)
		stream_fail(stream, STREAM_BROKEN);
	if (length <= 0)
		return false;
	stream->drained = false; /* what the peer says to this may arrive now */
	stream->out_start += (size_t)length;
	if (stream->out_start == stream->out_end)
		stream->out_start = stream->out_end = 0;
	return true;
}

static size_t in_room(struct stream *stream)
{
	if (stream->in_start == stream->in_end)
		stream->in_start = stream->in_end = 0;
	if (stream->in_end == STREAM_IN && stream->in_start > 0) {
		memmove(stream->in, stream->in + stream->in_start, stream->in_end - stream->in_start);
		stream->in_end -= stream->in_start;
		stream->in_start = 0;
	}
	return STREAM_IN - stream->in_end;
}

/* Reads once; returns whether anything came. */
static bool read_some(struct stream *stream)
{
	size_t room = in_room(stream);
	if (room == 0)
		return false;
	ssize_t length = stream->transport->read(stream->context, stream->in + stream->in_end, room);
	if (length == 0)
		stream_fail(stream, STREAM_END);
	else if (length == STREAM_FAILED)
		stream_fail(stream, STREAM_BROKEN);
	if (length <= 0)
		return false;
	stream->in_end += (size_t)length;
	stream->drained = stream->transport->reads_all && (size_t)length < room;
	return true;
}

bool stream_advance(struct stream *stream)
{
	if (stream->error)
		return false;
	if (stream_pending(stream) > 0 && write_some(stream)) {
		stream_restart_clock(stream);
		return true;
	}
	if (stream->error)
		return false;
	int want = 0;
	if (stream_pending(stream) > 0)
		want |= STREAM_WRITABLE;
	if (in_room(stream) > 0)
		want |= STREAM_READABLE;
	int can = stream->transport->wait(stream->context, want, stream->deadline);
	if (can == 0)
		stream_fail(stream, STREAM_TIMEOUT);
	/* Within TLS, received records may hold no data for us; a server must not keep us busy with those. */
	if ((can & STREAM_READABLE) && !read_some(stream) &&
	    stream->transport->now(stream->context) >= stream->deadline)
		stream_fail(stream, STREAM_TIMEOUT);
	return !stream->error;
}

const char *stream_input(const struct stream *stream, size_t *length)
{
	*length = stream->in_end - stream->in_start;
	return stream->in + stream->in_start;
}

void stream_consume(struct stream *stream, size_t length)
{
	stream->in_start += length;
}

bool stream_has_input(struct stream *stream)
{
	if (stream->in_start == stream->in_end && !stream->error && !stream->drained)
		read_some(stream);
	return stream->in_start < stream->in_end;
}

void stream_look_again(struct stream *stream)
{
	stream->drained = false;
}

void stream_salvage(struct stream *stream)
{
	while (read_some(stream))
		continue;
}

void stream_try_write(struct stream *stream)
{
	if (!stream->error && stream_pending(stream) > 0)
		write_some(stream);
}
