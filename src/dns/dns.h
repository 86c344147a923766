/* SPDX-License-Identifier: ISC */
#ifndef DNS_H
#define DNS_H

#include "dns/answer.h"
#include "dns/exchangers.h"
#include "trace.h"

#include <stdint.h>

/* The module with c-ares, qremote-dns.so (see module.h): dns.c, question.c, and what it uses of the pure floors. */

struct dns;

struct dns_module {
	uint32_t interface; /* MODULE_INTERFACE of its build */
	/* Prepares to ask `servers`, an array of struct dns_server, or those of resolv.conf if it is empty; `trace` is
	 * told each question and what came of it.  NULL, with a constant string in `why`, if that fails. Ended by
	 * close(). */
	struct dns *(*open)(const struct buf *servers, struct trace *trace, const char **why);
	/* Asks for the MX records of a name, or of the name that it is an alias for.  `exchangers` must be empty; after
	 * DNS_FOUND it has a member for each record whose name is a host name, possibly none.  Whatever the answer,
	 * `exchangers` tells whether it is authentic. */
	enum dns_status (*exchangers)(struct dns *dns, const char *name, struct exchangers *exchangers);
	/* Asks for the A and AAAA records of all exchangers that have a name and are not `unknown`, all at once, and
	 * adds them.  An exchanger becomes `unknown` if a question has no answer, or none within three seconds after
	 * the answer for the other family. */
	void (*addresses)(struct dns *dns, struct exchangers *exchangers);
	/* Asks for the TLSA records of the exchangers whose addresses are authentic, for a port; see struct dane. */
	void (*tlsa)(struct dns *dns, struct exchangers *exchangers, uint16_t port);
	void (*close)(struct dns *dns);
};

#endif
