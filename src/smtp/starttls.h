#ifndef STARTTLS_H
#define STARTTLS_H

#include "smtp/session.h"

#include <stdbool.h>
#include <stddef.h>

/* What the client offers to a server that offers STARTTLS. */
enum starttls_offer {
	OFFER_ALL,    /* all listed cipher suites, and perhaps others (see ciphers.h) */
	OFFER_LISTED, /* listed ones only, since another one came out */
	OFFER_NONE    /* no TLS: it failed (RFC 7435 section 3) */
};

/* What is to become of TLS with one server; it outlives the connections to it. */
struct starttls {
	const char *host; /* the server's name, empty where there is only an address */
	enum starttls_offer offer;
	char failed[160]; /* why TLS failed on an earlier connection; empty: it did not */
};

/*
 * Secures a session that was opened, if both sides offer TLS (RFC 3207): what was learned in the clear is forgotten,
 * and EHLO said anew.  `descriptor` is the connected socket.  True: go on, within TLS or, where that may be, in the
 * clear.  False: it failed.
 */
bool starttls_run(struct starttls *starttls, struct session *session, int descriptor);

#endif
