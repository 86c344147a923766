/* SPDX-License-Identifier: ISC */
/*
 * transaction - MAIL, RCPT, and DATA or BDAT
 *
 * deliver.c runs one in each session that it could open.  RFC 5321 sections 3.3 and 4.1.1, RFC 2920, RFC 3030.
 *
 * A transaction is two groups of commands.  The envelope is MAIL, a RCPT for each open recipient and, unless the
 * message goes by BDAT, DATA.  The content is the message after a 354, or all its chunks.  Whatever is answered counts
 * as a command and has a position, from MAIL at 0 on; `sent` and `answered` are two of them.  With PIPELINING the first
 * runs ahead to the end of the group; without, it is never more than one ahead.  So there is one loop for both, and a
 * server that answers while it still reads cannot stop it.
 */
#include "smtp/transaction.h"

#include "smtp/content.h"

#include <inttypes.h>
#include <stdio.h>

struct transaction {
	struct session *session;
	struct envelope *envelope;
	struct content content;
	size_t recipients;            /* how many get a RCPT */
	struct recipient *unsent;     /* from here on, those that are not decided get theirs */
	struct recipient *unanswered; /* and here the replies go on */
	uint64_t sent;
	uint64_t answered;
	bool accepted; /* a recipient was */
};

/* What differs from command to command: the stage, how it is put, and how the reply to it is judged. */
struct command {
	struct stage stage;
	/* Puts the command at `sent`; false where it is not whole yet, or failed. */
	bool (*put)(struct transaction *transaction);
	/* Judges the reply to the command at `answered`. */
	void (*judge)(struct transaction *transaction, const struct stage *stage);
};

/* The position after the envelope: that of the content. */
static uint64_t content_position(const struct transaction *transaction)
{
	return 1 + transaction->recipients + !transaction->content.form.chunked;
}

/* The next recipient that is not decided yet. */
static struct recipient *next_open(struct recipient *recipient)
{
	while (recipient->report.letter)
		recipient++;
	return recipient;
}

/* With the parameters of RFC 1870 section 6, RFC 6152 section 3 and RFC 6531 section 3.4. */
static bool put_mail(struct transaction *transaction)
{
	struct session *session = transaction->session;
	const struct buf *sender = &transaction->envelope->sender;
	const struct form *form = &transaction->content.form;
	bool utf8 = form->smtputf8 || envelope_needs_utf8(transaction->envelope);
	char size[40] = "";
	if (session->offers.size)
		snprintf(size, sizeof size, " SIZE=%" PRIu64, form->size);
	return session_put(session, "MAIL FROM:%.*s%s%s%s", (int)sender->length, sender->data, size, form->body,
			   utf8 ? " SMTPUTF8" : "");
}

static bool put_recipient(struct transaction *transaction)
{
	struct recipient *recipient = next_open(transaction->unsent);
	const struct buf *path = &recipient->path;
	if (!session_put(transaction->session, "RCPT TO:%.*s", (int)path->length, path->data))
		return false;
	transaction->unsent = recipient + 1;
	return true;
}

static bool put_data(struct transaction *transaction)
{
	return session_put(transaction->session, "DATA");
}

static bool put_content(struct transaction *transaction)
{
	return content_put(&transaction->content);
}

static void judge_mail(struct transaction *transaction, const struct stage *stage)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (class == 5)
		session->outcome.next = NEXT_NOTHING;
	if (class != 2)
		session_fail_reply(session, stage);
}

/* Every recipient was refused: the message report tells so once, with the code of the last one that decides it. */
static void fail_all_refused(struct transaction *transaction)
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
	report_give_up(&session->outcome.report, session->host);
}

static void judge_recipient(struct transaction *transaction, const struct stage *stage)
{
	struct session *session = transaction->session;
	struct recipient *recipient = next_open(transaction->unanswered);
	int class = reply_class(&session->reply);
	bool closing = session_is_closing(session);
	bool mail_refused = session_has_failed(session);
	transaction->unanswered = recipient + 1;
	if (closing && !transaction->accepted) {
		/* It says nothing about the recipient (MX-2). */
		if (!mail_refused)
			session->outcome.next = NEXT_SERVER;
		session_fail_reply(session, stage);
	} else if (mail_refused) {
		return;
	} else if (class == 3) {
		session_fail_reply(session, stage);
	} else {
		session->outcome.next = NEXT_NOTHING;
		session_report_recipient(session, stage, &recipient->report);
		transaction->accepted = transaction->accepted || class == 2;
		if (closing)
			session_fail_ended(session, NULL);
		else if (transaction->answered == transaction->recipients && !transaction->accepted)
			fail_all_refused(transaction);
	}
}

static void judge_data(struct transaction *transaction, const struct stage *stage)
{
	if (transaction->session->reply.code != 354)
		session_fail_reply(transaction->session, stage);
}

/* RES-9: whom the message went to, or could go to, and how. */
static void report_acceptance(struct transaction *transaction)
{
	struct session *session = transaction->session;
	struct report *report = &session->outcome.report;
	const char *how = transaction->content.form.how;
	const char *secured = session->secured;
	bool withheld = transaction->content.message->withheld;
	char who[NAME_SIZE + sizeof session->where + 1];
	char in[240] = "";
	char what[320];
	snprintf(who, sizeof who, "%s%s%s", session->name, *session->name ? " " : "", session->where);
	if (*how || *secured)
		snprintf(in, sizeof in, " (%s%s%s)", how, *how && *secured ? ", " : "", secured);
	snprintf(what, sizeof what,
		 withheld ? "accepted the envelope%s; the message was not sent, as --try asks." : "accepted message%s.",
		 in);
	report_write(report, withheld ? 'Z' : 'K', withheld ? "4.0.0" : "", who, what);
	if (!withheld)
		report_add_reply(report, &session->reply);
}

/*
 * The message, or a chunk of it: RFC 3030 section 2 has every chunk answered, and the last one answers for the message.
 */
static void judge_content(struct transaction *transaction, const struct stage *stage)
{
	/* A server that offers CHUNKING and does not know BDAT says so at the first one. */
	static const struct stage unknown = {
		"BDAT", "failed after I sent the message. It offers CHUNKING, but refused BDAT.", "4.5.1", true};
	struct session *session = transaction->session;
	const struct content *content = &transaction->content;
	uint64_t number = transaction->answered - content_position(transaction);
	bool last = number + 1 == content_chunks(content);
	bool early = transaction->answered == transaction->sent;
	bool positive = !early && reply_class(&session->reply) == 2;
	if (positive && !last)
		return;
	/* Of a message that was refused nothing more must leave, above all not its end. */
	session->broken = content->in_chunk || stream_pending(&session->stream) > 0;
	if (positive)
		report_acceptance(transaction);
	else
		session_fail_reply(session,
				   number == 0 && content->form.chunked && reply_is_unknown_command(&session->reply)
					   ? &unknown
					   : stage);
}

enum { MAIL, RCPT, DATA, CONTENT };

static const struct command commands[] = {
	/* RFC 5321 section 4.1.1.2 */
	[MAIL] = {{"MAIL", "but sender was rejected.", "5.1.0", false}, put_mail, judge_mail},
	/* section 4.1.1.3 */
	[RCPT] = {{"RCPT", "does not like recipient.", "5.1.0", false}, put_recipient, judge_recipient},
	/* section 4.1.1.4 */
	[DATA] = {{"DATA", "failed on DATA command.", "5.3.0", false}, put_data, judge_data},
	/* section 4.1.1.4, RFC 3030 section 2 */
	[CONTENT] = {{"the message", "failed after I sent the message.", "5.6.0", false}, put_content, judge_content},
};

static const struct command *command_at(const struct transaction *transaction, uint64_t position)
{
	if (position == 0)
		return &commands[MAIL];
	if (position <= transaction->recipients)
		return &commands[RCPT];
	return &commands[position < content_position(transaction) ? DATA : CONTENT];
}

/* Whether the next command may be put before another reply was read. */
static bool may_send(const struct transaction *transaction, uint64_t end)
{
	return transaction->sent < end && !session_has_failed(transaction->session) &&
	       (transaction->sent == transaction->answered || transaction->session->offers.pipelining);
}

/*
 * Puts as many commands as the server allows.  Where the buffer is full it is written, since a server may answer only
 * when it has all of them; but once the server speaks it must be heard, or both sides would wait for room, and it may
 * have refused the message of which we would go on to write megabytes.
 */
static void put_commands(struct transaction *transaction, uint64_t end)
{
	struct session *session = transaction->session;
	while (may_send(transaction, end)) {
		if (command_at(transaction, transaction->sent)->put(transaction))
			transaction->sent++;
		else if (session_has_failed(session) || session_look_for_input(session) ||
			 !stream_advance(&session->stream))
			return;
	}
}

/* Sends the commands up to `end`, and judges the replies, unless the session breaks. */
static void send_group(struct transaction *transaction, uint64_t end)
{
	struct session *session = transaction->session;
	while (transaction->answered < end) {
		const struct command *command = command_at(transaction, transaction->answered);
		bool idle = transaction->answered == transaction->sent && !transaction->content.in_chunk;
		if (idle && !session_demand_silence(session, &command->stage))
			return;
		put_commands(transaction, end);
		if (session->broken || !session_read_reply(session, &command->stage))
			return;
		command->judge(transaction, &command->stage);
		transaction->answered++;
		if (session->broken)
			return;
		if (session_has_failed(session)) /* what was not sent is not worth asking, nor a message waiting for */
			end = command == &commands[CONTENT] ? transaction->answered : transaction->sent;
	}
}

/* RFC 2920 section 3.1: a server that says 354 although nobody is to get the message waits for its end. */
static void send_lone_dot(struct session *session)
{
	if (!session_ask(session, &commands[CONTENT].stage, ".", ""))
		return;
	if (reply_class(&session->reply) == 2)
		session->outcome.next = NEXT_NOTHING; /* whatever it took there, it must not come twice */
	else
		session_fail_reply(session, &commands[CONTENT].stage);
}

/* From here on, nothing must be lost for want of memory. */
static bool reserve(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (envelope_reserve(transaction->envelope) && buf_reserve(&session->outcome.report.text, REPORT_MAX))
		return true;
	session_break(session, 'Z', "4.3.0", "was not sent the message: Qremote is out of memory.", NULL);
	return false;
}

/* Chooses how the message goes to this server; false where it cannot, but perhaps to the next one. */
static bool choose_form(struct transaction *transaction, const struct message *message)
{
	struct session *session = transaction->session;
	struct form *form = &transaction->content.form;
	const struct capabilities *offers = &session->offers;
	char what[120];
	if (envelope_needs_utf8(transaction->envelope) && !offers->smtputf8) {
		session->outcome.next = NEXT_WITH_SMTPUTF8;
		session_fail(session, 'D', "5.6.7", "does not offer SMTPUTF8, which a non-ASCII address needs.", NULL);
	} else if (!form_choose(form, offers, message->octets, &message->facts, session->config->helohost)) {
		session_fail(session, 'D', "5.6.3", form->recoding.trouble, NULL);
	} else if (offers->size_limit > 0 && form->size > offers->size_limit) {
		snprintf(what, sizeof what,
			 "takes no message of more than %" PRIu64 " octets; this one has %" PRIu64 ".",
			 offers->size_limit, form->size);
		session_fail(session, 'D', "5.3.4", what, NULL);
	}
	if (!lines_are_legal(&message->facts, offers->eightbitmime))
		stream_look_again(&session->stream); /* a large message takes long to survey */
	return !session_has_failed(session);
}

void transaction_run(struct session *session, struct envelope *envelope, const struct message *message)
{
	struct mime mime;
	struct transaction transaction = {.session = session,
					  .envelope = envelope,
					  .content.mime = &mime,
					  .recipients = envelope_open_count(envelope),
					  .unsent = envelope->recipients,
					  .unanswered = envelope->recipients};
	if (!choose_form(&transaction, message))
		return;
	content_open(&transaction.content, session, message);
	uint64_t position = content_position(&transaction);
	send_group(&transaction, message->withheld ? 1 + transaction.recipients : position);
	if (session->broken)
		return;
	if (!session_has_failed(session)) {
		if (message->withheld)
			report_acceptance(&transaction);
		else if (reserve(&transaction))
			send_group(&transaction, position + content_chunks(&transaction.content));
	} else if (session->reply.code == 354 &&
		   command_at(&transaction, transaction.answered - 1) == &commands[DATA]) {
		send_lone_dot(session);
	}
}
