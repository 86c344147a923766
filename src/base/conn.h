/* SPDX-License-Identifier: ISC */
#ifndef CONN_H
#define CONN_H

#include "base/address.h"
#include "base/stream.h"

/* The plain transport; its context is a pointer to the descriptor of a connected socket. */
extern const struct stream_transport conn_transport;

/*
 * Connects to a TCP port within `timeout` milliseconds, with Nagle's algorithm off: a group of commands is one write,
 * and must not wait for the acknowledgement of the one before.  The connection comes from `source`, an address of the
 * same family, or from one that the kernel chooses if that is NULL.  Returns the descriptor (non-blocking,
 * close-on-exec), or -1 with errno set: ETIMEDOUT after the timeout, EADDRNOTAVAIL if this machine has no such source.
 */
int conn_open(const struct address *address, uint16_t port, const struct address *source, int64_t timeout);

/* A monotonic clock, in milliseconds. */
int64_t conn_now(void);

/* Appends the addresses of this machine's interfaces to an array of struct address; sets `own->failed` if memory is
 * short. */
void conn_own_addresses(struct buf *own);

#endif
