/* SPDX-License-Identifier: ISC */
#ifndef CONN_H
#define CONN_H

#include "base/address.h"
#include "base/stream.h"

#include <poll.h>

/* The plain transport; its context is a pointer to the descriptor of a connected socket. */
extern const struct stream_transport conn_transport;

/*
 * Begins to connect to a TCP port, with Nagle's algorithm off: a group of commands is one write, and must not wait for
 * the acknowledgement of the one before.  The connection comes from `source`, an address of the same family, or from
 * one that the kernel chooses if that is NULL.  Returns the descriptor (non-blocking, close-on-exec), or -1 with errno
 * set: EADDRNOTAVAIL if this machine has no such source, EADDRINUSE if that has no port left for this server.
 */
int conn_start(const struct address *address, uint16_t port, const struct address *source);

/*
 * Waits until one of `count` attempts, descriptors of conn_start() with POLLOUT, is connected or has failed, or until
 * `deadline`.  Returns the place of the first that has, with 0 or an errno in `error`; `count` at the deadline.  If it
 * cannot wait, the first attempt has failed.
 */
size_t conn_await(struct pollfd *attempts, size_t count, int64_t deadline, int *error);

/* A monotonic clock, in milliseconds. */
int64_t conn_now(void);

/* Appends the addresses of this machine's interfaces to an array of struct address; sets `own->failed` if memory is
 * short. */
void conn_own_addresses(struct buf *own);

#endif
