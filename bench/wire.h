/* SPDX-License-Identifier: ISC */
#ifndef WIRE_H
#define WIRE_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A connection of the benchmark itself, of either side, in the clear or within TLS. */
struct wire {
	int connection;           /* blocks */
	gnutls_session_t session; /* NULL in the clear */
};

enum { WIRE_RECORD = 16384 }; /* octets of a full record */

/* A certificate and its key, made for this run; false if GnuTLS cannot make them. */
bool wire_mint(gnutls_certificate_credentials_t *credentials);

/* Does the handshake, as GNUTLS_SERVER or as GNUTLS_CLIENT, which accepts every certificate. */
bool wire_secure(struct wire *wire, unsigned side, gnutls_certificate_credentials_t credentials);

/* Like read(2); within TLS at most one record, and all of it if there is room for a full one. */
ssize_t wire_read(struct wire *wire, char *data, size_t room);

bool wire_write(struct wire *wire, const char *data, size_t length);

/* Closes it; within TLS it sends close_notify, and does not wait for an answer. */
void wire_close(struct wire *wire);

#endif
