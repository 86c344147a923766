#ifndef STARTTLS_H
#define STARTTLS_H

#include "session.h"

#include <stdbool.h>
#include <stddef.h>

/* What is to become of TLS with one server; it outlives the connections to it.  A zeroed struct, with its host, for the
 * first. */
struct starttls {
	const char *host; /* the server's name, empty where there is only an address */
	bool avoided;     /* do not use it on this connection (RFC 7435 section 3) */
	size_t narrower;  /* how often GnuTLS agreed on a cipher suite that the list has not */
	bool again;       /* this connection failed in a way that makes another one to the same address worth it */
};

/*
 * Secures a session that was opened, if the server offers STARTTLS (RFC 3207) and it was not avoided: what was learned
 * in the clear is forgotten, and EHLO said anew.  `descriptor` is the connected socket.  True: go on, within TLS or,
 * where that may be, in the clear.  False: see the failure, and `again`.
 */
bool starttls_run(struct starttls *starttls, struct session *session, int descriptor);

#endif
