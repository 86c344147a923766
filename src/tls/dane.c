/* SPDX-License-Identifier: ISC */
/*
 * dane - whether the certificates of a server are those that its TLSA records name
 *
 * A part of the module, which tls.c asks.  RFC 6698 section 2, RFC 7671 section 5, RFC 7672 section 3.
 *
 * A record of usage DANE-EE is of the server's own certificate, or key, and then neither its names nor its dates count.
 * A record of usage DANE-TA is of one that issued it: what matches becomes the only anchor, and verify.c judges as it
 * does with a file of them.  So a certificate that only stands beside the server's does not help.
 */
#include "tls/dane.h"

#include "dns/tlsa.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One judgement. */
struct judgement {
	const gnutls_datum_t *chain; /* certificates, the server's own first */
	unsigned count;
	gnutls_x509_trust_list_t anchors;
	unsigned found; /* how many anchors there are */
	struct trace *trace;
};

static gnutls_datum_t datum_of(struct span span)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)span.data, (unsigned)span.length};
}

/* Reads a certificate; NULL if it is none. */
static gnutls_x509_crt_t read_certificate(const gnutls_datum_t *der)
{
	gnutls_x509_crt_t certificate;
	if (gnutls_x509_crt_init(&certificate) != 0)
		return NULL;
	if (gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0)
		return certificate;
	gnutls_x509_crt_deinit(certificate);
	return NULL;
}

/* The public key of a certificate, to be released with gnutls_free(). */
static bool export_key(const gnutls_datum_t *der, gnutls_datum_t *key)
{
	gnutls_x509_crt_t certificate = read_certificate(der);
	gnutls_pubkey_t public = NULL;
	bool done = certificate && gnutls_pubkey_init(&public) == 0 &&
		    gnutls_pubkey_import_x509(public, certificate, 0) == 0 &&
		    gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, key) == 0;
	if (public)
		gnutls_pubkey_deinit(public);
	if (certificate)
		gnutls_x509_crt_deinit(certificate);
	return done;
}

/* Whether these octets, or their hash, are the data of the record. */
static bool is_associated(const struct tlsa *record, const gnutls_datum_t *octets)
{
	unsigned char hash[64];
	bool sha256 = record->matching == TLSA_SHA256;
	size_t length = sha256 ? 32 : sizeof hash;
	if (record->matching == TLSA_FULL)
		return octets->size == record->data.length &&
		       memcmp(octets->data, record->data.data, octets->size) == 0;
	return gnutls_hash_fast(sha256 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, octets->data, octets->size, hash) ==
		       0 &&
	       record->data.length == length && memcmp(hash, record->data.data, length) == 0;
}

/* Whether the record is of this certificate of the chain. */
static bool matches(const struct judgement *judgement, const struct tlsa *record, unsigned number)
{
	const gnutls_datum_t *der = &judgement->chain[number];
	gnutls_datum_t key = {0};
	bool match = record->selector == TLSA_CERTIFICATE ? is_associated(record, der)
							  : export_key(der, &key) && is_associated(record, &key);
	gnutls_free(key.data);
	if (match)
		judgement->trace->note(judgement->trace, '*', "TLSA %u %u %u matches certificate %u", record->usage,
				       record->selector, record->matching, number + 1);
	return match;
}

static void add_anchor(struct judgement *judgement, const gnutls_datum_t *der)
{
	gnutls_x509_crt_t certificate = read_certificate(der);
	if (!certificate)
		return;
	verify_add_anchor(judgement->anchors, certificate);
	judgement->found++;
}

/* What is signed in a certificate: its first member (RFC 5280 section 4.1).  GnuTLS has read it, so it is well formed.
 */
static gnutls_datum_t signed_part(const gnutls_datum_t *der)
{
	gnutls_datum_t part = {0};
	size_t at = 0;
	for (int depth = 0; depth < 2; depth++) {
		part.data = der->data + at;
		if (der->size - at < 6)
			return (gnutls_datum_t){0};
		size_t octets = der->data[at + 1] & 0x80 ? der->data[at + 1] & 0x7f : 0;
		size_t length = octets ? 0 : der->data[at + 1];
		for (size_t i = 0; i < octets && i < 4; i++)
			length = length << 8 | der->data[at + 2 + i];
		at += 2 + octets;
		if (octets > 4 || length > der->size - at)
			return (gnutls_datum_t){0};
		part.size = (unsigned)(der->data + at + length - part.data);
	}
	return part;
}

/* Whether the certificate was signed with this key. */
static bool is_signed_by(gnutls_x509_crt_t certificate, const gnutls_datum_t *der, gnutls_pubkey_t key)
{
	char octets[2048];
	size_t size = sizeof octets;
	gnutls_datum_t part = signed_part(der);
	int algorithm = gnutls_x509_crt_get_signature_algorithm(certificate);
	if (!part.size || algorithm < 0 || gnutls_x509_crt_get_signature(certificate, octets, &size) != 0)
		return false;
	gnutls_datum_t signature = datum_of((struct span){octets, size});
	return gnutls_pubkey_verify_data2(key, (gnutls_sign_algorithm_t)algorithm, 0, &part, &signature) >= 0;
}

/* A whole key, whose certificate need not be sent: what it signed is as good as an anchor. */
static void add_signed_by(struct judgement *judgement, const struct tlsa *record)
{
	gnutls_datum_t octets = datum_of(record->data);
	gnutls_pubkey_t key;
	if (gnutls_pubkey_init(&key) != 0)
		return;
	bool read = gnutls_pubkey_import(key, &octets, GNUTLS_X509_FMT_DER) == 0;
	for (unsigned i = 0; read && i < judgement->count; i++) {
		gnutls_x509_crt_t certificate = read_certificate(&judgement->chain[i]);
		if (certificate && is_signed_by(certificate, &judgement->chain[i], key))
			add_anchor(judgement, &judgement->chain[i]);
		if (certificate)
			gnutls_x509_crt_deinit(certificate);
	}
	gnutls_pubkey_deinit(key);
}

/* The anchors of one record of usage DANE-TA. */
static void add_anchors(struct judgement *judgement, const struct tlsa *record)
{
	gnutls_datum_t octets = datum_of(record->data);
	for (unsigned i = 1; i < judgement->count; i++)
		if (matches(judgement, record, i))
			add_anchor(judgement, &judgement->chain[i]);
	if (record->matching == TLSA_FULL && record->selector == TLSA_CERTIFICATE)
		add_anchor(judgement, &octets);
	else if (record->matching == TLSA_FULL)
		add_signed_by(judgement, record);
}

unsigned dane_verify(gnutls_session_t session, gnutls_certificate_credentials_t credentials, struct span records,
		     const char *const names[VERIFY_NAMES_MAX], struct trace *trace)
{
	struct judgement judgement = {.trace = trace};
	struct tlsa record;
	judgement.chain = gnutls_certificate_get_peers(session, &judgement.count);
	if (!judgement.chain || judgement.count == 0 || verify_make_anchors(credentials, &judgement.anchors) != 0)
		return GNUTLS_CERT_INVALID;
	while (tlsa_next(&records, &record)) {
		if (!tlsa_is_usable(&record))
			continue;
		if (record.usage == TLSA_DANE_TA)
			add_anchors(&judgement, &record);
		else if (matches(&judgement, &record, 0))
			return 0;
	}
	if (judgement.found == 0)
		return VERIFY_NO_TLSA | GNUTLS_CERT_INVALID;
	unsigned status = verify_server(session, names);
	return status & GNUTLS_CERT_SIGNER_NOT_FOUND ? status | VERIFY_NO_TLSA : status;
}
