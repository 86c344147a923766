/* SPDX-License-Identifier: ISC */
#ifndef TLS_H
#define TLS_H

#include "base/stream.h"
#include "base/text.h"
#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The module with GnuTLS, qremote-tls.so (see module.h): tls.c and verify.c. */

/* Octets of a PEM file; no data: there is no such file. */
struct tls_pem {
	const char *data;
	size_t length;
};

enum { TLS_NAMES_MAX = 3 };

/* What the DNS demands of the server's certificates (RFC 7672); all of it stays in place until the handshake is done.
 */
struct tls_dane {
	struct span records; /* TLSA records (dns/tlsa.h); if none is usable, nothing is demanded */
	/* For usage DANE-TA, the server must be one of these (section 3.2.2); empty ones do not count.  The first one,
	 * the TLSA base domain, is sent as the server name. */
	const char *names[TLS_NAMES_MAX];
};

struct tls_settings {
	const char *priority;       /* GnuTLS's priority string */
	const char *host;           /* the server's name, NULL if there is only an address */
	struct tls_pem certificate; /* ours, with its chain and its key, for a server that asks for one */
	struct tls_pem trusted;     /* the certificates that the server's chain must lead to */
	bool system_trust;          /* without those: the ones that this system trusts; neither: it is not verified */
	struct tls_dane dane;       /* and this, too, if a record is usable */
	struct trace *trace;        /* is told what the server's certificate is */
	const struct stream_transport *below; /* what TLS runs over: a connected socket, and how to wait for it */
	int descriptor;
};

/* What went wrong. */
enum tls_trouble {
	TLS_FINE,
	TLS_LOCAL,       /* memory, or GnuTLS itself */
	TLS_PRIORITY,    /* GnuTLS does not understand the priority string, or it allows neither TLS 1.2 nor 1.3 */
	TLS_CERTIFICATE, /* our certificate file is broken */
	TLS_TRUSTED,     /* the file of trusted certificates is broken */
	TLS_HANDSHAKE,   /* the handshake failed or took too long */
	TLS_REFUSED,     /* it failed, apparently since the server accepts nothing of the offer */
	TLS_UNTRUSTED    /* the server's certificate is not acceptable */
};

struct tls_failure {
	enum tls_trouble trouble;
	char text[160]; /* in plain words: for TLS_UNTRUSTED it follows "its certificate", else a colon */
};

struct tls;

struct tls_module {
	uint32_t interface; /* MODULE_INTERFACE of its build */
	/* Makes a session over a connected socket; NULL, with a failure, if that is impossible.  Ended by close(). */
	struct tls *(*open)(const struct tls_settings *settings, struct tls_failure *failure);
	/* Does the handshake within the deadline (of `below`'s clock); false with a failure. */
	bool (*handshake)(struct tls *tls, int64_t deadline, struct tls_failure *failure);
	/* The negotiated version and cipher suite, the latter by its IANA name. */
	const char *(*version)(const struct tls *tls);
	const char *(*suite)(const struct tls *tls);
	/* Sends close_notify, without waiting, if `politely`; releases everything but the socket. */
	void (*close)(struct tls *tls, bool politely);
	/* The transport of a stream within TLS; its context is the struct tls. */
	const struct stream_transport *transport;
};

#endif
