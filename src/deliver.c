/* SPDX-License-Identifier: ISC */
/*
 * deliver - walks the exchangers until one gives a final outcome
 *
 * main.c calls it once everything local is in order.  RFC 5321 section 5.1: every address of every exchanger is tried.
 * Whether another one follows is part of each session's outcome (session.h).
 */
#include "deliver.h"

#include "base/conn.h"
#include "race.h"
#include "smtp/auth.h"
#include "smtp/session.h"
#include "smtp/starttls.h"
#include "smtp/transaction.h"

#include <stdio.h>
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

static struct race race_for(const struct delivery *delivery, const char *how)
{
	return (struct race){.config = delivery->config,
			     .trace = delivery->trace,
			     .timeouts = delivery->timeouts,
			     .route = &delivery->destination->way.route,
			     .how = how};
}

/* Connects to the same address again. */
static int connect_again(const struct delivery *delivery, const struct candidate *candidate,
			 const struct starttls *starttls, struct report *failure)
{
	struct race race = race_for(delivery, starttls->offer == OFFER_NONE ? " again, without TLS"
									    : " again, with fewer cipher suites");
	race.latest = INT64_MAX;
	race.left = 1;
	race.candidates[0] = candidate;
	int descriptor = race_run(&race, &candidate);
	report_move(failure, &race.report);
	return descriptor;
}

static void converse(const struct delivery *delivery, const struct candidate *candidate, struct session *session,
		     struct starttls *starttls, int descriptor)
{
	session->config = delivery->config;
	session->route = &delivery->destination->way.route;
	session->trace = delivery->trace;
	address_print(&candidate->address, session->address);
	race_where(session->address, session->route->port, session->where);
	session->name = candidate->name;
	session->dane = candidate->dane;
	session->whose = &delivery->destination->exchangers;
	session->host = *session->name ? session->name : session->address;
	stream_open(&session->stream, &conn_transport, &descriptor, delivery->config->timeout_remote);
	if (session_open(session) && starttls_run(starttls, session, descriptor) && auth_run(session))
		transaction_run(session, delivery->envelope, delivery->message);
	session_close(session);
}

/* One session over a connection, which it closes. */
static struct outcome have_session(const struct delivery *delivery, const struct candidate *candidate,
				   struct starttls *starttls, int descriptor)
{
	struct outcome outcome = {.next = NEXT_SERVER};
	struct session *session = mem_array(1, sizeof *session);
	if (session) {
		converse(delivery, candidate, session, starttls, descriptor);
		outcome = session->outcome;
		mem_free(session);
	} else {
		report_write(&outcome.report, 'Z', "4.3.0", "Qremote", "is out of memory.");
	}
	close(descriptor);
	return outcome;
}

/* All that follows from a connection to a candidate. */
static void try_candidate(struct walk *walk, const struct candidate *candidate, int descriptor)
{
	struct starttls starttls = {.offer = OFFER_ALL};
	struct outcome outcome = have_session(walk->delivery, candidate, &starttls, descriptor);
	while (outcome.next == NEXT_CONNECTION) {
		outcome.next = NEXT_SERVER;
		descriptor = connect_again(walk->delivery, candidate, &starttls, &outcome.report);
		if (descriptor >= 0)
			outcome = have_session(walk->delivery, candidate, &starttls, descriptor);
	}
	walk->settled = outcome.next == NEXT_NOTHING;
	walk->lacking_smtputf8 = walk->lacking_smtputf8 || outcome.next == NEXT_WITH_SMTPUTF8;
	keep_report(walk, &outcome.report);
}

/* Tries the addresses of one exchanger; returns how many there was no time for. */
static size_t try_exchanger(struct walk *walk, const struct candidate *candidates, size_t count)
{
	struct race race = race_for(walk->delivery, "");
	const struct candidate *winner;
	int descriptor;
	race.latest = walk->delivery->begun + BEGIN_WITHIN;
	for (; race.left < count; race.left++)
		race.candidates[race.left] = &candidates[race.left];
	do {
		descriptor = race_run(&race, &winner);
		if (race.report.letter)
			keep_report(walk, &race.report);
		if (descriptor >= 0)
			try_candidate(walk, winner, descriptor);
	} while (descriptor >= 0 && !walk->settled);
	return walk->settled ? 0 : race.left;
}

/* How many of the candidates are addresses of the first one's exchanger. */
static size_t count_of_exchanger(const struct candidate *candidates, size_t count)
{
	size_t same = 1;
	while (same < count && candidates[same].name == candidates[0].name)
		same++;
	return same;
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
	for (size_t i = 0, same; i < count && !walk->settled; i += same) {
		same = count_of_exchanger(&candidates[i], count - i);
		size_t untried = try_exchanger(walk, &candidates[i], same);
		if (untried > 0)
			report_untried(walk, untried + count - i - same);
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
