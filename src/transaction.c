/*
 * transaction - MAIL, RCPT, and DATA or BDAT
 *
 * deliver.c runs one in each session that it could open.  RFC 5321 sections 3.3 and 4.1.1, RFC 2920, RFC 3030.
 *
 * Commands form a queue: MAIL, a RCPT for each undecided recipient, then DATA, or a BDAT with its octets for each
 * chunk.  They leave in groups: MAIL, RCPT and DATA are one, all chunks are another.  `sent` and `answered` are two
 * positions in the queue.  With PIPELINING the first runs ahead, up to the end of the group; without, it is never more
 * than one ahead.  So there is one loop for both, and a server that answers while it still reads cannot stop it.
 */
#include "transaction.h"

#include "handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct span nothing = {"", 0};

struct transaction {
	struct session *session;
	struct envelope *envelope;
	struct handover handover;
	struct report *accepted; /* the message report, if it is K */
	char parameters[120];    /* of MAIL */
	uint64_t content;        /* the position of DATA, or of the first BDAT, in the queue */
	uint64_t end;            /* of the group that is being sent */
	uint64_t sent;
	uint64_t answered;
	size_t next_sent; /* recipients before these were sent, or answered */
	size_t next_answered;
	bool mail_accepted;
	bool data_accepted; /* 354 */
	size_t recipients;  /* that were accepted */
};

static bool is_chunked(const struct transaction *transaction)
{
	return transaction->handover.form.chunked;
}

static enum stage stage_of(const struct transaction *transaction, uint64_t position)
{
	if (position == 0)
		return STAGE_MAIL;
	if (position < transaction->content)
		return STAGE_RCPT;
	return is_chunked(transaction) ? STAGE_MESSAGE : STAGE_DATA;
}

/* The next undecided recipient at or behind a position, which moves behind it. */
static struct recipient *take_recipient(struct envelope *envelope, size_t *position)
{
	while (envelope->recipients[*position].report.letter)
		++*position;
	return &envelope->recipients[(*position)++];
}

/* RFC 1870 section 6, RFC 6152 section 3, RFC 6531 section 3.4 */
static void print_parameters(struct transaction *transaction)
{
	const struct session *session = transaction->session;
	const struct form *form = &transaction->handover.form;
	char size[40] = "";
	if (session->offers.size)
		snprintf(size, sizeof size, " SIZE=%" PRIu64, form->size);
	snprintf(transaction->parameters, sizeof transaction->parameters, "%s%s%s", size, form->body,
		 form->smtputf8 || envelope_needs_utf8(transaction->envelope) ? " SMTPUTF8" : "");
}

static const char mail_verb[] = "MAIL FROM:";
static const char rcpt_verb[] = "RCPT TO:";

static struct span span_of_buf(const struct buf *buf)
{
	return (struct span){buf->data, buf->length};
}

/* From here on, nothing must be lost for want of memory. */
static bool reserve(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (envelope_reserve(transaction->envelope) && buf_reserve(&transaction->accepted->text, REPORT_MAX))
		return true;
	session->out_of_step = true;
	session_fail(session, 'Z', "4.3.0", "was not sent the message: Qremote is out of memory.", NULL);
	return false;
}

static bool put_chunk(struct transaction *transaction)
{
	bool last = transaction->sent + 1 == transaction->content + handover_chunks(&transaction->handover);
	if (last && !transaction->handover.in_chunk && !reserve(transaction))
		return false;
	return handover_put_chunk(&transaction->handover, last);
}

/* Puts the next command of the queue, as far as there is room; false where that is not all of it. */
static bool put_next(struct transaction *transaction)
{
	struct session *session = transaction->session;
	const struct envelope *envelope = transaction->envelope;
	size_t position = transaction->next_sent;
	bool put;
	switch (stage_of(transaction, transaction->sent)) {
	case STAGE_MAIL:
		put = session_put(session, span_of(mail_verb), span_of_buf(&envelope->sender),
				  span_of(transaction->parameters));
		break;
	case STAGE_RCPT:
		put = session_put(session, span_of(rcpt_verb),
				  span_of_buf(&take_recipient(transaction->envelope, &position)->path), nothing);
		break;
	case STAGE_DATA:
		put = session_put(session, span_of("DATA"), nothing, nothing);
		break;
	default:
		put = put_chunk(transaction);
		break;
	}
	if (put) {
		transaction->sent++;
		transaction->next_sent = position;
	}
	return put;
}

/* Whether the next command may be put before another reply was read. */
static bool may_send(const struct transaction *transaction)
{
	uint64_t unanswered = transaction->sent - transaction->answered;
	if (transaction->sent == transaction->end || transaction->session->failure.letter)
		return false;
	return unanswered == 0 || transaction->session->offers.pipelining;
}

/*
 * Puts as many commands as the server allows.  Where the buffer is full it is written, since a server may answer only
 * when it has all of them; but once the server speaks it must be heard, or both sides would wait for room, and it may
 * have refused the message of which we would go on to write megabytes.
 */
static void put_commands(struct transaction *transaction)
{
	struct stream *stream = &transaction->session->stream;
	while (may_send(transaction)) {
		if (put_next(transaction) || transaction->session->failure.letter)
			continue;
		if (session_has_input(transaction->session) || !stream_advance(stream))
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
	struct session *session = transaction->session;
	const struct envelope *envelope = transaction->envelope;
	const struct report *decisive = &envelope->recipients[0].report;
	for (size_t i = 1; i < envelope->count; i++) {
		const struct report *report = &envelope->recipients[i].report;
		if (report->letter == 's' || decisive->letter == 'h')
			decisive = report;
	}
	session_fail(session, decisive->letter == 's' ? 'Z' : 'D', decisive->code, "accepted no recipient.", NULL);
	report_give_up(&session->failure, session->host);
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
	if (session_is_closing(session) && transaction->recipients == 0) {
		session->settled = false; /* it says nothing about the recipient (MX-2) */
		session_refused(session, STAGE_RCPT);
		return;
	}
	session->settled = true;
	session_report_recipient(session, &recipient->report);
	if (class == 2)
		transaction->recipients++;
	if (session_is_closing(session))
		session_ended(session, NULL);
	else if (transaction->answered + 1 == transaction->content && transaction->recipients == 0)
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

/* RES-9: how it went. */
static void print_acceptance(const struct transaction *transaction, char *what, size_t room)
{
	const char *how = transaction->handover.form.how;
	const char *secured = transaction->session->secured;
	if (*how || *secured)
		snprintf(what, room, "accepted message (%s%s%s).", how, *how && *secured ? ", " : "", secured);
	else
		snprintf(what, room, "accepted message.");
}

/* Whether the server offers CHUNKING and does not know BDAT: the first one is answered like an unknown command. */
static bool lacks_bdat(const struct transaction *transaction)
{
	return is_chunked(transaction) && transaction->answered == transaction->content &&
	       reply_is_unknown_command(&transaction->session->reply);
}

/* The reply to the end of the message, or to one that was cut short. */
static void judge_message(struct transaction *transaction, bool whole)
{
	struct session *session = transaction->session;
	struct report *accepted = transaction->accepted;
	int class = reply_class(&session->reply);
	char what[300];
	if (!whole)
		session->out_of_step = true;
	if (class == 4 || class == 5) {
		session_refused(session, lacks_bdat(transaction) ? STAGE_BDAT : STAGE_MESSAGE);
	} else if (class != 2 || !whole) {
		session_unexpected(session, STAGE_MESSAGE);
	} else if (session->failure.letter) {
		session->settled = true; /* whatever it took there, it must not come twice */
	} else {
		print_acceptance(transaction, what, sizeof what);
		report_write(accepted, 'K', "", session->full, what);
		report_add_reply(accepted, &session->reply);
	}
}

/* RFC 3030 section 2: every chunk is answered, and the last one answers for the message. */
static void judge_chunk(struct transaction *transaction)
{
	struct session *session = transaction->session;
	uint64_t chunks = handover_chunks(&transaction->handover);
	/* The end may have been put and not have left: a reply to it is early. */
	bool early = session->end_put && transaction->answered + 1 == transaction->sent &&
		     stream_pending(&session->stream) > 0;
	bool whole = transaction->answered < transaction->sent && !early;
	if (whole && transaction->answered + 1 < transaction->content + chunks && reply_class(&session->reply) == 2)
		return;
	judge_message(transaction, whole);
	/* Of a message that was refused nothing more must leave, above all not its last chunk. */
	if (session->failure.letter && (transaction->handover.in_chunk || stream_pending(&session->stream) > 0))
		session->out_of_step = true;
}

static void judge(struct transaction *transaction, enum stage stage)
{
	if (stage == STAGE_MAIL)
		judge_mail(transaction);
	else if (stage == STAGE_RCPT)
		judge_recipient(transaction);
	else if (stage == STAGE_DATA)
		judge_data(transaction);
	else
		judge_chunk(transaction);
}

/* Sends the next group of the queue, up to `end`, and judges the replies; false where the session broke off. */
static bool send_group(struct transaction *transaction, uint64_t end)
{
	struct session *session = transaction->session;
	transaction->end = end;
	while (transaction->answered < transaction->end) {
		if (transaction->answered == transaction->sent && !transaction->handover.in_chunk &&
		    !session_is_in_step(session, stage_of(transaction, transaction->sent)))
			return false;
		put_commands(transaction);
		if (session->out_of_step)
			return false;
		enum stage stage = stage_of(transaction, transaction->answered);
		if (!session_read_reply(session, stage))
			return false;
		judge(transaction, stage);
		transaction->answered++;
		if (session->out_of_step)
			return false;
		if (session->failure.letter) /* the rest is not worth asking, nor, of a message, worth waiting for */
			transaction->end = stage == STAGE_MESSAGE ? transaction->answered : transaction->sent;
	}
	return true;
}

/* The message behind a 354. */
static void hand_over(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (!session_is_in_step(session, STAGE_MESSAGE) || !reserve(transaction))
		return;
	bool whole = handover_send(&transaction->handover);
	if (!session->failure.letter && session_read_reply(session, STAGE_MESSAGE))
		judge_message(transaction, whole);
}

/* RFC 2920 section 3.1: a server that says 354 although nobody is to get the message waits for its end. */
static void send_lone_dot(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (!session_is_in_step(session, STAGE_MESSAGE))
		return;
	session_put(session, span_of("."), nothing, nothing);
	if (session_read_reply(session, STAGE_MESSAGE))
		judge_message(transaction, true);
}

/* What the server does not offer may be offered by the next one. */
static bool is_possible(struct transaction *transaction, const struct message *message)
{
	struct session *session = transaction->session;
	struct form *form = &transaction->handover.form;
	const struct capabilities *offers = &session->offers;
	char what[120];
	if (envelope_needs_utf8(transaction->envelope) && !offers->smtputf8) {
		session->lacks_smtputf8 = true;
		session_fail(session, 'D', "5.6.7", "does not offer SMTPUTF8, which a non-ASCII address needs.", NULL);
	} else if (!form_choose(form, offers, message->octets, &message->facts, session->config->helohost)) {
		session_fail(session, 'D', "5.6.3", form->recoding.trouble, NULL);
	} else if (offers->size_limit > 0 && form->size > offers->size_limit) {
		snprintf(what, sizeof what,
			 "takes no message of more than %" PRIu64 " octets; this one has %" PRIu64 ".",
			 offers->size_limit, form->size);
		session_fail(session, 'D', "5.3.4", what, NULL);
	}
	return !session->failure.letter;
}

/* Lays out the queue. */
static void prepare(struct transaction *transaction, const struct message *message)
{
	handover_open(&transaction->handover, transaction->session, message);
	print_parameters(transaction);
	transaction->content = (uint64_t)envelope_open_count(transaction->envelope) + 1;
}

void transaction_run(struct session *session, struct envelope *envelope, const struct message *message,
		     struct report *accepted)
{
	struct mime mime;
	struct transaction transaction = {
		.session = session, .envelope = envelope, .accepted = accepted, .handover.mime = &mime};
	if (!is_possible(&transaction, message))
		return;
	prepare(&transaction, message);
	bool chunked = is_chunked(&transaction);
	if (!send_group(&transaction, transaction.content + (chunked ? 0 : 1)))
		return;
	if (transaction.data_accepted && session->failure.letter)
		send_lone_dot(&transaction);
	else if (transaction.data_accepted)
		hand_over(&transaction);
	else if (chunked && !session->failure.letter)
		send_group(&transaction, transaction.content + handover_chunks(&transaction.handover));
}
