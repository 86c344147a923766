/* SPDX-License-Identifier: ISC */
#ifndef VERIFY_H
#define VERIFY_H

#include "trace.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/*
 * Makes the certificates of a PEM file the anchors of these credentials, which own them.  Returns 0, or an error of
 * GnuTLS's: GNUTLS_E_MEMORY_ERROR, or another one where the file holds no certificate.
 */
int verify_load(gnutls_certificate_credentials_t credentials, const gnutls_datum_t *pem);

/* The same for all that this system trusts.  Returns how many certificates these are, or an error of GnuTLS's. */
int verify_load_system(gnutls_certificate_credentials_t credentials);

/* Adds a certificate to the anchors, which own it from then on; not one for other purposes than that of a server. */
void verify_add_anchor(gnutls_x509_trust_list_t anchors, gnutls_x509_crt_t certificate);

/* An empty list of anchors for the credentials, which own it; in place of the one before.  Returns 0, or an error of
 * GnuTLS's. */
int verify_make_anchors(gnutls_certificate_credentials_t credentials, gnutls_x509_trust_list_t *anchors);

/* How many names a server may have, and a bit for what is wrong that GnuTLS does not know: no TLSA record is of this
 * certificate or of one that it leads to. */
enum { VERIFY_NAMES_MAX = 3 };
#define VERIFY_NO_TLSA (1U << 31)

/* Judges the certificates of the other side, which must be a server with one of these names, unless all of them are
 * empty: bits of gnutls_certificate_status_t for
 * what is wrong with them, or 0. */
unsigned verify_server(gnutls_session_t session, const char *const names[VERIFY_NAMES_MAX]);

/*
 * Tells the certificates of the other side, if it has sent any, and what is wrong with its own: `verdict` is what
 * verify_server() found, or NULL if it was not asked.
 */
void verify_tell(gnutls_session_t session, const char *const names[VERIFY_NAMES_MAX], const unsigned *verdict,
		 struct trace *trace);

/* What such a bit means. */
struct verify_reason {
	unsigned bit;
	gnutls_alert_description_t alert; /* for the server */
	const char *text;                 /* in plain words, after "its certificate" */
};

/* The reason that is said where there are several. */
const struct verify_reason *verify_reason(unsigned status);

#endif
