#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What is below a stream.  read and write never block: they return the number of octets, 0 from read at the end of
 * the input, STREAM_AGAIN where nothing is possible now, STREAM_FAILED where nothing will ever be.
 */
#define STREAM_AGAIN (-1)
#define STREAM_FAILED (-2)

enum { STREAM_READABLE = 1, STREAM_WRITABLE = 2 };

struct stream_transport {
	ssize_t (*read)(void *context, char *data, size_t room);
	ssize_t (*write)(void *context, const char *data, size_t length);
	/* Waits until what `want` asks for (STREAM_READABLE, STREAM_WRITABLE) is possible or until `deadline`,
	 * and returns those that are; 0 means that the deadline passed. */
	int (*wait)(void *context, int want, int64_t deadline);
	int64_t (*now)(void *context); /* a clock that only goes forward, in milliseconds */
};

enum stream_error { STREAM_OK, STREAM_END, STREAM_TIMEOUT, STREAM_BROKEN };

enum { STREAM_OUT = 65536, STREAM_IN = 8192 };

/*
 * A stream has one buffer for each direction.  What is put goes out with the next flush, or when the buffer is full.
 * The first error is kept; afterwards every call returns at once, as with ferror(3), but what was received before
 * the error can still be taken.
 */
struct stream {
	const struct stream_transport *transport;
	void *context;
	int64_t timeout;  /* milliseconds that each response may take */
	int64_t deadline; /* of the response that is waited for */
	enum stream_error error;
	size_t in_start, in_end;
	size_t out_start, out_end;
	char in[STREAM_IN];
	char out[STREAM_OUT];
};

/* Begins a stream over a transport; its clock starts now.  `timeout` is in milliseconds. */
void stream_open(struct stream *stream, const struct stream_transport *transport, void *context, int64_t timeout);

/* Goes on over another transport, whose clock is the same; nothing may be unread or pending. */
void stream_switch(struct stream *stream, const struct stream_transport *transport, void *context);

/* Starts the clock for the next response (RFC 5321 section 4.5.3.2 gives each its own timeout). */
void stream_restart_clock(struct stream *stream);

/* Where the next octets for the peer may be written, and how many.  stream_commit() says how many were. */
char *stream_space(struct stream *stream, size_t *room);
void stream_commit(struct stream *stream, size_t length);

/* Appends `length` octets if they fit into the out buffer, all or none; returns whether they did. */
bool stream_put(struct stream *stream, const void *data, size_t length);

/* Octets that were put and have not left yet. */
size_t stream_pending(const struct stream *stream);

/*
 * Makes progress, in either direction, within the deadline: writes what it can of the pending octets, and reads
 * when something came or nothing is pending.  So a peer that answers before it reads on causes no deadlock.
 * Returns false on an error.  Input goes behind what is unread; if there is no room for it, it waits where it is.
 */
bool stream_advance(struct stream *stream);

/* The unread octets.  stream_consume() drops the first `length` of them. */
const char *stream_input(const struct stream *stream, size_t *length);
void stream_consume(struct stream *stream, size_t length);

/* Looks, without waiting, whether the peer has sent something that is unread; also notices its end. */
bool stream_has_input(struct stream *stream);

/* Reads what the peer sent before the stream broke, as far as there is room for it; never waits. */
void stream_salvage(struct stream *stream);

/* One attempt to write what is pending, without waiting, whatever becomes of it. */
void stream_try_write(struct stream *stream);

#endif
