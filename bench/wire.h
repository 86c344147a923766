#ifndef WIRE_H
#define WIRE_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A connection of the benchmark's own, of either side, in the clear or within TLS. */
struct wire {
	int connection;           /* blocks */
	gnutls_session_t session; /* NULL in the clear */
};

enum { WIRE_RECORD = 16384 }; /* octets of a full record */

/* A certificate and its key, made for this run; false where GnuTLS cannot. */
bool wire_mint(gnutls_certificate_credentials_t *credentials);

/* Shakes hands, as GNUTLS_SERVER or as GNUTLS_CLIENT, which believes every certificate. */
bool wire_secure(struct wire *wire, unsigned side, gnutls_certificate_credentials_t credentials);

/* What is there, as read(2); within TLS no more than one record, and all of it where there is room for a full one. */
ssize_t wire_read(struct wire *wire, char *data, size_t room);

bool wire_write(struct wire *wire, const char *data, size_t length);

/* Says so, within TLS, and does not wait for an answer. */
void wire_close(struct wire *wire);

#endif
