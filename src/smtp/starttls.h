/* SPDX-License-Identifier: ISC */
#ifndef STARTTLS_H
#define STARTTLS_H

#include "smtp/session.h"

#include <stdbool.h>
#include <stddef.h>

/* What the client offers to a server with STARTTLS. */
enum starttls_offer {
	OFFER_ALL,    /* all listed cipher suites, and perhaps others (see ciphers.h) */
	OFFER_LISTED, /* listed ones only, since an unlisted one was negotiated */
	OFFER_NONE    /* no TLS: it failed (RFC 7435 section 3) */
};

/* What is known about TLS with one server; it outlives the connection. */
struct starttls {
	enum starttls_offer offer;
	char failed[160]; /* why TLS failed on an earlier connection; or empty */
};

/*
 * Secures an open session if both sides can use TLS (RFC 3207): what was learned in the clear is forgotten, and EHLO is
 * sent again.  `descriptor` is the connected socket.  True: continue, within TLS or, if allowed, in the clear.  False:
 * it failed.
 */
bool starttls_run(struct starttls *starttls, struct session *session, int descriptor);

#endif
