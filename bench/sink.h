/* SPDX-License-Identifier: ISC */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The extensions that it offers besides PIPELINING, 8BITMIME and SIZE. */
enum { SINK_STARTTLS = 1, SINK_CHUNKING = 2 };

/* What it saw of the last message. */
struct sink_view {
	double seconds; /* from its 354, or the first BDAT, to the last octet */
	char suite[80]; /* of TLS; empty in the clear */
	size_t records; /* since the handshake */
	size_t full;    /* those with 16384 octets */
	size_t octets;  /* the octets in all of them */
};

/* The memory that it shares with us. */
struct sink_board {
	unsigned offers; /* set it between two connections */
	struct sink_view view;
};

/* A server that accepts every mail and keeps none. */
struct sink {
	pid_t child;
	uint16_t port; /* of 127.0.0.1 */
	struct sink_board *board;
};

/* Starts it; false if that is impossible. */
bool sink_open(struct sink *sink);
void sink_close(struct sink *sink);

/* client.c: sends it a mail of that many octets, from one small buffer again and again.  In the clear only with
 * send(2), 64 KiB at a time; `secured`, after STARTTLS, only with gnutls_record_send(), a full record at a time:
 * nothing can be faster. */
bool sink_write(const struct sink *sink, size_t octets, bool secured);

#endif
