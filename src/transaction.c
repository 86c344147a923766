/*
 * transaction - MAIL, RCPT, DATA and the message
 *
 * deliver.c runs one in each session that it could open.  RFC 5321 sections 3.3 and 4.1.1, RFC 2920.
 *
 * Commands form a queue: MAIL, a RCPT for each undecided recipient, DATA.  `sent` and `answered` are two positions in
 * it.  With PIPELINING the first runs ahead to the end of the queue; without, it is never more than one ahead.  So
 * there is one loop for both, and a server that answers while it still reads cannot stop it.
 */
#include "transaction.h"

#include <inttypes.h>
#include <stdio.h>

enum { LONGEST_LINE = 998 }; /* octets of text in a line, RFC 5321 section 4.5.3.1.6 */

static const struct span nothing = {"", 0};

struct transaction {
	struct session *session;
	struct envelope *envelope;
	const struct message *message;
	size_t data;  /* the position of DATA in the queue */
	size_t total; /* commands that are to be sent */
	size_t sent;
	size_t answered;
	size_t next_sent; /* recipients before these were sent, or answered */
	size_t next_answered;
	bool mail_accepted;
	bool data_accepted; /* 354 */
	size_t accepted;    /* recipients */
};

static enum stage stage_of(const struct transaction *transaction, size_t position)
{
	if (position == 0)
		return STAGE_MAIL;
	return position < transaction->data ? STAGE_RCPT : STAGE_DATA;
}

/* The next undecided recipient at or behind a position, which moves behind it. */
static struct recipient *take_recipient(struct envelope *envelope, size_t *position)
{
	while (envelope->recipients[*position].report.letter)
		++*position;
	return &envelope->recipients[(*position)++];
}

/* RFC 1870 section 6, RFC 6152 section 3, RFC 6531 section 3.4 */
static bool put_mail(struct transaction *transaction)
{
	const struct session *session = transaction->session;
	const struct envelope *envelope = transaction->envelope;
	char parameters[80] = "";
	int length = 0;
	if (session->offers.size)
		length = snprintf(parameters, sizeof parameters, " SIZE=%" PRIu64, transaction->message->facts.size);
	snprintf(parameters + length, sizeof parameters - (size_t)length, "%s%s",
		 session->offers.eightbitmime && transaction->message->facts.eightbit ? " BODY=8BITMIME" : "",
		 envelope_needs_utf8(envelope) ? " SMTPUTF8" : "");
	return session_put(transaction->session, span_of("MAIL FROM:"),
			   (struct span){envelope->sender.data, envelope->sender.length}, span_of(parameters));
}

/* Puts the next command of the queue; false where there is no room for it yet. */
static bool put_next(struct transaction *transaction)
{
	struct session *session = transaction->session;
	size_t position = transaction->next_sent;
	const struct recipient *recipient;
	bool put;
	switch (stage_of(transaction, transaction->sent)) {
	case STAGE_MAIL:
		put = put_mail(transaction);
		break;
	case STAGE_RCPT:
		recipient = take_recipient(transaction->envelope, &position);
		put = session_put(session, span_of("RCPT TO:"),
				  (struct span){recipient->path.data, recipient->path.length}, nothing);
		break;
	default:
		put = session_put(session, span_of("DATA"), nothing, nothing);
		break;
	}
	if (put) {
		transaction->sent++;
		transaction->next_sent = position;
	}
	return put;
}

/*
 * Puts as many commands as the server allows.  Where the buffer is full it is written, since a server may answer only
 * when it has all of them; but once the server speaks it must be heard, or both sides would wait for room.
 */
static void put_commands(struct transaction *transaction)
{
	struct stream *stream = &transaction->session->stream;
	size_t window = transaction->session->offers.pipelining ? transaction->total : 1;
	size_t unread = 0;
	while (transaction->sent < transaction->total && transaction->sent - transaction->answered < window) {
		if (put_next(transaction))
			continue;
		stream_input(stream, &unread);
		if (unread > 0 || !stream_advance(stream))
			return;
	}
}

static void judge_mail(struct transaction *transaction)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (class == 2) {
		transaction->mail_accepted = true;
	} else if (class == 3) {
		session_unexpected(session, STAGE_MAIL);
	} else {
		session->settled = class == 5;
		session_refused(session, STAGE_MAIL);
	}
}

/* Every recipient was refused: the message report tells so once, with the code of the last one that decides it. */
static void report_refusal(struct transaction *transaction)
{
	const struct envelope *envelope = transaction->envelope;
	const struct report *decisive = &envelope->recipients[0].report;
	for (size_t i = 1; i < envelope->count; i++) {
		const struct report *report = &envelope->recipients[i].report;
		if (report->letter == 's' || decisive->letter == 'h')
			decisive = report;
	}
	session_fail(transaction->session, decisive->letter == 's' ? 'Z' : 'D', decisive->code,
		     "accepted no recipient.", NULL);
}

static void judge_recipient(struct transaction *transaction)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	struct recipient *recipient = take_recipient(transaction->envelope, &transaction->next_answered);
	if (!transaction->mail_accepted) {
		if (session_is_closing(session))
			session_refused(session, STAGE_RCPT);
		return;
	}
	if (class == 3) {
		session_unexpected(session, STAGE_RCPT);
		return;
	}
	session->settled = true;
	session_report_recipient(session, &recipient->report);
	if (class == 2)
		transaction->accepted++;
	if (session_is_closing(session))
		session_refused(session, STAGE_RCPT);
	else if (transaction->answered + 1 == transaction->data && transaction->accepted == 0)
		report_refusal(transaction);
}

static void judge_data(struct transaction *transaction)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (session->reply.code == 354)
		transaction->data_accepted = true;
	else if (class == 2 || class == 3)
		session_unexpected(session, STAGE_DATA);
	else
		session_refused(session, STAGE_DATA); /* no news where all recipients were refused */
}

/* The loop over the queue; false where the session broke off. */
static bool exchange_envelope(struct transaction *transaction)
{
	struct session *session = transaction->session;
	while (transaction->answered < transaction->total) {
		if (transaction->answered == transaction->sent &&
		    !session_is_in_step(session, stage_of(transaction, transaction->sent)))
			return false;
		put_commands(transaction);
		enum stage stage = stage_of(transaction, transaction->answered);
		if (!session_read_reply(session, stage))
			return false;
		if (stage == STAGE_MAIL)
			judge_mail(transaction);
		else if (stage == STAGE_RCPT)
			judge_recipient(transaction);
		else
			judge_data(transaction);
		transaction->answered++;
		if (session->out_of_step)
			return false;
		if (session->failure.letter)
			transaction->total = transaction->sent; /* the rest is not worth asking */
	}
	return true;
}

/* Writes what is pending; false where the server spoke before it was all gone, or the stream broke. */
static bool flush(struct session *session)
{
	size_t unread;
	while (stream_pending(&session->stream) > 0) {
		if (!stream_advance(&session->stream))
			return false;
		stream_input(&session->stream, &unread);
		if (unread > 0 && stream_pending(&session->stream) > 0)
			return false;
	}
	return true;
}

/*
 * Puts the message and the dot behind it into the stream, and writes all but what the out buffer holds in the end.  A
 * server may refuse before it has everything, and hang up (RFC 5321 section 4.2.5 forbids it, but they do): between two
 * buffers it gets a hearing.  False where it spoke too early.
 */
static bool put_message(struct transaction *transaction, struct body *body)
{
	struct session *session = transaction->session;
	struct stream *stream = &session->stream;
	size_t room;
	body_open(body, transaction->message->octets);
	for (;;) {
		char *space = stream_space(stream, &room);
		stream_commit(stream, body_encode(body, space, room));
		if (body_is_done(body) && stream_put(stream, ".\r\n", 3))
			return true;
		if (!flush(session) || stream_has_input(stream) || stream->error)
			return false;
	}
}

/* The message, to its end.  False where the server spoke too early, or where it must not get the end. */
static bool send_message(struct transaction *transaction)
{
	struct session *session = transaction->session;
	const struct message *message = transaction->message;
	struct body body;
	if (!put_message(transaction, &body))
		return false;
	if (!message_is_unchanged(message) || body.size != message->facts.size) {
		session->out_of_step = true;
		session_fail(session, 'Z', "4.3.0",
			     "was not sent the end of the message, whose file changed meanwhile.", NULL);
		return false;
	}
	session->end_put = true;
	bool gone = flush(session);
	if (gone)
		trace_note(session->trace, 'C', "(the message: %" PRIu64 " octets)", message->facts.size);
	return gone;
}

static void judge_message(struct transaction *transaction, bool whole, struct report *accepted)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (!whole)
		session->out_of_step = true;
	if (class == 4 || class == 5) {
		session_refused(session, STAGE_MESSAGE);
	} else if (class == 2 && whole) {
		report_write(accepted, 'K', "", session->who, "accepted message.");
		report_add_reply(accepted, &session->reply);
	} else {
		session_unexpected(session, STAGE_MESSAGE);
	}
}

static void hand_over(struct transaction *transaction, struct report *accepted)
{
	struct session *session = transaction->session;
	if (!session_is_in_step(session, STAGE_MESSAGE))
		return;
	if (!envelope_reserve(transaction->envelope) || !buf_reserve(&accepted->text, REPORT_MAX)) {
		session->out_of_step = true;
		session_fail(session, 'Z', "4.3.0", "was not sent the message: Qremote is out of memory.", NULL);
		return;
	}
	bool whole = send_message(transaction);
	if (!session->failure.letter && session_read_reply(session, STAGE_MESSAGE))
		judge_message(transaction, whole, accepted);
}

/* RFC 2920 section 3.1: a server that says 354 although nobody is to get the message waits for its end. */
static void send_lone_dot(struct session *session)
{
	if (!session_is_in_step(session, STAGE_MESSAGE))
		return;
	session_put(session, span_of("."), nothing, nothing);
	if (session_read_reply(session, STAGE_MESSAGE) && reply_class(&session->reply) == 2)
		session->settled = true; /* whatever it took there, it must not come twice */
}

/* What the server does not offer may be offered by the next one. */
static bool is_possible(struct transaction *transaction)
{
	struct session *session = transaction->session;
	const struct capabilities *offers = &session->offers;
	const struct body_facts *facts = &transaction->message->facts;
	if (envelope_needs_utf8(transaction->envelope) && !offers->smtputf8) {
		session->lacks_smtputf8 = true;
		session_fail(session, 'D', "5.6.7", "does not offer SMTPUTF8, which a non-ASCII address needs.", NULL);
	} else if (offers->size_limit > 0 && facts->size > offers->size_limit) {
		session_fail(session, 'D', "5.3.4", "does not take messages of this size.", NULL);
	} else if (facts->eightbit && !offers->eightbitmime) {
		session_fail(session, 'D', "5.6.3", "does not offer 8BITMIME, which the message needs.", NULL);
	} else if (facts->nul || facts->longest_line > LONGEST_LINE) {
		session_fail(session, 'D', "5.6.3",
			     "cannot be sent this message: it has a NUL or a line over 998 octets.", NULL);
	}
	return !session->failure.letter;
}

void transaction_run(struct session *session, struct envelope *envelope, const struct message *message,
		     struct report *accepted)
{
	struct transaction transaction = {.session = session,
					  .envelope = envelope,
					  .message = message,
					  .data = envelope_open_count(envelope) + 1};
	transaction.total = transaction.data + 1;
	if (!is_possible(&transaction) || !exchange_envelope(&transaction))
		return;
	if (!session->failure.letter)
		hand_over(&transaction, accepted);
	else if (transaction.data_accepted)
		send_lone_dot(session);
}
