/* SPDX-License-Identifier: ISC */
/*
 * audit - what a client said, as a server reads it
 *
 * session.c asks it about each connection.  Replies belong to commands in their order; the marks tell which replies the
 * client had read when it wrote a command.  Nothing here knows how src does it.
 */
#include "audit.h"

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the client said last. */
enum verb { CONNECTED, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, QUIT, VERBS };

static const char *const verbs[] = {
	[EHLO] = "EHLO ",    [HELO] = "HELO ", [STARTTLS] = "STARTTLS", [AUTH] = "AUTH ", [MAIL] = "MAIL FROM:",
	[RCPT] = "RCPT TO:", [DATA] = "DATA",  [BDAT] = "BDAT ",        [QUIT] = "QUIT",
};

struct audit {
	const struct tape *tape;
	const struct order *order;
	struct finding finding;
	size_t written;  /* how much of the client's octets was looked at */
	size_t read;     /* the same of the server's */
	size_t begun_at; /* how much the client had written when it had read the first octet of the last reply */
	size_t heard_at; /* and the last one */
	int code;        /* the last reply; 0: there is none that the client could have understood */
	bool closed;     /* by that reply: it ended the session, or is none */
	enum verb last;
	struct span offers; /* the reply to EHLO */
	bool secure;
	bool scram;
	bool mail_accepted;
	size_t recipient;   /* the one to come */
	size_t accepted;    /* how many were */
	size_t size;        /* as announced; 0 if it was not */
	struct buf arrived; /* the message as far as it did */
};

static struct span left(const struct audit *audit)
{
	return (struct span){audit->tape->client.data + audit->written, audit->tape->client.length - audit->written};
}

/* How much the client had written when it had read that much. */
static size_t written_at(const struct tape *tape, size_t read)
{
	const struct mark *marks = (const struct mark *)(const void *)tape->marks.data;
	size_t i = 0;
	while (marks[i].read < read)
		i++;
	return marks[i].written;
}

/* Takes the reply to what was said last. */
static void take_reply(struct audit *audit)
{
	const struct buf *server = &audit->tape->server;
	struct plain_reply reply =
		plain_reply_read((struct span){server->data + audit->read, server->length - audit->read});
	audit->code = reply.state == PLAIN_COMPLETE && !audit->closed ? reply.code : 0;
	if (reply.state == PLAIN_INCOMPLETE || audit->closed)
		return;
	size_t start = audit->read;
	audit->read += reply.length;
	/* Line ends before a reply do not begin it. */
	while (start + 1 < audit->read && (server->data[start] == '\r' || server->data[start] == '\n'))
		start++;
	audit->begun_at = written_at(audit->tape, start + 1);
	audit->heard_at = written_at(audit->tape, audit->read);
	audit->closed = reply.state == PLAIN_MALFORMED || reply.code == 421;
	/* Whoever is not understood, or ended the session, is told nothing more; but what follows the reply that
	 * refuses a chunk is read by nobody. */
	bool unread = audit->last == BDAT && audit->finding.code >= 400;
	MUST(!audit->closed || unread || audit->tape->client.length <= audit->heard_at);
	if (audit->last == EHLO)
		audit->offers = (struct span){server->data + audit->read - reply.length,
					      audit->code / 100 == 2 ? reply.length : 0};
}

static int class(const struct audit *audit)
{
	return audit->code / 100;
}

/* Whether a line after the first has the keyword. */
static bool is_offered(const struct audit *audit, const char *keyword)
{
	struct span rest;
	size_t length = strlen(keyword);
	size_t number = 0;
	for (rest = audit->offers; rest.data && rest.length > 0;) {
		struct span line = span_trim(span_split(rest, '\n', &rest));
		if (line.length == 0) /* before the reply */
			continue;
		if (number++ > 0 && line.length >= length + 4 && strncasecmp(line.data + 4, keyword, length) == 0 &&
		    (line.length == length + 4 || line.data[length + 4] == ' '))
			return true;
	}
	return false;
}

/* A command needs the reply to the one before, unless both may be in one group.  QUIT need not wait for the replies to
 * chunks that left before the first of them was refused (EXT-5). */
static void check_turn(const struct audit *audit, enum verb verb, size_t start)
{
	bool refused = audit->finding.code >= 400;
	bool grouped = (audit->last == MAIL && verb == RCPT) ||
		       (audit->last == RCPT && (verb == RCPT || verb == DATA)) ||
		       (audit->last == BDAT && (verb == BDAT || (verb == QUIT && refused)));
	if (!grouped || !is_offered(audit, "PIPELINING"))
		MUST(audit->code != 0 && audit->heard_at <= start);
}

/* Each parameter is one that the server offered. */
static void check_parameters(struct audit *audit, struct span text)
{
	while (text.length > 0) {
		struct span word;
		MUST(*text.data == ' ');
		word = span_split((struct span){text.data + 1, text.length - 1}, ' ', &text);
		text = text.data ? (struct span){text.data - 1, text.length + 1} : text;
		if (span_is(word, "BODY=8BITMIME"))
			MUST(is_offered(audit, "8BITMIME"));
		else if (span_is(word, "BODY=BINARYMIME"))
			MUST(is_offered(audit, "BINARYMIME") && is_offered(audit, "CHUNKING"));
		else if (span_is(word, "SMTPUTF8"))
			MUST(is_offered(audit, "SMTPUTF8"));
		else {
			MUST(word.length > 5 && memcmp(word.data, "SIZE=", 5) == 0 && is_offered(audit, "SIZE"));
			audit->size = strtoul(word.data + 5, NULL, 10);
		}
	}
}

/* Only for a route with a password, and only once. */
static void check_auth(struct audit *audit, struct span argument)
{
	struct span response;
	struct span mechanism = span_split(argument, ' ', &response);
	MUST(audit->order->authenticated && (audit->secure || audit->order->in_clear));
	MUST(audit->last == EHLO && class(audit) == 2 && is_offered(audit, "AUTH"));
	MUST(strlen("AUTH ") + argument.length + strlen("\r\n") <= 512);
	audit->scram = find(mechanism, "SCRAM-") != NULL;
	audit->finding.response = response;
}

static void check_mail(struct audit *audit, struct span argument)
{
	bool refused_tls = audit->last == STARTTLS && class(audit) >= 4 && !audit->secure;
	bool greeted = (audit->last == EHLO || audit->last == HELO) && class(audit) == 2;
	/* In SCRAM no server of ours can prove that it knows the password. */
	bool authenticated = audit->last == AUTH && class(audit) == 2 && !audit->scram;
	MUST(audit->order->authenticated ? authenticated : greeted || refused_tls);
	MUST(!audit->order->in_tls || audit->secure);
	MUST(starts_with(argument, audit->order->sender));
	argument.data += audit->order->sender.length;
	argument.length -= audit->order->sender.length;
	check_parameters(audit, argument);
}

/* Recipients come in their order; some may be decided already. */
static void check_recipient(struct audit *audit, struct span argument)
{
	const struct order *order = audit->order;
	MUST(audit->last == MAIL || audit->last == RCPT);
	while (audit->recipient < order->count && !is_same(order->recipients[audit->recipient], argument))
		audit->recipient++;
	MUST(audit->recipient < order->count);
}

/* Whether this command may follow, and has the argument that it should have. */
static void check_command(struct audit *audit, enum verb verb, struct span argument)
{
	bool again = audit->last == STARTTLS && class(audit) == 2;
	switch (verb) {
	case EHLO:
		MUST((audit->last == CONNECTED && class(audit) == 2) || again);
		MUST(!again || audit->read == audit->tape->in_clear); /* nothing from before counts within TLS */
		MUST(span_is(argument, audit->order->helohost));
		audit->secure = again;
		break;
	case HELO:
		MUST(audit->last == EHLO && class(audit) == 5 && !audit->secure);
		MUST(span_is(argument, audit->order->helohost));
		break;
	case STARTTLS:
		MUST(audit->last == EHLO && !audit->secure && is_offered(audit, "STARTTLS") && argument.length == 0);
		MUST(!audit->order->in_clear);
		break;
	case AUTH:
		check_auth(audit, argument);
		break;
	case MAIL:
		check_mail(audit, argument);
		break;
	case RCPT:
		check_recipient(audit, argument);
		break;
	case DATA:
		MUST(audit->last == RCPT && !is_offered(audit, "CHUNKING") && argument.length == 0);
		break;
	case BDAT:
		MUST(audit->last == BDAT || (audit->last == RCPT && audit->accepted > 0));
		MUST(is_offered(audit, "CHUNKING"));
		break;
	default:
		MUST(verb == QUIT && argument.length == 0 && left(audit).length == 0);
	}
}

/* Whether the message may go as it is. */
static bool is_legal(const struct audit *audit, struct span line)
{
	return line.length <= 998 && (line.length == 0 || !memchr(line.data, '\0', line.length)) &&
	       (is_offered(audit, "8BITMIME") || text_is_ascii(line));
}

/* Whether all lines of octets with CR LF are legal. */
static bool are_legal(const struct audit *audit, struct span rest)
{
	while (rest.length > 0) {
		struct span line = span_split(rest, '\n', &rest);
		if (!is_legal(audit, (struct span){line.data, line.length - 1}))
			return false;
	}
	return true;
}

/* What arrived, perhaps not all of it, is the message; or it was recoded, and is legal now. */
static void check_content(const struct audit *audit)
{
	struct span canonical = plain_canonical(audit->order->message);
	bool unchanged = are_legal(audit, canonical) || is_offered(audit, "CHUNKING");
	struct span rest = {audit->arrived.data, audit->arrived.length};
	if (unchanged)
		MUST(starts_with(canonical, rest));
	while (!unchanged && rest.data && rest.length > 0) {
		struct span line = span_split(rest, '\n', &rest);
		MUST(rest.data || line.length <= 999);
		MUST(!rest.data || (line.length > 0 && line.data[line.length - 1] == '\r'));
		line.length -= line.length > 0 && line.data[line.length - 1] == '\r';
		MUST(is_legal(audit, line) || (line.length <= 998 && is_offered(audit, "SMTPUTF8")));
		MUST(line.length == 0 ||
		     (!memchr(line.data, '\0', line.length) && !memchr(line.data, '\r', line.length)));
	}
	if (audit->finding.end_left) {
		MUST(!unchanged || audit->arrived.length == canonical.length);
		MUST(audit->size == 0 || audit->arrived.length == audit->size);
	}
	free((void *)canonical.data);
}

/* The reply to the end of a message, or to a chunk that is not the last. */
static void judge_end(struct audit *audit)
{
	struct finding *finding = &audit->finding;
	bool early = audit->code != 0 && audit->heard_at < audit->written;
	MUST(!early || !finding->end_left);
	/* Whoever begins to say that it has the message before it can have it does not say so (RES-7). */
	if (class(audit) == 2 && audit->begun_at < audit->written)
		audit->code = 0;
	finding->empty_taken = audit->last == DATA && audit->accepted == 0 && class(audit) == 2;
	if (finding->code / 100 == 2 || finding->code == 0)
		finding->code = audit->code;
}

/* What follows a 354: lines up to a dot alone, other dots doubled. */
static void take_message(struct audit *audit)
{
	bool whole = false;
	MUST(left(audit).length == 0 || audit->heard_at <= audit->written);
	while (!whole && left(audit).length > 0) {
		struct span rest;
		struct span line = span_split(left(audit), '\n', &rest);
		line.length += rest.data != NULL;
		audit->written += line.length;
		whole = span_is(line, ".\r\n");
		if (whole)
			break;
		bool dot = *line.data == '.';
		MUST(!dot || line.length == 1 || line.data[1] == '.');
		buf_add(&audit->arrived, line.data + dot, line.length - dot);
	}
	MUST(audit->accepted > 0 || audit->arrived.length == 0);
	audit->finding.end_left = whole && audit->accepted > 0;
	audit->code = 0;
	if (whole) {
		take_reply(audit);
		judge_end(audit);
	}
}

/* A chunk, or what left of it. */
static void take_chunk(struct audit *audit, struct span argument)
{
	char *end;
	size_t size = strtoul(argument.data, &end, 10);
	struct span word = {end, (size_t)(argument.data + argument.length - end)};
	struct span chunk = left(audit);
	bool whole = chunk.length >= size;
	MUST(word.length == 0 || span_is(word, " LAST"));
	chunk.length = whole ? size : chunk.length;
	buf_add(&audit->arrived, chunk.data, chunk.length);
	audit->written += chunk.length;
	audit->finding.end_left = whole && word.length > 0;
}

/* Takes a line without its end; false if the connection ended before the line did. */
static bool take_line(struct audit *audit, struct span *line)
{
	struct span rest;
	*line = span_split(left(audit), '\n', &rest);
	audit->written += line->length + (rest.data != NULL);
	if (!rest.data)
		return false;
	MUST(line->length > 0 && line->data[line->length - 1] == '\r');
	line->length--;
	MUST(is_printable(*line) && line->length < 5000);
	return true;
}

/* Takes a command line; VERBS if it has no end. */
static enum verb take_command(struct audit *audit, struct span *argument)
{
	struct span line;
	if (!take_line(audit, &line))
		return VERBS;
	for (enum verb verb = EHLO; verb < VERBS; verb++) {
		size_t length = strlen(verbs[verb]);
		*argument = (struct span){line.data + length, line.length - length};
		if (starts_with(line, span_of(verbs[verb])))
			return verb;
	}
	broken(__FILE__, __LINE__, "every line is a command");
}

/* The exchange of AUTH: a response for each 334, until the client gives up. */
static void take_responses(struct audit *audit)
{
	struct span line = {NULL, 0};
	while (audit->code == 334 && !span_is(line, "*") && left(audit).length > 0) {
		MUST(audit->heard_at <= audit->written);
		if (!take_line(audit, &line))
			return;
		MUST(line.length == 1 ? *line.data == '*' : line.length % 4 == 0);
		if (line.length > 1)
			audit->finding.response = line;
		take_reply(audit);
	}
}

/* Notes what the reply to a command says, and goes through what follows it. */
static void judge(struct audit *audit)
{
	if (audit->last == MAIL)
		audit->mail_accepted = class(audit) == 2;
	if (audit->last == RCPT && audit->mail_accepted) {
		audit->finding.recipient[audit->recipient] = audit->code;
		audit->accepted += class(audit) == 2;
	}
	audit->recipient += audit->last == RCPT;
	if (audit->last == DATA && audit->code == 354)
		take_message(audit);
	if (audit->last == BDAT)
		judge_end(audit);
	if (audit->last == AUTH)
		take_responses(audit);
}

struct finding audit(const struct tape *tape, const struct order *order)
{
	struct audit audit = {.tape = tape, .order = order, .last = CONNECTED};
	take_reply(&audit);
	while (left(&audit).length > 0) {
		struct span argument;
		size_t start = audit.written;
		enum verb verb = take_command(&audit, &argument);
		if (verb == VERBS)
			break;
		check_turn(&audit, verb, start);
		check_command(&audit, verb, argument);
		audit.last = verb;
		if (verb == BDAT)
			take_chunk(&audit, argument);
		if (verb == QUIT)
			break;
		take_reply(&audit);
		judge(&audit);
	}
	check_content(&audit);
	buf_free(&audit.arrived);
	return audit.finding;
}
