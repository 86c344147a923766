/* SPDX-License-Identifier: ISC */
/*
 * session - greeting, EHLO or HELO, QUIT, and how a reply is read
 *
 * deliver.c opens one for each server that it tries, transaction.c goes on from there.  RFC 5321 sections 3.1, 3.2, 3.8
 * and 4.2.
 */
#include "smtp/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A refusal that begins with "but" follows "Connected to HOST". */
static const struct stage greeting = {"greeting", "but greeting failed.", "4.3.2", true}; /* RFC 5321 section 3.1 */
static const struct stage ehlo = {"EHLO", "but my name was rejected.", "4.3.2", true};    /* section 4.1.1.1 */
static const struct stage helo = {"HELO", "but my name was rejected.", "4.3.2", true};

bool session_has_failed(const struct session *session)
{
	return session->outcome.report.letter && session->outcome.report.letter != 'K';
}

bool session_end_has_left(const struct session *session)
{
	return session->end_put && stream_pending(&session->stream) == 0;
}

/* Writes a report about the server. */
static void write_report(const struct session *session, struct report *report, char letter, const char *code,
			 const char *what)
{
	char who[NAME_SIZE + sizeof session->where + 16];
	char text[300];
	bool connected = strncmp(what, "but ", 4) == 0;
	bool named = *session->name;
	/* Parsers of bounces take one word for the server, and the one after "Connected to" for its name. */
	snprintf(who, sizeof who, "%s%s%s", connected ? "Connected to " : "", session->name,
		 connected && named ? "" : session->where);
	snprintf(text, sizeof text, connected && named ? "%s %s" : "%s", what, session->where);
	report_write(report, letter, code, who, text);
	trace_note(session->trace, '*', "%s %s", who, text);
}

void session_fail(struct session *session, char letter, const char *code, const char *what, const struct reply *reply)
{
	struct report *report = &session->outcome.report;
	if (session_has_failed(session))
		return;
	write_report(session, report, letter, code, what);
	if (reply && reply->length > 0) {
		report_add_reply(report, reply);
		report_give_up(report, session->host);
	}
}

void session_break(struct session *session, char letter, const char *code, const char *what, const struct reply *reply)
{
	session->broken = true;
	session_fail(session, letter, code, what, reply);
}

/* A failure after which server and client no longer agree on what comes next; `how` is about the reply to `stage`. */
static void break_at(struct session *session, const struct stage *stage, const char *code, const char *how,
		     const char *end)
{
	char text[200];
	snprintf(text, sizeof text, "%s %s%s%s.%s", how, stage == &greeting ? "" : "reply to ", stage->name, end,
		 session_end_has_left(session) ? " Possible duplicate!" : "");
	session_break(session, 'Z', code, text, &session->reply);
}

bool session_put(struct session *session, const char *format, ...)
{
	struct stream *stream = &session->stream;
	size_t room;
	char *line = stream_space(stream, &room);
	va_list arguments;
	va_start(arguments, format);
	size_t length = (size_t)vsnprintf(line, room, format, arguments);
	va_end(arguments);
	if (length + 2 > room)
		return false;
	stream_commit(stream, length);
	stream_put(stream, "\r\n", 2);
	trace_text(session->trace, 'C', (struct span){line, length});
	return true;
}

bool session_is_closing(const struct session *session)
{
	return session->reply.code == 421;
}

/* The code that the server gave, or that of a session that it ends, or the one for what happened. */
static void refusal_code(const struct session *session, const char *usual, char code[REPLY_ENHANCED_SIZE])
{
	if (!reply_enhanced(&session->reply, code))
		snprintf(code, REPLY_ENHANCED_SIZE, "%s", session_is_closing(session) ? "4.3.2" : usual);
}

void session_fail_ended(struct session *session, const struct reply *reply)
{
	char code[REPLY_ENHANCED_SIZE];
	refusal_code(session, "4.4.2", code);
	session_break(session, 'Z', code, "but connection died. It ended the session.", reply);
}

bool session_look_for_input(struct session *session)
{
	struct stream *stream = &session->stream;
	struct span input;
	if (!stream_has_input(stream))
		return false;
	input.data = stream_input(stream, &input.length);
	size_t empty = session->reply.skipped ? 0 : reply_empty_line(input);
	if (empty == input.length && input.data[empty - 1] == '\r')
		return false; /* the rest of it is on the way */
	stream_consume(stream, empty);
	session->reply.skipped = session->reply.skipped || empty > 0;
	return stream_has_input(stream);
}

/* How many octets of a secret a text begins with; fewer than `least` count as none. */
static size_t length_shared(struct span secret, size_t least, struct span text)
{
	size_t same = 0;
	while (same < secret.length && same < text.length && text.data[same] == secret.data[same])
		same++;
	return same < least ? 0 : same;
}

/* Covers what a text holds of a password and a response: of this also the beginning.  One may hold a part of the other,
 * so an octet is covered only after what begins there was looked for. */
static void hide(struct span password, struct span response, char *text, size_t length)
{
	enum { BEGINNING = 8 }; /* less says nothing, and a word of text may be a password's */
	size_t least = response.length < BEGINNING ? response.length : BEGINNING;
	size_t covered = 0; /* octets that are, or will be */
	for (size_t at = 0; at < length; at++) {
		struct span rest = {text + at, length - at};
		size_t whole = length_shared(password, password.length, rest);
		size_t part = length_shared(response, least, rest);
		size_t end = at + (whole > part ? whole : part);
		covered = end > covered ? end : covered;
		if (at < covered)
			text[at] = '*';
	}
}

/* What a server repeats of a secret is shown neither in a report nor in the trace; nor are challenges (RFC 4954). */
static void tell_reply(struct session *session)
{
	struct reply *reply = &session->reply;
	struct span password = session->route->password;
	if (password.length > 0)
		hide(password, span_of(session->response), reply->text, reply->length);
	trace_text(session->trace, 'S',
		   reply->code == 334 ? span_of("334 ...") : (struct span){reply->text, reply->length});
}

bool session_demand_silence(struct session *session, const struct stage *next)
{
	char text[64];
	struct span input;
	size_t used;
	if (!session_look_for_input(session))
		return true;
	input.data = stream_input(&session->stream, &input.length);
	reply_begin(&session->reply);
	reply_feed(&session->reply, input, &used);
	tell_reply(session);
	if (session_is_closing(session)) {
		session_fail_ended(session, &session->reply);
		return false;
	}
	snprintf(text, sizeof text, "sent unexpected data before %s.", next->name);
	session_break(session, 'Z', "4.5.0", text, &session->reply);
	return false;
}

static void break_unread(struct session *session, const struct stage *stage)
{
	bool late = session->stream.error == STREAM_TIMEOUT;
	bool stalled = late && stream_pending(&session->stream) > 0;
	/* Half a refusal tells why; half of another reply tells nothing. */
	if (reply_class(&session->reply) < 4)
		reply_begin(&session->reply);
	break_at(session, stage, "4.4.2",
		 stalled ? "but connection died. It stopped reading, and sent no"
		 : late  ? "but connection died. It sent no"
			 : "but connection died. It hung up without a",
		 late ? " in time" : "");
}

bool session_read_reply(struct session *session, const struct stage *stage)
{
	struct stream *stream = &session->stream;
	enum reply_state state;
	bool last_look = false;
	reply_begin(&session->reply);
	for (;;) {
		struct span input;
		size_t used;
		input.data = stream_input(stream, &input.length);
		state = reply_feed(&session->reply, input, &used);
		stream_consume(stream, used);
		if (state != REPLY_INCOMPLETE)
			break;
		if (stream_advance(stream))
			continue;
		/* A server that refuses in the middle of a flight and hangs up may have said why. */
		if (last_look && used == 0) {
			tell_reply(session);
			break_unread(session, stage);
			return false;
		}
		stream_salvage(stream);
		last_look = true;
	}
	tell_reply(session);
	if (state == REPLY_MALFORMED) {
		break_at(session, stage, "4.5.0", "sent no valid SMTP", "");
		return false;
	}
	stream_restart_clock(stream);
	return true;
}

bool session_ask(struct session *session, const struct stage *stage, const char *verb, const char *argument)
{
	if (!session_demand_silence(session, stage))
		return false;
	session_put(session, "%s%s", verb, argument);
	return session_read_reply(session, stage);
}

/* Writes a report about a refusal of `stage`. */
static void report_refused(const struct session *session, struct report *report, const struct stage *stage, char letter)
{
	char code[REPLY_ENHANCED_SIZE];
	char what[120];
	refusal_code(session, stage->code, code);
	snprintf(what, sizeof what, "%s%s", stage->refusal,
		 session_is_closing(session) ? " It ended the session." : "");
	write_report(session, report, letter, code, what);
	report_add_reply(report, &session->reply);
}

bool session_fail_reply(struct session *session, const struct stage *stage)
{
	int class = reply_class(&session->reply);
	if (class < 4) {
		break_at(session, stage, "4.5.0", "sent an unexpected", "");
		return false;
	}
	session->broken = session->broken || session_is_closing(session);
	if (!session_has_failed(session)) {
		report_refused(session, &session->outcome.report, stage, class == 5 && !stage->temporary ? 'D' : 'Z');
		report_give_up(&session->outcome.report, session->host);
	}
	return false;
}

void session_report_recipient(const struct session *session, const struct stage *stage, struct report *report)
{
	int class = reply_class(&session->reply);
	/* RFC 5321 section 4.5.3.1.10: 552 is how some servers say that there are too many recipients. */
	if (class == 2)
		report->letter = 'r';
	else
		report_refused(session, report, stage, class == 5 && session->reply.code != 552 ? 'h' : 's');
}

/* Whether the answer is 2xx. */
static bool say_hello(struct session *session, const struct stage *stage, const char *verb)
{
	return session_ask(session, stage, verb, session->config->helohost) && reply_class(&session->reply) == 2;
}

static bool say_ehlo(struct session *session)
{
	if (!say_hello(session, &ehlo, "EHLO "))
		return false;
	session->offers = ehlo_parse(&session->reply);
	ehlo_ignore(&session->offers, &session->route->ignored);
	return true;
}

bool session_hello(struct session *session)
{
	return say_ehlo(session) || session_fail_reply(session, &ehlo);
}

bool session_open(struct session *session)
{
	if (!session_read_reply(session, &greeting) || reply_class(&session->reply) != 2)
		return session_fail_reply(session, &greeting);
	if (say_ehlo(session))
		return true;
	if (session_has_failed(session) || reply_class(&session->reply) != 5)
		return session_fail_reply(session, &ehlo);
	/* RFC 5321 section 3.2: an older server.  If HELO fails too, what it said to EHLO tells why. */
	if (!reply_is_unknown_command(&session->reply))
		session_fail_reply(session, &ehlo);
	if (!say_hello(session, &helo, "HELO "))
		return session_fail_reply(session, &helo);
	report_free(&session->outcome.report);
	return true;
}

/* What has not left must not leave any more: QUIT, or the polite end of TLS, would write it. */
static bool may_write(const struct session *session)
{
	return !session->stream.error && stream_pending(&session->stream) == 0;
}

void session_close(struct session *session)
{
	if (may_write(session) && !session->broken) {
		session_put(session, "QUIT");
		stream_try_write(&session->stream);
	}
	if (session->tls)
		session->module->close(session->tls, may_write(session));
}
