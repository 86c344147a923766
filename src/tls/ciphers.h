#ifndef CIPHERS_H
#define CIPHERS_H

#include "base/buf.h"
#include "base/text.h"
#include "tls/cipherlist.h"

#include <stdbool.h>
#include <stddef.h>

/* Which cipher suites may be negotiated. */
struct ciphers {
	struct span priority;   /* a GnuTLS priority string that is taken as it is; no data where suites are listed */
	struct cipherlist list; /* where they are */
};

/* What counts where there is no file: what GnuTLS finds normal, of TLS 1.2 and 1.3. */
void ciphers_default(struct ciphers *ciphers);

/*
 * Reads tlsclientciphers: a list of OpenSSL's, or a GnuTLS priority string, whose words are not judged.  `file` must
 * stay where it is as long as `ciphers` is used.  Returns false, and says where, if a word is wrong or nothing is left.
 */
bool ciphers_read(struct ciphers *ciphers, struct span file, struct cipherlist_fault *fault);

/*
 * What is offered.  GnuTLS cannot be told which suites: its priority strings give key exchanges, ciphers and MACs, and
 * every suite that is made of these is offered.  The wide offer has every listed suite, and perhaps others.  The narrow
 * one has listed suites only: as many as such a product can hold that holds the first of the list.  In both that one is
 * preferred.
 */
enum ciphers_offer { CIPHERS_WIDE, CIPHERS_NARROW };

/* Appends the priority string of an offer, and a NUL. */
void ciphers_print(const struct ciphers *ciphers, enum ciphers_offer offer, struct buf *out);

/* Whether the suite with this name, IANA's, may be used: true for any where a priority string decides. */
bool ciphers_allow(const struct ciphers *ciphers, struct span name);

#endif
