/* SPDX-License-Identifier: ISC */
/*
 * starttls - whether a session uses TLS, and what happens if that fails
 *
 * deliver.c runs it after the first EHLO.  RFC 3207, RFC 7435, RFC 6125.
 *
 * TLS is opportunistic: it stops passive listeners, no certificate is verified, and after a failure the delivery is
 * tried once more in the clear.  With a file for the server in control/tlshosts, nothing is sent unless the server
 * proves its name, whatever else is written.  TLSA records in the DNS demand TLS, and say what the server's certificate
 * is (RFC 7672).  Otherwise the route may demand the same, or TLS at least, or switch it off, as a file in
 * control/notlshosts does where nothing is demanded.
 */
#include "smtp/starttls.h"

#include "base/conn.h"
#include "base/module.h"
#include "dns/tlsa.h"
#include "tls/ciphers.h"

#include <stdio.h>

/* One attempt to use TLS on one connection. */
struct attempt {
	struct starttls *starttls;
	struct session *session;
	const struct tls_module *module;
	struct tls *tls;         /* until the session takes it */
	enum route_tls policy;   /* of the route, unless a file for the server or the DNS says otherwise */
	const struct dane *dane; /* the server's TLSA records, which demand TLS; NULL: there are none that count */
	char clientcert[NAME_SIZE];
	/* Files; one that is absent has no data. */
	struct buf trusted; /* the server's in control/tlshosts */
	struct buf certificate;
	struct buf list; /* tlsclientciphers */
	struct buf priority;
	struct ciphers ciphers;
};

static const char nothing_allowed[] = "the server accepts nothing that control/tlsclientciphers allows";

/* A local problem: no server gets the mail until it is fixed. */
static bool fail_locally(struct attempt *attempt, const char *who, const char *what)
{
	report_write(&attempt->session->outcome.report, 'Z', "4.3.0", who, what);
	attempt->session->outcome.next = NEXT_NOTHING;
	return false;
}

/* This server does not get the mail; the next one may. */
static bool distrust(struct attempt *attempt, const char *why, const struct reply *reply)
{
	char what[260];
	snprintf(what, sizeof what, "cannot be trusted: %s.", why);
	session_fail(attempt->session, 'Z', "4.7.5", what, reply);
	return false;
}

/* The same where there is no TLS: the postmaster may know nothing of these records. */
static bool distrust_clear(struct attempt *attempt, const char *why, const struct reply *reply)
{
	char text[240];
	snprintf(text, sizeof text, "%s%s", why, attempt->dane ? "; its TLSA records demand TLS" : "");
	return distrust(attempt, text, reply);
}

/* Whether nothing may be sent in the clear. */
static bool demands_tls(const struct attempt *attempt)
{
	return attempt->policy == ROUTE_TLS_MUST || attempt->policy == ROUTE_TLS_VERIFY;
}

/*
 * Decides whether and how to connect to the same address again.  If GnuTLS agreed on a suite that is not listed, the
 * next connection offers only listed ones; after any other failure, the next one is in the clear.
 */
static void plan_another(struct attempt *attempt, const char *why, bool unlisted)
{
	struct starttls *starttls = attempt->starttls;
	bool narrower = unlisted && starttls->offer == OFFER_ALL;
	snprintf(starttls->failed, sizeof starttls->failed, "%s", why);
	if (!narrower && demands_tls(attempt))
		return;
	starttls->offer = narrower ? OFFER_LISTED : OFFER_NONE;
	attempt->session->outcome.next = NEXT_CONNECTION;
}

/* Nothing more can be sent on this connection. */
static bool fail_handshake(struct attempt *attempt, const char *why)
{
	char text[200];
	snprintf(text, sizeof text, "the TLS handshake failed: %s", why);
	attempt->session->broken = true;
	plan_another(attempt, why, false);
	return distrust_clear(attempt, text, NULL);
}

static bool read_file(struct attempt *attempt, const char *file, struct buf *contents)
{
	struct session *session = attempt->session;
	if (config_read(session->config, file, contents, NULL, &session->outcome.report))
		return true;
	session->outcome.next = NEXT_NOTHING;
	return false;
}

/* Whether the server has a file in notlshosts, which switches TLS off where nothing demands it. */
static bool read_refusal(struct attempt *attempt)
{
	const char *name = attempt->session->name;
	struct buf contents = {0};
	char file[NAME_SIZE + 16];
	if (!config_may_have(attempt->session->config, "notlshosts"))
		return true;
	snprintf(file, sizeof file, "notlshosts/%s", name);
	bool read = read_file(attempt, file, &contents);
	if (contents.data) {
		trace_note(attempt->session->trace, '*', "no STARTTLS: control/%s forbids it", file);
		attempt->policy = ROUTE_TLS_OFF;
	}
	buf_free(&contents);
	return read;
}

/* What the DNS demands; false, with a failure, if that cannot be looked up: else an attacker could forbid it. */
static bool read_dane(struct attempt *attempt)
{
	const struct dane *dane = attempt->session->dane;
	if (dane && dane->unknown) {
		session_fail(attempt->session, 'Z', "4.4.3",
			     "cannot be trusted: its TLSA records cannot be looked up in the DNS now.", NULL);
		return false;
	}
	if (!dane || dane->records.length == 0)
		return true;
	attempt->dane = dane;
	if (attempt->policy == ROUTE_TLS_MAY)
		attempt->policy = ROUTE_TLS_MUST;
	return true;
}

/* Reads the certificates that the server must prove itself with, if there are any, and decides what is demanded. */
static bool read_policy(struct attempt *attempt)
{
	const char *name = attempt->session->name;
	char file[NAME_SIZE + 16];
	attempt->policy = attempt->session->route->tls;
	if (!*name)
		return true;
	snprintf(file, sizeof file, "tlshosts/%s.pem", name);
	if (!read_file(attempt, file, &attempt->trusted))
		return false;
	if (attempt->trusted.data)
		attempt->policy = ROUTE_TLS_VERIFY;
	if (attempt->policy == ROUTE_TLS_MAY && !read_refusal(attempt))
		return false;
	return attempt->trusted.data || attempt->policy == ROUTE_TLS_OFF || read_dane(attempt);
}

static bool fail_for_ciphers(struct attempt *attempt, const struct cipherlist_fault *fault)
{
	enum { WORD_SHOWN = 60 };
	char who[64] = "control/tlsclientciphers";
	char what[160] = "is empty: it names no cipher suite.";
	int shown = fault->word.length < WORD_SHOWN ? (int)fault->word.length : WORD_SHOWN;
	if (shown > 0) {
		snprintf(who, sizeof who, "control/tlsclientciphers line %zu", fault->line);
		snprintf(what, sizeof what, "is malformed: `%.*s` %s", shown, fault->word.data, fault->wrong);
	}
	return fail_locally(attempt, who, what);
}

/* tlsclientciphers as a priority string for GnuTLS. */
static bool read_ciphers(struct attempt *attempt)
{
	bool narrow = attempt->starttls->offer == OFFER_LISTED;
	struct span list = {attempt->list.data, attempt->list.length};
	struct cipherlist_fault fault;
	ciphers_default(&attempt->ciphers);
	if (attempt->list.data && !ciphers_read(&attempt->ciphers, list, &fault))
		return fail_for_ciphers(attempt, &fault);
	ciphers_print(&attempt->ciphers, narrow ? CIPHERS_NARROW : CIPHERS_WIDE, &attempt->priority);
	return !attempt->priority.failed || fail_locally(attempt, "Qremote", "is out of memory.");
}

/* Reads our certificate; only the usual file may be absent. */
static bool read_certificate(struct attempt *attempt)
{
	struct span named = attempt->session->route->clientcert;
	char who[NAME_SIZE + 16];
	snprintf(attempt->clientcert, sizeof attempt->clientcert, "%.*s", (int)named.length, named.data);
	if (named.length == 0)
		snprintf(attempt->clientcert, sizeof attempt->clientcert, "clientcert.pem");
	if (!read_file(attempt, attempt->clientcert, &attempt->certificate))
		return false;
	snprintf(who, sizeof who, "control/%s", attempt->clientcert);
	return named.length == 0 || attempt->certificate.data ||
	       fail_locally(attempt, who, "does not exist, but a file in smtproutes.d names it.");
}

/* Reads and loads everything local, before STARTTLS is sent. */
static bool prepare(struct attempt *attempt)
{
	char why[300];
	if (!read_certificate(attempt) || !read_file(attempt, "tlsclientciphers", &attempt->list) ||
	    !read_ciphers(attempt))
		return false;
	attempt->module = module_load("qremote-tls.so", "TLS", why, sizeof why);
	return attempt->module || fail_locally(attempt, "Qremote", why);
}

static struct tls_dane demand_of(const struct attempt *attempt)
{
	const struct dane *dane = attempt->dane;
	const struct exchangers *whose = attempt->session->whose;
	if (!dane)
		return (struct tls_dane){0};
	return (struct tls_dane){.records = {dane->records.data, dane->records.length},
				 .names = {dane->base, whose->domain, whose->alias}};
}

/* Opens the module's session, which checks the files. */
static bool open_tls(struct attempt *attempt, int descriptor)
{
	const char *name = attempt->session->name;
	const struct tls_settings settings = {
		.priority = attempt->priority.data,
		.host = *name ? name : NULL,
		.certificate = {attempt->certificate.data, attempt->certificate.length},
		.trusted = {attempt->trusted.data, attempt->trusted.length},
		.dane = demand_of(attempt),
		.system_trust = attempt->policy == ROUTE_TLS_VERIFY && !attempt->trusted.data,
		.trace = attempt->session->trace,
		.below = &conn_transport,
		.descriptor = descriptor,
	};
	struct tls_failure failure;
	char who[NAME_SIZE + 32];
	char what[200];
	attempt->tls = attempt->module->open(&settings, &failure);
	if (attempt->tls)
		return true;
	if (failure.trouble == TLS_TRUSTED)
		snprintf(who, sizeof who, "control/tlshosts/%s.pem", name);
	else if (failure.trouble == TLS_CERTIFICATE)
		snprintf(who, sizeof who, "control/%s", attempt->clientcert);
	else
		snprintf(who, sizeof who, failure.trouble == TLS_PRIORITY ? "control/tlsclientciphers" : "GnuTLS");
	snprintf(what, sizeof what, "cannot be used: %s.", failure.text);
	return fail_locally(attempt, who, what);
}

/* From here on the session uses TLS. */
static void enter_tls(struct attempt *attempt)
{
	struct session *session = attempt->session;
	session->offers = (struct capabilities){0};
	session->module = attempt->module;
	session->tls = attempt->tls;
	attempt->tls = NULL;
	stream_switch(&session->stream, attempt->module->transport, session->tls);
	snprintf(session->secured, sizeof session->secured, "%s %s%s", attempt->module->version(session->tls),
		 attempt->module->suite(session->tls),
		 attempt->policy == ROUTE_TLS_VERIFY           ? ", verified"
		 : tlsa_any_usable(demand_of(attempt).records) ? ", verified by DANE"
							       : "");
}

/* A handshake gets the time of one reply, but no more than this: there must be time for a try in the clear. */
static int64_t handshake_deadline(struct stream *stream)
{
	enum { HANDSHAKE_MAX = 120000 }; /* milliseconds */
	stream_restart_clock(stream);
	int64_t latest = stream->deadline - stream->timeout + HANDSHAKE_MAX;
	return latest < stream->deadline ? latest : stream->deadline;
}

static bool fail_as(struct attempt *attempt, const struct tls_failure *failure)
{
	char why[200];
	bool refused = attempt->list.data && failure->trouble == TLS_REFUSED;
	if (failure->trouble == TLS_UNTRUSTED) {
		snprintf(why, sizeof why, "its certificate %s", failure->text);
		attempt->session->broken = true;
		return distrust(attempt, why, NULL);
	}
	/* If an unlisted suite was negotiated before, the list is the cause, whatever the server says. */
	return fail_handshake(attempt,
			      refused || attempt->starttls->offer == OFFER_LISTED ? nothing_allowed : failure->text);
}

/* Does the handshake, and checks the result. */
static bool shake_hands(struct attempt *attempt)
{
	struct session *session = attempt->session;
	struct tls_failure failure;
	/* Data after the reply was not protected, whoever sent it (RFC 3207 section 6, CVE-2011-0411). */
	if (stream_has_input(&session->stream))
		return fail_handshake(attempt, "the server sent unencrypted data after its reply to STARTTLS");
	if (!attempt->module->handshake(attempt->tls, handshake_deadline(&session->stream), &failure))
		return fail_as(attempt, &failure);
	bool listed = ciphers_allow(&attempt->ciphers, span_of(attempt->module->suite(attempt->tls)));
	enter_tls(attempt);
	if (listed)
		return true;
	/* Not good enough: QUIT follows (RFC 3207 section 4.1). */
	plan_another(attempt, nothing_allowed, true);
	trace_note(session->trace, '*', "agreed on %s, which is not in control/tlsclientciphers",
		   attempt->module->suite(session->tls));
	return distrust(attempt, nothing_allowed, NULL);
}

/* EHLO again: everything learned in the clear is forgotten (RFC 3207 section 4.2). */
static bool greet_again(struct attempt *attempt)
{
	struct session *session = attempt->session;
	trace_note(session->trace, '*', "the session continues within TLS: %s", session->secured);
	/* With TLS 1.3 a server may reject the handshake after the client has completed it (RFC 8446 section 4.4.4):
	 * the alert then comes instead of the reply or with it. */
	bool greeted = session_hello(session);
	stream_has_input(&session->stream);
	if (session->stream.error == STREAM_END || session->stream.error == STREAM_BROKEN) {
		report_free(&session->outcome.report);
		return fail_handshake(attempt, "the server hung up");
	}
	return greeted;
}

static bool secure(struct attempt *attempt, int descriptor)
{
	static const struct stage starttls = {"STARTTLS", "refused STARTTLS.", "4.7.0", true}; /* RFC 3207 section 4 */
	struct session *session = attempt->session;
	if (!prepare(attempt) || !open_tls(attempt, descriptor) || !session_ask(session, &starttls, "STARTTLS", ""))
		return false;
	int class = reply_class(&session->reply);
	if (class == 2)
		return shake_hands(attempt) && greet_again(attempt);
	if (class == 3 || session_is_closing(session))
		return session_fail_reply(session, &starttls);
	return !demands_tls(attempt) || distrust_clear(attempt, "it refused STARTTLS", &session->reply);
}

/* In the clear; the report must say that TLS was tried. */
static void note_clear(const struct starttls *starttls, struct session *session)
{
	if (*starttls->failed)
		snprintf(session->secured, sizeof session->secured, "in the clear, since TLS failed: %s",
			 starttls->failed);
}

bool starttls_run(struct starttls *starttls, struct session *session, int descriptor)
{
	struct attempt attempt = {.starttls = starttls, .session = session};
	bool ready = read_policy(&attempt);
	bool usable = session->offers.starttls && starttls->offer != OFFER_NONE;
	if (ready && attempt.policy == ROUTE_TLS_VERIFY && !*session->name)
		ready = distrust(&attempt, "it has no name that a certificate could prove, only an address", NULL);
	else if (ready && usable && attempt.policy != ROUTE_TLS_OFF)
		ready = secure(&attempt, descriptor);
	else if (ready && demands_tls(&attempt))
		ready = distrust_clear(&attempt, "it does not offer STARTTLS", NULL);
	if (ready && !session->tls)
		note_clear(starttls, session);
	if (attempt.tls)
		attempt.module->close(attempt.tls, false);
	buf_free(&attempt.trusted);
	buf_free(&attempt.certificate);
	buf_free(&attempt.list);
	buf_free(&attempt.priority);
	return ready;
}
