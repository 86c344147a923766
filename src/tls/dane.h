/* SPDX-License-Identifier: ISC */
#ifndef DANE_H
#define DANE_H

#include "base/text.h"
#include "tls/verify.h"
#include "trace.h"

#include <gnutls/gnutls.h>

/*
 * Judges the certificates of the other side by TLSA records, of which one at least is usable, and tells `trace` which
 * of them match: bits as verify_server() gives them, or 0.  The anchors of the credentials become those of the records.
 */
unsigned dane_verify(gnutls_session_t session, gnutls_certificate_credentials_t credentials, struct span records,
		     const char *const names[VERIFY_NAMES_MAX], struct trace *trace);

#endif
