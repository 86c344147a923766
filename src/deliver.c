/* SPDX-License-Identifier: ISC */
/*
 * deliver - walks the candidates until one gives a final outcome
 *
 * main.c calls it once everything local is in order.  RFC 5321 section 5.1: every address of every exchanger is tried.
 * Whether another one follows is part of each session's outcome (session.h).
 */
#include "deliver.h"

#include "base/conn.h"
#include "smtp/session.h"
#include "smtp/starttls.h"
#include "smtp/transaction.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* No candidate is begun later, in milliseconds (MX-2): else a domain of many that say nothing would hold a slot for
 * days. */
enum { BEGIN_WITHIN = 600 * 1000 };

/* One walk over all candidates. */
struct walk {
	const struct delivery *delivery;
	struct report *result; /* the last failure of the worst kind, or how it ended */
	bool settled;
	bool lacking_smtputf8; /* a server did not offer it, and nothing else was wrong with it */
};

/* RES-8: a temporary failure anywhere means that trying again makes sense. */
static void keep_report(struct walk *walk, struct report *report)
{
	if (walk->settled || report->letter == 'Z' || walk->result->letter != 'Z')
		report_move(walk->result, report);
	else
		report_free(report);
}

static void name_server(struct session *session, const struct candidate *candidate, uint16_t port)
{
	address_print(&candidate->address, session->address);
	snprintf(session->where, sizeof session->where, port == SMTP_PORT ? "[%s]" : "[%s]:%u", session->address, port);
	session->name = candidate->name;
	session->host = *session->name ? session->name : session->address;
}

/* Troubles that say nothing about the server. */
static bool is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void report_unconnected(struct session *session, const char *code, const char *why)
{
	char what[NAME_SIZE + 256];
	snprintf(what, sizeof what, "I wasn't able to establish an SMTP connection to %s%s: %s.", session->name,
		 session->where, why);
	report_write(&session->outcome.report, 'Z', code, "Sorry,", what);
}

/* The address that connections to the candidate come from; NULL: the kernel chooses. */
static const struct address *source_for(const struct delivery *delivery, const struct candidate *candidate)
{
	const struct sources *sources = &delivery->destination->way.route.sources;
	const struct address *source = candidate->address.family == AF_INET ? &sources->ipv4 : &sources->ipv6;
	return source->family ? source : NULL;
}

/* No server can be reached from an address that this machine does not have. */
static void report_foreign_source(struct session *session, const struct address *source)
{
	char why[ADDRESS_TEXT_SIZE + 80];
	char address[ADDRESS_TEXT_SIZE];
	address_print(source, address);
	snprintf(why, sizeof why, "%s names %s, which is no address of this machine",
		 source->family == AF_INET ? "outgoingip" : "outgoingip6", address);
	trace_note(session->trace, '*', "not connected: %s", why);
	report_unconnected(session, "4.3.0", why);
}

/* Connects, unless the host timed out before; -1 with a report. */
static int open_connection(const struct delivery *delivery, const struct candidate *candidate, struct session *session,
			   const struct starttls *starttls)
{
	const struct config *config = delivery->config;
	if (timeouts_defer(delivery->timeouts, &candidate->address)) {
		trace_note(delivery->trace, '*', "not tried: %s%s timed out before, says queue/lock/tcpto",
			   session->name, session->where);
		report_unconnected(session, "4.4.1", "it timed out before, and is not tried now");
		return -1;
	}
	trace_note(delivery->trace, '*', "connecting to %s%s%s", session->name, session->where,
		   starttls->offer == OFFER_NONE     ? " again, without TLS"
		   : starttls->offer == OFFER_LISTED ? " again, with fewer cipher suites"
						     : "");
	const struct address *source = source_for(delivery, candidate);
	int descriptor =
		conn_open(&candidate->address, delivery->destination->way.route.port, source, config->timeout_connect);
	int error = descriptor < 0 ? errno : 0;
	if (source && error == EADDRNOTAVAIL) {
		report_foreign_source(session, source);
		return -1;
	}
	if (!is_local(error))
		timeouts_note(delivery->timeouts, config->home, &candidate->address, error == ETIMEDOUT);
	if (descriptor < 0) {
		trace_note(delivery->trace, '*', "not connected: %s", strerror(error));
		report_unconnected(session, is_local(error) ? "4.3.0" : "4.4.1", strerror(error));
	}
	return descriptor;
}

/* Connects, and has the session. */
static void connect_to(const struct delivery *delivery, const struct candidate *candidate, struct session *session,
		       struct starttls *starttls)
{
	session->config = delivery->config;
	session->route = &delivery->destination->way.route;
	session->trace = delivery->trace;
	name_server(session, candidate, delivery->destination->way.route.port);
	int descriptor = open_connection(delivery, candidate, session, starttls);
	if (descriptor < 0)
		return;
	stream_open(&session->stream, &conn_transport, &descriptor, delivery->config->timeout_remote);
	if (session_open(session) && starttls_run(starttls, session, descriptor))
		transaction_run(session, delivery->envelope, delivery->message);
	session_close(session);
	close(descriptor);
}

/* One connection to a server. */
static struct outcome try_connection(const struct delivery *delivery, const struct candidate *candidate,
				     struct starttls *starttls)
{
	struct outcome outcome = {.next = NEXT_SERVER};
	struct session *session = mem_array(1, sizeof *session);
	if (session) {
		connect_to(delivery, candidate, session, starttls);
		outcome = session->outcome;
		mem_free(session);
	} else {
		report_write(&outcome.report, 'Z', "4.3.0", "Qremote", "is out of memory.");
	}
	return outcome;
}

static void try_candidate(struct walk *walk, const struct candidate *candidate)
{
	struct starttls starttls = {.offer = OFFER_ALL};
	struct outcome outcome = try_connection(walk->delivery, candidate, &starttls);
	while (outcome.next == NEXT_CONNECTION) {
		report_free(&outcome.report);
		outcome = try_connection(walk->delivery, candidate, &starttls);
	}
	walk->settled = outcome.next == NEXT_NOTHING;
	walk->lacking_smtputf8 = walk->lacking_smtputf8 || outcome.next == NEXT_WITH_SMTPUTF8;
	keep_report(walk, &outcome.report);
}

/* Time is up: whatever the others said, these might have taken the message. */
static void report_untried(struct walk *walk, size_t count)
{
	struct report *result = walk->result;
	if (result->letter != 'Z')
		report_write(result, 'Z', "4.4.1", "Sorry,", "I wasn't able to establish an SMTP connection in time.");
	buf_format(&result->text, "%zu more %s not tried, since %d seconds had passed.\n", count,
		   count == 1 ? "was" : "were", BEGIN_WITHIN / 1000);
	walk->settled = true;
}

/* Tells in which order they are tried. */
static void tell_candidates(const struct walk *walk, const struct candidate *candidates, size_t count)
{
	struct trace *trace = walk->delivery->trace;
	char address[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < count && trace_is_on(trace); i++) {
		address_print(&candidates[i].address, address);
		trace_note(trace, '*', "candidate %zu: %s[%s]", i + 1, candidates[i].name, address);
	}
	if (count == CANDIDATES_MAX)
		trace_note(trace, '*', "not tried: any more than these %d", CANDIDATES_MAX);
}

static void try_all(struct walk *walk)
{
	struct candidate candidates[CANDIDATES_MAX];
	const struct destination *destination = walk->delivery->destination;
	const struct exchangers *exchangers = &destination->exchangers;
	size_t count = exchangers_candidates(exchangers, destination->way.route.families, candidates);
	const char *unknown = exchangers_unknown(exchangers);
	char what[NAME_SIZE + 100];
	if (unknown) {
		snprintf(what, sizeof what,
			 "I couldn't find any host by that name: %s cannot be looked up in the DNS now.", unknown);
		report_write(walk->result, 'Z', "4.4.3", "Sorry,", what);
	}
	tell_candidates(walk, candidates, count);
	for (size_t i = 0; i < count && !walk->settled; i++) {
		if (conn_now() - walk->delivery->begun > BEGIN_WITHIN) {
			report_untried(walk, count - i);
			return;
		}
		try_candidate(walk, &candidates[i]);
	}
}

/*
 * No server offered SMTPUTF8: the recipients that need it are refused, and the others get their mail without them.
 * Returns whether there are any others.
 */
static bool refuse_utf8_recipients(struct walk *walk)
{
	struct envelope *envelope = walk->delivery->envelope;
	bool for_now = walk->result->letter == 'Z';
	if (envelope->sender_utf8)
		return false;
	for (size_t i = 0; i < envelope->count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		if (recipient->utf8 && !recipient->report.letter)
			report_write(&recipient->report, for_now ? 's' : 'h', "5.6.7", recipient->argument,
				     for_now ? "needs SMTPUTF8, which no server that could be asked offers."
					     : "needs SMTPUTF8, which no server offers.");
	}
	return envelope_open_count(envelope) > 0;
}

void deliver(const struct delivery *delivery, struct report *result)
{
	struct walk walk = {.delivery = delivery, .result = result};
	try_all(&walk);
	if (!walk.settled && walk.lacking_smtputf8 && refuse_utf8_recipients(&walk)) {
		report_free(result);
		try_all(&walk);
	}
}
