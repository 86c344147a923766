/*
 * session - greeting, EHLO or HELO, QUIT, and how a reply is read
 *
 * deliver.c opens one for each server that it tries, transaction.c goes on from there.  RFC 5321 sections 3.1, 3.2, 3.8
 * and 4.2.
 */
#include "session.h"

#include <stdio.h>

/* What differs between the things that a server answers. */
static const struct {
	const char *name;    /* as in "took too long to answer NAME" */
	const char *refusal; /* a sentence without its subject */
	const char *detail;  /* subject and detail of the code (RFC 3463) where the server gives none */
	bool temporary;      /* a refusal is temporary, whatever its class */
} stages[] = {
	[STAGE_GREETING] = {"the new connection", "does not take mail now.", "3.2", true}, /* RFC 5321 section 3.1 */
	[STAGE_EHLO] = {"EHLO", "refused EHLO.", "3.2", true},                             /* section 4.1.1.1 */
	[STAGE_HELO] = {"HELO", "refused HELO.", "3.2", true},                             /* section 4.1.1.1 */
	[STAGE_STARTTLS] = {"STARTTLS", "refused STARTTLS.", "7.0", true},                 /* RFC 3207 section 4 */
	[STAGE_MAIL] = {"MAIL", "refused MAIL.", "1.0", false},                            /* section 4.1.1.2 */
	[STAGE_RCPT] = {"RCPT", "does not like recipient.", "1.0", false},                 /* section 4.1.1.3 */
	[STAGE_DATA] = {"DATA", "refused DATA.", "3.0", false},                            /* section 4.1.1.4 */
	[STAGE_BDAT] = {"BDAT", "offers CHUNKING, but refused BDAT.", "5.1", true},        /* RFC 3030 section 2 */
	[STAGE_MESSAGE] = {"the message", "refused the message.", "6.0", false},           /* section 4.1.1.4 */
};

void session_fail(struct session *session, char letter, const char *code, const char *what, const struct reply *reply)
{
	if (session->failure.letter)
		return;
	report_write(&session->failure, letter, code, session->who, what);
	if (reply && reply->length > 0)
		report_add_reply(&session->failure, reply);
	trace_note(session->trace, '*', "%s %s", session->who, what);
}

/* A failure after which server and client no longer agree on what comes next. */
static void fail_at(struct session *session, enum stage stage, const char *code, const char *what,
		    const struct reply *reply)
{
	char text[200];
	snprintf(text, sizeof text, "%s %s.%s", what, stages[stage].name,
		 session->end_put && stream_pending(&session->stream) == 0 ? " Possible duplicate!" : "");
	session->out_of_step = true;
	session_fail(session, 'Z', code, text, reply);
}

bool session_put(struct session *session, struct span verb, struct span argument, struct span parameters)
{
	size_t room;
	char *line = stream_space(&session->stream, &room);
	size_t length = verb.length + argument.length + parameters.length;
	if (room < length + 2)
		return false;
	stream_put(&session->stream, verb.data, verb.length);
	stream_put(&session->stream, argument.data, argument.length);
	stream_put(&session->stream, parameters.data, parameters.length);
	stream_put(&session->stream, "\r\n", 2);
	trace_text(session->trace, 'C', (struct span){line, length});
	return true;
}

bool session_is_in_step(struct session *session, enum stage next)
{
	struct span input;
	size_t used;
	if (!stream_has_input(&session->stream))
		return true;
	input.data = stream_input(&session->stream, &input.length);
	reply_begin(&session->reply);
	reply_feed(&session->reply, input, &used);
	trace_text(session->trace, 'S', (struct span){session->reply.text, session->reply.length});
	fail_at(session, next, "4.5.0", "sent something unasked before", &session->reply);
	return false;
}

static void fail_to_read(struct session *session, enum stage stage)
{
	if (session->stream.error == STREAM_TIMEOUT)
		fail_at(session, stage, "4.4.2", "took too long to answer", NULL);
	else
		fail_at(session, stage, "4.4.2", "hung up instead of answering", NULL);
}

bool session_read_reply(struct session *session, enum stage stage)
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
			fail_to_read(session, stage);
			return false;
		}
		stream_salvage(stream);
		last_look = true;
	}
	trace_text(session->trace, 'S', (struct span){session->reply.text, session->reply.length});
	if (state == REPLY_MALFORMED) {
		fail_at(session, stage, "4.5.0", "gave no valid SMTP reply to", &session->reply);
		return false;
	}
	stream_restart_clock(stream);
	return true;
}

bool session_is_closing(const struct session *session)
{
	return session->reply.code == 421;
}

/* Whether a refusal makes it useless to come again (RES-8). */
static bool is_permanent(const struct session *session, enum stage stage)
{
	/* RFC 5321 section 4.5.3.1.10: 552 is how some servers say that there are too many recipients. */
	return reply_class(&session->reply) == 5 && !stages[stage].temporary &&
	       !(stage == STAGE_RCPT && session->reply.code == 552);
}

/* The code for a report about a refusal; its first digit follows the letter. */
static void refusal_code(const struct session *session, enum stage stage, char code[REPLY_ENHANCED_SIZE])
{
	const char *detail = session_is_closing(session) ? stages[STAGE_GREETING].detail : stages[stage].detail;
	if (!reply_enhanced(&session->reply, code))
		snprintf(code, REPLY_ENHANCED_SIZE, "?.%s", detail);
	*code = is_permanent(session, stage) ? '5' : '4';
}

static const char *refusal(const struct session *session, enum stage stage)
{
	return session_is_closing(session) ? "ended the session." : stages[stage].refusal;
}

void session_refused(struct session *session, enum stage stage)
{
	char code[REPLY_ENHANCED_SIZE];
	refusal_code(session, stage, code);
	session->out_of_step = session->out_of_step || session_is_closing(session);
	session_fail(session, is_permanent(session, stage) ? 'D' : 'Z', code, refusal(session, stage), &session->reply);
}

void session_unexpected(struct session *session, enum stage stage)
{
	fail_at(session, stage, "4.5.0", "gave a reply that has no place behind", &session->reply);
}

void session_report_recipient(const struct session *session, struct report *report)
{
	char code[REPLY_ENHANCED_SIZE];
	if (reply_class(&session->reply) == 2) {
		report->letter = 'r';
		return;
	}
	refusal_code(session, STAGE_RCPT, code);
	report_write(report, is_permanent(session, STAGE_RCPT) ? 'h' : 's', code, session->who,
		     refusal(session, STAGE_RCPT));
	report_add_reply(report, &session->reply);
}

/* Says hello and reads the answer; whether it is 2xx. */
static bool say_hello(struct session *session, enum stage stage, const char *verb)
{
	static const struct span nothing = {"", 0};
	if (!session_is_in_step(session, stage))
		return false;
	session_put(session, span_of(verb), span_of(session->config->helohost), nothing);
	return session_read_reply(session, stage) && reply_class(&session->reply) == 2;
}

/* Ends an opening that failed. */
static bool give_up(struct session *session, enum stage stage)
{
	if (session->failure.letter)
		return false;
	if (reply_class(&session->reply) >= 4)
		session_refused(session, stage);
	else
		session_unexpected(session, stage);
	return false;
}

static bool say_ehlo(struct session *session)
{
	if (!say_hello(session, STAGE_EHLO, "EHLO "))
		return false;
	session->offers = ehlo_parse(&session->reply);
	return true;
}

bool session_hello(struct session *session)
{
	return say_ehlo(session) || give_up(session, STAGE_EHLO);
}

bool session_open(struct session *session)
{
	if (!session_read_reply(session, STAGE_GREETING) || reply_class(&session->reply) != 2)
		return give_up(session, STAGE_GREETING);
	if (say_ehlo(session))
		return true;
	if (session->failure.letter || reply_class(&session->reply) != 5)
		return give_up(session, STAGE_EHLO);
	/* RFC 5321 section 3.2: an older server */
	return say_hello(session, STAGE_HELO, "HELO ") || give_up(session, STAGE_HELO);
}

static void quit(struct session *session)
{
	static const struct span nothing = {"", 0};
	if (session->out_of_step || session->stream.error || stream_pending(&session->stream) > 0)
		return;
	session_put(session, span_of("QUIT"), nothing, nothing);
	stream_try_write(&session->stream);
}

void session_close(struct session *session)
{
	quit(session);
	/* What has not left must not leave any more: to end TLS politely would write it. */
	bool politely = !session->stream.error && stream_pending(&session->stream) == 0;
	if (session->tls)
		session->module->close(session->tls, politely);
	session->tls = NULL;
}
