/* SPDX-License-Identifier: ISC */
#ifndef CIPHERS_H
#define CIPHERS_H

#include "base/buf.h"
#include "base/text.h"
#include "tls/cipherlist.h"

#include <stdbool.h>
#include <stddef.h>

/* Which cipher suites may be negotiated. */
struct ciphers {
	struct span priority;   /* a GnuTLS priority string; no data if suites are listed */
	struct cipherlist list; /* the listed suites otherwise */
};

/* Without a file: GnuTLS's NORMAL, limited to TLS 1.2 and 1.3. */
void ciphers_default(struct ciphers *ciphers);

/*
 * Reads tlsclientciphers: an OpenSSL cipher list, or a GnuTLS priority string, whose words are not checked.  `file`
 * must stay in place as long as `ciphers` is used.  Returns false, and says where, if a word is wrong or no suite is
 * left.
 */
bool ciphers_read(struct ciphers *ciphers, struct span file, struct cipherlist_fault *fault);

/*
 * What is offered.  GnuTLS cannot be told single suites: its priority strings name key exchanges, ciphers and MACs, and
 * it offers every suite that consists of these.  The wide offer has every listed suite, and perhaps others.  The narrow
 * one has only listed suites: the largest such product that holds the first suite of the list.  Both prefer that suite.
 */
enum ciphers_offer { CIPHERS_WIDE, CIPHERS_NARROW };

/* Appends the priority string of an offer, and a NUL. */
void ciphers_print(const struct ciphers *ciphers, enum ciphers_offer offer, struct buf *out);

/* Whether the suite with this IANA name may be used: always true if a priority string decides. */
bool ciphers_allow(const struct ciphers *ciphers, struct span name);

#endif
