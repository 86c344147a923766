/* SPDX-License-Identifier: ISC */
/*
 * verify - what the certificates of a server must be if it has to prove its name
 *
 * A part of the module, which tls.c asks: the chain by GnuTLS, the name by RFC 6125.
 */
#include "tls/verify.h"

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* The dates of the server's own certificate.  GnuTLS does not check them if the file holds that certificate. */
static unsigned dates_status(gnutls_x509_crt_t certificate)
{
	time_t now = time(NULL);
	if (gnutls_x509_crt_get_activation_time(certificate) > now)
		return GNUTLS_CERT_NOT_ACTIVATED | GNUTLS_CERT_INVALID;
	if (gnutls_x509_crt_get_expiration_time(certificate) < now)
		return GNUTLS_CERT_EXPIRED | GNUTLS_CERT_INVALID;
	return 0;
}

/* A wildcard stands for the whole leftmost label (RFC 6125 section 6.4.3). */
static bool name_matches(const char *pattern, const char *host)
{
	const char *domain = strchr(host, '.');
	if (strncmp(pattern, "*.", 2) == 0 && domain && strchr(domain + 1, '.'))
		return strcasecmp(pattern + 1, domain) == 0;
	return strcasecmp(pattern, host) == 0;
}

/* Whether there is no second commonName, and this one matches. */
static bool common_name_matches(gnutls_x509_crt_t certificate, const char *host)
{
	static const char oid[] = GNUTLS_OID_X520_COMMON_NAME;
	char text[1024];
	size_t length = sizeof text;
	if (gnutls_x509_crt_get_dn_by_oid(certificate, oid, 1, 0, text, &length) !=
	    GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return false;
	length = sizeof text;
	return gnutls_x509_crt_get_dn_by_oid(certificate, oid, 0, 0, text, &length) == 0 && strlen(text) == length &&
	       name_matches(text, host);
}

/*
 * Whether a dNSName matches or, only if there is none, the commonName (RFC 6125 section 6.4.4).  GnuTLS, if it is
 * asked, ignores the commonName also if there is an address, and stops at a long name, whatever follows.
 */
static bool is_for(gnutls_x509_crt_t certificate, const char *host)
{
	char text[1024];
	bool named = false;
	for (unsigned i = 0;; i++) {
		size_t length = sizeof text - 1;
		unsigned kind = 0;
		int result = gnutls_x509_crt_get_subject_alt_name2(certificate, i, text, &length, &kind, NULL);
		if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return !named && common_name_matches(certificate, host);
		if (result < 0 && result != GNUTLS_E_SHORT_MEMORY_BUFFER)
			return false;
		named = named || kind == GNUTLS_SAN_DNSNAME;
		if (result != GNUTLS_SAN_DNSNAME)
			continue;
		text[length] = '\0';
		if (strlen(text) == length && name_matches(text, host))
			return true;
	}
}

static bool is_for_servers(gnutls_x509_crt_t certificate)
{
	return gnutls_x509_crt_check_key_purpose(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0) != 0;
}

/* Whether the certificate is for one of the names, if there are any. */
static bool is_for_any(gnutls_x509_crt_t certificate, const char *const names[VERIFY_NAMES_MAX])
{
	bool named = false;
	for (size_t i = 0; i < VERIFY_NAMES_MAX; i++) {
		if (*names[i] && is_for(certificate, names[i]))
			return true;
		named = named || *names[i];
	}
	return !named;
}

/* What is wrong with the certificate itself. */
static unsigned own_status(gnutls_x509_crt_t certificate, const char *const names[VERIFY_NAMES_MAX])
{
	unsigned status = dates_status(certificate);
	if (!is_for_any(certificate, names))
		status |= GNUTLS_CERT_UNEXPECTED_OWNER | GNUTLS_CERT_INVALID;
	if (!is_for_servers(certificate))
		status |= GNUTLS_CERT_PURPOSE_MISMATCH | GNUTLS_CERT_INVALID;
	return status;
}

/* What GnuTLS finds wrong with the chain, and what it does not check if the file holds that certificate. */
static unsigned certificate_status(gnutls_session_t session, gnutls_x509_crt_t certificate,
				   const char *const names[VERIFY_NAMES_MAX])
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER};
	unsigned status = 0;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != 0)
		return GNUTLS_CERT_INVALID;
	return status | own_status(certificate, names);
}

unsigned verify_server(gnutls_session_t session, const char *const names[VERIFY_NAMES_MAX])
{
	unsigned status = GNUTLS_CERT_INVALID;
	unsigned count = 0;
	gnutls_x509_crt_t certificate;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0 || gnutls_x509_crt_init(&certificate) != 0)
		return status;
	if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0)
		status = certificate_status(session, certificate, names);
	gnutls_x509_crt_deinit(certificate);
	return status;
}

/* What is wrong with a certificate: the first that applies is reported. */
static const struct verify_reason reasons[] = {
	{VERIFY_NO_TLSA, GNUTLS_A_BAD_CERTIFICATE, "is none that its TLSA records allow"},
	{GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE, "is not for a server"},
	{GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, "has an unknown issuer"},
	{GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "has expired"},
	{GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_BAD_CERTIFICATE, "is not valid yet"},
	{GNUTLS_CERT_UNEXPECTED_OWNER, GNUTLS_A_BAD_CERTIFICATE, "is for another name"},
	{GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_BAD_CERTIFICATE, "uses an insecure algorithm"},
	{0, GNUTLS_A_BAD_CERTIFICATE, "is invalid"},
};

const struct verify_reason *verify_reason(unsigned status)
{
	const struct verify_reason *reason = reasons;
	while (reason->bit && !(status & reason->bit))
		reason++;
	return reason;
}

/* The names that the certificate is for, as far as there is room. */
static void tell_names(gnutls_x509_crt_t certificate, struct trace *trace)
{
	char names[480] = "";
	char name[256];
	size_t used = 0;
	for (unsigned i = 0; used < sizeof names; i++) {
		size_t length = sizeof name;
		int kind = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL);
		if (kind < 0 && kind != GNUTLS_E_SHORT_MEMORY_BUFFER)
			break;
		if (kind == GNUTLS_SAN_DNSNAME)
			used += (size_t)snprintf(names + used, sizeof names - used, " %.*s", (int)length, name);
	}
	if (used > 0)
		trace->note(trace, '*', "TLS certificate 1 is for%s%s", names, used < sizeof names ? "" : "...");
}

static void tell_dates(gnutls_x509_crt_t certificate, struct trace *trace)
{
	const time_t times[] = {gnutls_x509_crt_get_activation_time(certificate),
				gnutls_x509_crt_get_expiration_time(certificate)};
	char dates[2][32] = {"?", "?"};
	struct tm utc;
	for (int i = 0; i < 2; i++)
		if (gmtime_r(&times[i], &utc))
			strftime(dates[i], sizeof dates[i], "%Y-%m-%dT%H:%M:%SZ", &utc);
	trace->note(trace, '*', "TLS certificate 1 is valid from %s to %s", dates[0], dates[1]);
}

/* Whose certificate, and whose signature is in it: distinguished names as text, empty where there is none. */
static void tell_parties(gnutls_x509_crt_t certificate, unsigned number, struct trace *trace)
{
	gnutls_datum_t subject = {0};
	gnutls_datum_t issuer = {0};
	gnutls_x509_crt_get_dn3(certificate, &subject, 0);
	gnutls_x509_crt_get_issuer_dn3(certificate, &issuer, 0);
	trace->note(trace, '*', "TLS certificate %u is of `%.*s', issued by `%.*s'", number, (int)subject.size,
		    subject.data ? (const char *)subject.data : "", (int)issuer.size,
		    issuer.data ? (const char *)issuer.data : "");
	gnutls_free(subject.data);
	gnutls_free(issuer.data);
}

/* All that is wrong, and whether that counts. */
static void tell_verdict(unsigned status, bool judged, struct trace *trace)
{
	for (const struct verify_reason *reason = reasons; reason->bit; reason++)
		if (status & reason->bit)
			trace->note(trace, '*', "TLS certificate 1 %s", reason->text);
	trace->note(trace, '*', "TLS certificates were %s",
		    !judged       ? "not verified"
		    : status == 0 ? "verified"
				  : "refused");
}

void verify_tell(gnutls_session_t session, const char *const names[VERIFY_NAMES_MAX], const unsigned *verdict,
		 struct trace *trace)
{
	unsigned status = 0;
	unsigned count = 0;
	gnutls_x509_crt_t certificate;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	for (unsigned i = 0; chain && i < count; i++) {
		if (gnutls_x509_crt_init(&certificate) != 0)
			return;
		bool read = gnutls_x509_crt_import(certificate, &chain[i], GNUTLS_X509_FMT_DER) == 0;
		if (read)
			tell_parties(certificate, i + 1, trace);
		if (read && i == 0) {
			tell_names(certificate, trace);
			tell_dates(certificate, trace);
			status = own_status(certificate, names);
		}
		gnutls_x509_crt_deinit(certificate);
	}
	if (count > 0)
		tell_verdict(verdict ? *verdict : status, verdict, trace);
}

/* GnuTLS would not look at the purposes of what it trusts. */
void verify_add_anchor(gnutls_x509_trust_list_t anchors, gnutls_x509_crt_t certificate)
{
	if (!is_for_servers(certificate) || gnutls_x509_trust_list_add_cas(anchors, &certificate, 1, 0) != 1)
		gnutls_x509_crt_deinit(certificate);
}

/* GnuTLS sorts anchors into buckets by their names, and
 * looks for anchors within the presented chain only in the bucket of the last issuer's name; so there is one bucket. */
int verify_make_anchors(gnutls_certificate_credentials_t credentials, gnutls_x509_trust_list_t *anchors)
{
	int result = gnutls_x509_trust_list_init(anchors, 1);
	if (result == 0)
		gnutls_certificate_set_trust_list(credentials, *anchors, 0);
	return result;
}

int verify_load_system(gnutls_certificate_credentials_t credentials)
{
	gnutls_x509_trust_list_t anchors;
	int result = verify_make_anchors(credentials, &anchors);
	return result == 0 ? gnutls_x509_trust_list_add_system_trust(anchors, 0, 0) : result;
}

int verify_load(gnutls_certificate_credentials_t credentials, const gnutls_datum_t *pem)
{
	gnutls_x509_trust_list_t anchors;
	gnutls_x509_crt_t *certificates;
	unsigned count;
	int result = verify_make_anchors(credentials, &anchors);
	if (result != 0)
		return result;
	result = gnutls_x509_crt_list_import2(&certificates, &count, pem, GNUTLS_X509_FMT_PEM, 0);
	if (result < 0)
		return result;
	for (unsigned i = 0; i < count; i++)
		verify_add_anchor(anchors, certificates[i]);
	gnutls_free(certificates);
	return 0;
}
