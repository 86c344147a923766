#ifndef TLS_H
#define TLS_H

#include "base/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * TLS is a module of its own, since a delivery that needs none must not pay for loading GnuTLS.  It is tls.c, linked
 * with GnuTLS, and exports one symbol, `tls_module`; module.c finds and loads it.
 */

/* Octets of a PEM file; no data: there is no such file. */
struct tls_pem {
	const char *data;
	size_t length;
};

struct tls_settings {
	const char *priority;       /* GnuTLS's priority string */
	const char *host;           /* the server's name, NULL where there is only an address */
	struct tls_pem certificate; /* ours, with its chain and its key, for a server that asks for it */
	struct tls_pem trusted;     /* the certificates that the server's chain must lead to; none: it is not judged */
	const struct stream_transport *below; /* what TLS runs over: a connected socket, and how to wait for it */
	int descriptor;
};

/* What went wrong. */
enum tls_trouble {
	TLS_FINE,
	TLS_LOCAL,       /* memory, or GnuTLS itself */
	TLS_PRIORITY,    /* GnuTLS does not understand the priority string, or it leaves neither TLS 1.2 nor 1.3 */
	TLS_CERTIFICATE, /* our certificate file is broken */
	TLS_TRUSTED,     /* the file of trusted certificates is broken */
	TLS_HANDSHAKE,   /* the handshake failed or took too long */
	TLS_REFUSED,     /* it failed since the server takes nothing of what was offered, as it seems */
	TLS_UNTRUSTED    /* the server's certificate is not what it must be */
};

struct tls_failure {
	enum tls_trouble trouble;
	char text[160]; /* in plain words: for TLS_UNTRUSTED behind "its certificate", else behind a colon */
};

struct tls;

struct tls_module {
	uint32_t interface; /* TLS_INTERFACE of the build that it belongs to */
	/* Makes a session over a connected socket; NULL, with a failure, where that cannot be. Ended by close(). */
	struct tls *(*open)(const struct tls_settings *settings, struct tls_failure *failure);
	/* Shakes hands within the deadline (of `below`'s clock); false with a failure. */
	bool (*handshake)(struct tls *tls, int64_t deadline, struct tls_failure *failure);
	/* What was agreed on: the names of the version and, as IANA spells it, of the cipher suite. */
	const char *(*version)(const struct tls *tls);
	const char *(*suite)(const struct tls *tls);
	/* Says that nothing more comes, without waiting, if `politely`; releases everything but the socket. */
	void (*close)(struct tls *tls, bool politely);
	/* The transport of a stream within TLS; its context is the struct tls. */
	const struct stream_transport *transport;
};

/* Changes with every change of this file that the module and the program must agree on. */
enum { TLS_INTERFACE = 2 };

extern const struct tls_module tls_module;

#endif
