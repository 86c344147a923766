/* SPDX-License-Identifier: ISC */
/*
 * tls - the TLS module: a transport for a stream
 *
 * With verify.c, the only user of GnuTLS.  starttls.c loads it once a server offers STARTTLS.  RFC 8446, RFC 5246.
 *
 * The server's certificate is verified during the handshake, so that an untrusted server gets an alert with the reason,
 * and nothing else.
 */
#include "tls/tls.h"

#include "base/buf.h"
#include "base/module.h"
#include "dns/tlsa.h"
#include "tls/dane.h"
#include "tls/verify.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { RECORD_MAX = 16384 }; /* octets (RFC 8446 section 5.1) */

struct tls {
	struct trace *trace;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	const struct stream_transport *below;
	int descriptor;
	char host[256];       /* empty where there is only an address */
	struct tls_dane dane; /* without records, unless one is usable */
	bool anchored;        /* the server's certificates must lead to what a file or this system trusts */
	size_t full;   /* octets of a full record, once one was sent: the server may want small ones (RFC 8449); or 0 */
	size_t unsent; /* octets in a record that GnuTLS holds and that was not completely written; 0: there is none */
	bool more;     /* more follows this record */
	unsigned status;
};

static bool fail(struct tls_failure *failure, enum tls_trouble trouble, const char *text)
{
	failure->trouble = trouble;
	snprintf(failure->text, sizeof failure->text, "%s", text);
	return false;
}

/* GnuTLS ends its sentences with a full stop. */
static bool fail_with(struct tls_failure *failure, enum tls_trouble trouble, int error)
{
	fail(failure, trouble, gnutls_strerror(error));
	size_t length = strlen(failure->text);
	if (length > 0 && failure->text[length - 1] == '.')
		failure->text[length - 1] = '\0';
	return false;
}

/* GnuTLS calls it during the handshake; any result but 0 ends that. */
static int judge(gnutls_session_t session)
{
	struct tls *tls = gnutls_session_get_ptr(session);
	if (tls->anchored)
		tls->status = verify_server(session, (const char *const[VERIFY_NAMES_MAX]){tls->host, "", ""});
	if (tls->status == 0 && tls->dane.records.length > 0)
		tls->status = dane_verify(session, tls->credentials, tls->dane.records, tls->dane.names, tls->trace);
	return tls->status == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static bool fail_untrusted(struct tls *tls, struct tls_failure *failure)
{
	const struct verify_reason *reason = verify_reason(tls->status);
	gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, reason->alert);
	return fail(failure, TLS_UNTRUSTED, reason->text);
}

/* Opening and closing. */

static bool load_trusted(struct tls *tls, const struct tls_pem *trusted, struct tls_failure *failure)
{
	gnutls_datum_t pem = {(unsigned char *)(uintptr_t)trusted->data, (unsigned)trusted->length};
	int result = verify_load(tls->credentials, &pem);
	if (result == GNUTLS_E_MEMORY_ERROR)
		return fail(failure, TLS_LOCAL, "out of memory");
	return result == 0 || fail(failure, TLS_TRUSTED, "it holds no certificate");
}

static bool load_files(struct tls *tls, const struct tls_settings *settings, struct tls_failure *failure)
{
	const struct tls_pem *ours = &settings->certificate;
	const struct tls_pem *trusted = &settings->trusted;
	gnutls_datum_t pem = {(unsigned char *)(uintptr_t)ours->data, (unsigned)ours->length};
	int result =
		ours->data ? gnutls_certificate_set_x509_key_mem(tls->credentials, &pem, &pem, GNUTLS_X509_FMT_PEM) : 0;
	if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return fail(failure, TLS_CERTIFICATE, "its key does not match its certificate");
	if (result < 0)
		return fail(failure, TLS_CERTIFICATE, "it does not hold a certificate and its key");
	if (settings->system_trust && verify_load_system(tls->credentials) <= 0)
		return fail(failure, TLS_LOCAL, "this system trusts no certification authority");
	return !trusted->data || load_trusted(tls, trusted, failure);
}

/* Whether TLS 1.2 or 1.3 is enabled.  Without TLS 1.2, GnuTLS may drop 1.3 too. */
static bool has_version(gnutls_priority_t priority)
{
	const unsigned *versions;
	int count = gnutls_priority_protocol_list(priority, &versions);
	for (int i = 0; i < count; i++)
		if (versions[i] == GNUTLS_TLS1_2 || versions[i] == GNUTLS_TLS1_3)
			return true;
	return false;
}

static bool set_priority(struct tls *tls, const char *priority, struct tls_failure *failure)
{
	const char *place = priority;
	char text[120];
	if (gnutls_priority_init(&tls->priority, priority, &place) == 0)
		return has_version(tls->priority) ||
		       fail(failure, TLS_PRIORITY, "it allows neither TLS 1.2 nor TLS 1.3");
	snprintf(text, sizeof text, "GnuTLS rejects it at `%.60s'", place);
	return fail(failure, TLS_PRIORITY, text);
}

/* The records of one buffer are sent together: else the kernel would send a packet, and wake the server, for each. */
static ssize_t push(gnutls_transport_ptr_t context, const giovec_t *parts, int count)
{
	struct tls *tls = context;
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
	return sendmsg(tls->descriptor, &message, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));
}

static bool set_up(struct tls *tls, const struct tls_settings *settings, struct tls_failure *failure)
{
	const char *name =
		settings->dane.records.length > 0 ? settings->dane.names[0] : tls->host; /* RFC 7672 section 8.1 */
	int result = gnutls_certificate_allocate_credentials(&tls->credentials);
	if (result == 0 && !load_files(tls, settings, failure))
		return false;
	if (result == 0 && !set_priority(tls, settings->priority, failure))
		return false;
	if (result == 0)
		result = gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (result == 0)
		result = gnutls_priority_set(tls->session, tls->priority);
	if (result == 0)
		result = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
	if (result == 0 && *name)
		result = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, name, strlen(name));
	if (result != 0)
		return fail_with(failure, TLS_LOCAL, result);
	gnutls_certificate_set_verify_function(tls->credentials, judge);
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_transport_set_ptr2(tls->session, (gnutls_transport_ptr_t)(intptr_t)tls->descriptor, tls);
	gnutls_transport_set_vec_push_function(tls->session, push);
	gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT); /* we have our own deadline */
	return true;
}

static void close_tls(struct tls *tls, bool politely)
{
	if (!tls)
		return;
	if (politely)
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	if (tls->session)
		gnutls_deinit(tls->session);
	if (tls->priority)
		gnutls_priority_deinit(tls->priority);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	mem_free(tls);
}

static struct tls *open_tls(const struct tls_settings *settings, struct tls_failure *failure)
{
	struct tls *tls = mem_array(1, sizeof *tls);
	if (!tls) {
		fail(failure, TLS_LOCAL, "out of memory");
		return NULL;
	}
	tls->trace = settings->trace;
	tls->below = settings->below;
	tls->descriptor = settings->descriptor;
	tls->anchored = settings->trusted.data || settings->system_trust;
	if (tlsa_any_usable(settings->dane.records))
		tls->dane = settings->dane;
	if (settings->host)
		snprintf(tls->host, sizeof tls->host, "%s", settings->host);
	if (set_up(tls, settings, failure))
		return tls;
	close_tls(tls, false);
	return NULL;
}

/* The server's alert says why it ended the handshake. */
static bool fail_by_alert(struct tls *tls, struct tls_failure *failure)
{
	gnutls_alert_description_t alert = gnutls_alert_get(tls->session);
	bool refused = alert == GNUTLS_A_HANDSHAKE_FAILURE || alert == GNUTLS_A_INSUFFICIENT_SECURITY ||
		       alert == GNUTLS_A_PROTOCOL_VERSION;
	const char *name = gnutls_alert_get_name(alert);
	failure->trouble = refused ? TLS_REFUSED : TLS_HANDSHAKE;
	snprintf(failure->text, sizeof failure->text, "the server sent the alert \"%s\"", name ? name : "unknown");
	return false;
}

static bool fail_handshake(struct tls *tls, int error, struct tls_failure *failure)
{
	if (tls->status != 0)
		return fail_untrusted(tls, failure);
	if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return fail_by_alert(tls, failure);
	if (error == GNUTLS_E_PREMATURE_TERMINATION || error == GNUTLS_E_PULL_ERROR || error == GNUTLS_E_PUSH_ERROR)
		return fail(failure, TLS_HANDSHAKE, "the server hung up");
	gnutls_alert_send_appropriate(tls->session, error);
	return fail_with(failure, error == GNUTLS_E_UNSUPPORTED_VERSION_PACKET ? TLS_REFUSED : TLS_HANDSHAKE, error);
}

static bool shake_hands(struct tls *tls, int64_t deadline, struct tls_failure *failure)
{
	int result;
	while ((result = gnutls_handshake(tls->session)) != 0) {
		if (tls->status != 0 || gnutls_error_is_fatal(result))
			return fail_handshake(tls, result, failure);
		/* A server may also fill the time with harmless alerts. */
		int want = gnutls_record_get_direction(tls->session) ? STREAM_WRITABLE : STREAM_READABLE;
		if (tls->below->now(&tls->descriptor) >= deadline ||
		    (result == GNUTLS_E_AGAIN && tls->below->wait(&tls->descriptor, want, deadline) == 0))
			return fail(failure, TLS_HANDSHAKE, "it timed out");
	}
	return true;
}

static bool handshake(struct tls *tls, int64_t deadline, struct tls_failure *failure)
{
	bool done = shake_hands(tls, deadline, failure);
	bool judged = tls->anchored || tls->dane.records.length > 0;
	if (trace_is_on(tls->trace))
		verify_tell(tls->session, (const char *const[VERIFY_NAMES_MAX]){tls->host, "", ""},
			    judged && (done || tls->status != 0) ? &tls->status : NULL, tls->trace);
	return done;
}

static const char *version(const struct tls *tls)
{
	const char *name = gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session));
	return name ? name : "TLS";
}

static const char *suite(const struct tls *tls)
{
	const char *name = gnutls_ciphersuite_get(tls->session);
	return name ? name : "";
}

/* The transport. */

static ssize_t outcome(ssize_t result)
{
	if (result >= 0)
		return result;
	return gnutls_error_is_fatal((int)result) ? STREAM_FAILED : STREAM_AGAIN;
}

/* GnuTLS also says `again' after a record without data, such as a ticket; the next one may hold data. */
static ssize_t tls_read(void *context, char *data, size_t room)
{
	enum { RECORDS_MAX = 100 };
	struct tls *tls = context;
	ssize_t result = gnutls_record_recv(tls->session, data, room);
	for (int i = 0; i < RECORDS_MAX && result == GNUTLS_E_AGAIN; i++) {
		if (!tls->below->wait(&tls->descriptor, STREAM_READABLE, 0))
			break;
		result = gnutls_record_recv(tls->session, data, room);
	}
	return outcome(result);
}

/* GnuTLS holds a record that was only partly written; it must be sent first. */
static ssize_t tls_write(void *context, const char *data, size_t length)
{
	struct tls *tls = context;
	tls->more = length > RECORD_MAX;
	ssize_t result = gnutls_record_send(tls->session, tls->unsent ? NULL : data, tls->unsent ? 0 : length);
	tls->more = false; /* alerts, and replies to key updates, wait for nothing */
	if (result > 0 && (size_t)result < (tls->unsent > 0 ? tls->unsent : length))
		tls->full = (size_t)result;
	/* If the server asked for new keys meanwhile, the record was sent before them, and GnuTLS no longer holds
	 * any.  How long it was is only known if a full one was sent before. */
	if (tls->unsent > 0 && result == GNUTLS_E_INVALID_REQUEST)
		result = tls->full > 0 ? (ssize_t)tls->unsent : GNUTLS_E_PUSH_ERROR;
	if (result != GNUTLS_E_AGAIN && result != GNUTLS_E_INTERRUPTED)
		tls->unsent = 0;
	else if (tls->unsent == 0)
		tls->unsent = tls->full > 0 && tls->full < length ? tls->full : length;
	return outcome(result);
}

static int tls_wait(void *context, int want, int64_t deadline)
{
	struct tls *tls = context;
	if ((want & STREAM_READABLE) && gnutls_record_check_pending(tls->session) > 0)
		return STREAM_READABLE;
	return tls->below->wait(&tls->descriptor, want, deadline);
}

static int64_t tls_now(void *context)
{
	struct tls *tls = context;
	return tls->below->now(&tls->descriptor);
}

static const struct stream_transport transport = {tls_read, tls_write, tls_wait, tls_now, false};

const struct tls_module qremote_module = {
	.interface = MODULE_INTERFACE,
	.open = open_tls,
	.handshake = handshake,
	.version = version,
	.suite = suite,
	.close = close_tls,
	.transport = &transport,
};
