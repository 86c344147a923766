/* SPDX-License-Identifier: ISC */
#ifndef ROUTE_H
#define ROUTE_H

#include "base/address.h"
#include "smtp/ehlo.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMTP_PORT = 25 };

/* Whether a server is spoken to within TLS (see starttls.h). */
enum route_tls {
	ROUTE_TLS_MAY,    /* if it offers that, and the handshake succeeds */
	ROUTE_TLS_MUST,   /* or not at all */
	ROUTE_TLS_VERIFY, /* the same, and it must prove its name */
	ROUTE_TLS_OFF     /* never */
};

/* What is known of the way to a host.  The spans point into the text that was read. */
struct route {
	size_t line;       /* of the file that says so, from 1; 0 if none does */
	struct span relay; /* a name or an address; empty: the MX records as usual */
	uint16_t port;
	/* smtproutes says nothing of these. */
	enum route_tls tls;
	struct span clientcert; /* a file in the directory of the control files; empty: the usual one */
	struct sources sources;
	struct families families;
	struct capabilities ignored; /* extensions and mechanisms that are not used, though the server may offer them */
	struct span user;            /* for AUTH; empty: it is not used */
	struct span password;
};

/* The text without its final dot, unless that is all, or part of a literal. */
struct span route_trim(struct span text);

/* Whether the text, without its final dot, is the name of a relay, an IPv4 address, or an address in brackets. */
bool route_relay_is_valid(struct span relay);

/*
 * Reads every line of smtproutes, and finds the route for `host`: the most specific match wins, and of equal domains
 * the last line.  `host` is lower-cased and without final dot; an empty one matches nothing, which only checks the
 * file.  The relay points into `text`.  For a malformed line, returns what is wrong with it, as a constant sentence
 * without its subject, and puts its number into route->line; else NULL.
 */
const char *route_find(struct span text, struct span host, struct route *route);

#endif
