/* SPDX-License-Identifier: ISC */
/*
 * auth - AUTH, for a route with a user and a password
 *
 * deliver.c runs it before the transaction.  RFC 4954, RFC 4422.
 *
 * routefile.c demands TLS for such a route, unless it says `tls=off`, and starttls.c sees to that.  Nothing that holds
 * the password, in whatever form, is traced; and session.c hides it from what a server says.
 */
#include "smtp/auth.h"

#include "base/module.h"
#include "smtp/sasl.h"

#include <stdio.h>
#include <string.h>

enum {
	COMMAND_MAX = 512, /* octets of a command line, its CR LF included (RFC 5321 section 4.5.3.1.4) */
	ROUNDS_MAX = 10    /* no mechanism has more than three */
};

/* One exchange. */
struct exchange {
	struct session *session;
	struct stage stage;
	const char *mechanism;
	const struct sasl_module *module;
	struct sasl *sasl;
	enum sasl_state state;
	const char *text;  /* the response to send, or why there is none */
	bool has_response; /* that is still to be sent */
	char refusal[64];
};

/* This server does not get the mail; the next one may. */
static bool fail(struct session *session, const char *code, const char *what)
{
	session_fail(session, 'Z', code, what, NULL);
	return false;
}

/* A local problem: no server gets the mail until it is fixed. */
static bool fail_locally(struct session *session, const char *why)
{
	report_write(&session->outcome.report, 'Z', "4.3.0", "Qremote", why);
	session->outcome.next = NEXT_NOTHING;
	return false;
}

/* The first mechanism, in our order, that the server offers. */
static bool choose_mechanism(struct exchange *exchange)
{
	struct session *session = exchange->session;
	for (int i = 0; i < EHLO_MECHANISMS && !exchange->mechanism; i++)
		if (session->offers.mechanisms[i])
			exchange->mechanism = ehlo_mechanisms[i];
	if (!session->offers.auth)
		return fail(session, "4.7.4", "does not offer AUTH, for which the route has a password.");
	return exchange->mechanism || fail(session, "4.7.4",
					   "offers no mechanism for AUTH that can be used: only SCRAM-SHA-256, "
					   "SCRAM-SHA-1, PLAIN and LOGIN can.");
}

static bool open_exchange(struct exchange *exchange)
{
	struct session *session = exchange->session;
	const struct route *route = session->route;
	const char *reason;
	char why[300];
	exchange->module = module_load("qremote-sasl.so", "SASL", why, sizeof why);
	if (!exchange->module)
		return fail_locally(session, why);
	exchange->sasl = exchange->module->open(exchange->mechanism, route->user, route->password, &reason);
	if (exchange->sasl)
		return true;
	snprintf(why, sizeof why, "cannot use %s for AUTH: %s.", exchange->mechanism, reason);
	return fail_locally(session, why);
}

/* Puts a line that ends with the response, which the trace does not show. */
static void put_response(struct exchange *exchange, const char *before)
{
	struct session *session = exchange->session;
	struct span response = span_of(exchange->text);
	/* The empty one that ends SCRAM holds no secret. */
	if (response.length > 0)
		snprintf(session->response, sizeof session->response, "%s", response.data);
	stream_put(&session->stream, before, strlen(before));
	stream_put(&session->stream, response.data, response.length);
	stream_put(&session->stream, "\r\n", 2);
	trace_note(session->trace, 'C', "%s%s", before, response.length > 0 ? "..." : "");
	exchange->has_response = false;
}

/* The client begins, except in LOGIN; but a long response waits for the server's leave (RFC 4954 section 4). */
static void put_auth(struct exchange *exchange)
{
	char command[64];
	snprintf(command, sizeof command, "AUTH %s ", exchange->mechanism);
	if (exchange->has_response && strlen(command) + strlen(exchange->text) + 2 <= COMMAND_MAX)
		put_response(exchange, command);
	else
		session_put(exchange->session, "AUTH %s", exchange->mechanism);
}

/* What follows 334; no data if that reply has more than one line. */
static struct span challenge_of(const struct reply *reply)
{
	if (reply->lines != 1)
		return (struct span){NULL, 0};
	struct span line = span_trim((struct span){reply->text, reply->length});
	return (struct span){reply->text + 4, line.length > 4 ? line.length - 4 : 0};
}

/* Answers a 334: with a response, or with the end of the exchange. */
static bool answer(struct exchange *exchange)
{
	struct session *session = exchange->session;
	struct span challenge = challenge_of(&session->reply);
	if (!exchange->has_response) {
		bool more = exchange->state == SASL_MORE && challenge.data;
		exchange->text = "it sent a challenge where none belongs";
		exchange->state =
			more ? exchange->module->step(exchange->sasl, challenge, &exchange->text) : SASL_FAILED;
	}
	if (exchange->state == SASL_MORE || exchange->state == SASL_DONE) {
		put_response(exchange, "");
		return true;
	}
	session_put(session, "*");
	return false;
}

/* The last reply ends the exchange. */
static bool conclude(struct exchange *exchange)
{
	struct session *session = exchange->session;
	int class = reply_class(&session->reply);
	char what[160];
	if (exchange->state == SASL_UNTRUE)
		return fail(session, "4.7.5", "cannot be trusted: it did not prove that it knows the password.");
	if ((exchange->state == SASL_MORE || exchange->has_response) && class == 2)
		return fail(session, "4.7.5", "cannot be trusted: it accepted AUTH before that was finished.");
	if (exchange->state == SASL_FAILED) {
		snprintf(what, sizeof what, "failed at AUTH %s: %s.", exchange->mechanism, exchange->text);
		return fail(session, "4.7.0", what);
	}
	exchange->stage.code = class == 5 ? "4.7.8" : "4.7.0";
	return class == 2 || session_fail_reply(session, &exchange->stage);
}

static bool converse(struct exchange *exchange)
{
	struct session *session = exchange->session;
	bool going = true;
	for (int round = 0; round < ROUNDS_MAX && going; round++) {
		if (round > 0)
			going = answer(exchange);
		else
			put_auth(exchange);
		if (!session_read_reply(session, &exchange->stage))
			return false;
		going = going && session->reply.code == 334;
		if (going && !session_demand_silence(session, &exchange->stage))
			return false;
	}
	return conclude(exchange);
}

static bool authenticate(struct session *session)
{
	struct exchange exchange = {.session = session, .stage = {.name = "AUTH", .temporary = true}};
	bool done = false;
	if (!choose_mechanism(&exchange) || !open_exchange(&exchange))
		return false;
	snprintf(exchange.refusal, sizeof exchange.refusal, "refused AUTH %s.", exchange.mechanism);
	exchange.stage.refusal = exchange.refusal;
	if (strcmp(exchange.mechanism, "LOGIN") != 0) {
		exchange.state = exchange.module->step(exchange.sasl, (struct span){NULL, 0}, &exchange.text);
		exchange.has_response = exchange.state != SASL_FAILED;
	}
	if (exchange.state == SASL_FAILED)
		conclude(&exchange);
	else if (session_demand_silence(session, &exchange.stage))
		done = converse(&exchange);
	exchange.module->close(exchange.sasl);
	return done;
}

bool auth_run(struct session *session)
{
	return session->route->user.length == 0 || authenticate(session);
}
