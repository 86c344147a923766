/* SPDX-License-Identifier: ISC */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What is below a stream. read and write never block: they return the number of octets, 0 from read at the end of the
 * input, STREAM_AGAIN if nothing is possible now, STREAM_FAILED if nothing will ever be.
 */
#define STREAM_AGAIN (-1)
#define STREAM_FAILED (-2)

enum { STREAM_READABLE = 1, STREAM_WRITABLE = 2 };

struct stream_transport {
	ssize_t (*read)(void *context, char *data, size_t room);
	ssize_t (*write)(void *context, const char *data, size_t length);
	/* Waits until something that `want` asks for (STREAM_READABLE, STREAM_WRITABLE) is possible, or until
	 * `deadline`, and returns what is possible; 0 means that the deadline passed. */
	int (*wait)(void *context, int want, int64_t deadline);
	int64_t (*now)(void *context); /* a monotonic clock, in milliseconds */
	bool reads_all;                /* read takes all that has arrived, unless there is no room for it */
};

enum stream_error { STREAM_OK, STREAM_END, STREAM_TIMEOUT, STREAM_BROKEN };

enum { STREAM_OUT = 65536, STREAM_IN = 8192 };

/*
 * A stream has one buffer for each direction.  Output is sent by the next flush, or when the buffer is full.  The first
 * error is kept, and later calls return at once, as with ferror(3); but what was received before the error can still be
 * taken.
 */
struct stream {
	const struct stream_transport *transport;
	void *context;
	int64_t timeout;  /* milliseconds for each reply */
	int64_t deadline; /* of the next reply */
	enum stream_error error;
	bool drained; /* nothing more had arrived at the last read, and nothing was written since */
	size_t in_start, in_end;
	size_t out_start, out_end;
	char in[STREAM_IN];
	char out[STREAM_OUT];
};

/* Begins a stream over a transport; its clock starts now.  `timeout` is in milliseconds. */
void stream_open(struct stream *stream, const struct stream_transport *transport, void *context, int64_t timeout);

/* Continues over another transport with the same clock; nothing may be unread or pending. */
void stream_switch(struct stream *stream, const struct stream_transport *transport, void *context);

/* Starts the clock for the next reply (RFC 5321 section 4.5.3.2 gives each its own timeout). */
void stream_restart_clock(struct stream *stream);

/* Where the next octets for the peer may be written, and how many. stream_commit() says how many were. */
char *stream_space(struct stream *stream, size_t *room);
void stream_commit(struct stream *stream, size_t length);

/* Appends `length` octets if they fit into the out buffer, all or none; returns whether they did. */
bool stream_put(struct stream *stream, const void *data, size_t length);

/* The number of octets that are not sent yet. */
size_t stream_pending(const struct stream *stream);

/*
 * Makes progress, in either direction, within the deadline: writes as much as possible of the pending octets, and reads
 * when something arrived or nothing is pending.  So a peer that answers before it reads on causes no deadlock.  Returns
 * false on an error.  Input is added after what is unread; if there is no room for it, it waits in the transport.
 */
bool stream_advance(struct stream *stream);

/* The unread octets.  stream_consume() drops the first `length` of them. */
const char *stream_input(const struct stream *stream, size_t *length);
void stream_consume(struct stream *stream, size_t length);

/* Checks, without waiting, whether there is unread input, if only the transport has it; also notices the end of the
 * input. After a read that left nothing it is only worth a look if something was written since. */
bool stream_has_input(struct stream *stream);

/* Says that time has passed since the last read: recoding a large message takes as long as a reply. */
void stream_look_again(struct stream *stream);

/* Reads what the peer sent before the stream failed, as far as there is room for it; never waits. */
void stream_salvage(struct stream *stream);

/* One attempt to write what is pending, without waiting; the result does not matter. */
void stream_try_write(struct stream *stream);

#endif
