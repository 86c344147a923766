/* SPDX-License-Identifier: ISC */
/*
 * transaction - MAIL, RCPT, and DATA or BDAT
 *
 * deliver.c runs one in each session that it could open.  RFC 5321 sections 3.3 and 4.1.1, RFC 2920, RFC 3030.
 *
 * A transaction is two groups of commands.  The envelope is MAIL, a RCPT for each open recipient and, unless the
 * message goes by BDAT, DATA.  The content is the message after a 354, or all its chunks.  The commands have positions,
 * from MAIL at 0 on; `sent` and `answered` are two of them.  With PIPELINING the first runs ahead to the end of the
 * group; without, it is never more than one ahead.  So there is one loop for both, and a server that answers while it
 * still reads cannot stop it.
 */
#include "smtp/transaction.h"

#include "smtp/content.h"

#include <inttypes.h>
#include <stdio.h>

static const struct span nothing = {"", 0};

struct transaction {
	struct session *session;
	struct envelope *envelope;
	struct content content;
	struct recipient **open; /* those that are not decided yet, and how many */
	size_t open_count;
	char parameters[120]; /* of MAIL */
	uint64_t sent;
	uint64_t answered;
	bool mail_accepted;
	size_t recipients_accepted;
	bool data_accepted; /* 354 */
};

/* One command, as its position makes it. */
struct command {
	enum stage stage; /* STAGE_MESSAGE for a chunk */
	struct recipient *recipient;
	bool last; /* of the recipients, or of the chunks */
};

static bool is_chunked(const struct transaction *transaction)
{
	return transaction->content.form.chunked;
}

/* The position after the last RCPT: that of DATA, or of the first chunk. */
static uint64_t content_position(const struct transaction *transaction)
{
	return transaction->open_count + 1;
}

static struct command command_at(const struct transaction *transaction, uint64_t position)
{
	uint64_t content = content_position(transaction);
	struct command command = {.stage = STAGE_MAIL};
	if (position >= content) {
		command.stage = is_chunked(transaction) ? STAGE_MESSAGE : STAGE_DATA;
		command.last = position + 1 == content + content_chunks(&transaction->content);
	} else if (position > 0) {
		command.stage = STAGE_RCPT;
		command.recipient = transaction->open[position - 1];
		command.last = position + 1 == content;
	}
	return command;
}

static struct span span_of_buf(const struct buf *buf)
{
	return (struct span){buf->data, buf->length};
}

static enum put put_line(struct transaction *transaction, const char *verb, struct span argument)
{
	return session_put(transaction->session, span_of(verb), argument, nothing) ? PUT_WHOLE : PUT_PART;
}

static enum put put_mail(struct transaction *transaction, const struct command *command)
{
	(void)command;
	return session_put(transaction->session, span_of("MAIL FROM:"), span_of_buf(&transaction->envelope->sender),
			   span_of(transaction->parameters))
		       ? PUT_WHOLE
		       : PUT_PART;
}

static enum put put_recipient(struct transaction *transaction, const struct command *command)
{
	return put_line(transaction, "RCPT TO:", span_of_buf(&command->recipient->path));
}

static enum put put_data(struct transaction *transaction, const struct command *command)
{
	(void)command;
	return put_line(transaction, "DATA", nothing);
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

static enum put put_chunk(struct transaction *transaction, const struct command *command)
{
	if (command->last && !transaction->content.in_chunk && !reserve(transaction))
		return PUT_FAILED;
	return content_put_chunk(&transaction->content, command->last);
}

static void judge_mail(struct transaction *transaction, const struct command *command)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (class == 2) {
		transaction->mail_accepted = true;
	} else if (class == 3) {
		session_fail_unexpected(session, command->stage);
	} else {
		if (class == 5)
			session->outcome.next = NEXT_NOTHING;
		session_fail_refused(session, command->stage);
	}
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

static void judge_recipient(struct transaction *transaction, const struct command *command)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	bool closing = session_is_closing(session);
	if (!transaction->mail_accepted && !closing)
		return;
	if (class == 3) {
		session_fail_unexpected(session, command->stage);
	} else if (closing && transaction->recipients_accepted == 0) {
		/* It says nothing about the recipient (MX-2). */
		if (!session_has_failed(session))
			session->outcome.next = NEXT_SERVER;
		session_fail_refused(session, command->stage);
	} else {
		session->outcome.next = NEXT_NOTHING;
		session_report_recipient(session, &command->recipient->report);
		transaction->recipients_accepted += class == 2;
		if (closing)
			session_fail_ended(session, NULL);
		else if (command->last && transaction->recipients_accepted == 0)
			fail_all_refused(transaction);
	}
}

static void judge_data(struct transaction *transaction, const struct command *command)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	if (session->reply.code == 354)
		transaction->data_accepted = true;
	else if (class == 2 || class == 3)
		session_fail_unexpected(session, command->stage);
	else
		session_fail_refused(session, command->stage); /* no news where all recipients were refused */
}

/* RES-9: whom the message went to, and how. */
static void report_acceptance(struct transaction *transaction)
{
	struct session *session = transaction->session;
	struct report *report = &session->outcome.report;
	const char *how = transaction->content.form.how;
	const char *secured = session->secured;
	char who[sizeof session->name + sizeof session->where + 1];
	char what[300] = "accepted message.";
	snprintf(who, sizeof who, "%s%s%s", session->name, *session->name ? " " : "", session->where);
	if (*how || *secured)
		snprintf(what, sizeof what, "accepted message (%s%s%s).", how, *how && *secured ? ", " : "", secured);
	report_write(report, 'K', "", who, what);
	report_add_reply(report, &session->reply);
}

/* The reply to the end of the message; or, if the server did not get it `whole`, to what there was of it. */
static void judge_message(struct transaction *transaction, bool whole, enum stage refused)
{
	struct session *session = transaction->session;
	int class = reply_class(&session->reply);
	session->broken = session->broken || !whole;
	if (class == 4 || class == 5)
		session_fail_refused(session, refused);
	else if (class != 2 || !whole)
		session_fail_unexpected(session, STAGE_MESSAGE);
	else if (session_has_failed(session))
		session->outcome.next = NEXT_NOTHING; /* whatever it took there, it must not come twice */
	else
		report_acceptance(transaction);
}

/* RFC 3030 section 2: every chunk is answered, and the last one answers for the message. */
static void judge_chunk(struct transaction *transaction, const struct command *command)
{
	struct session *session = transaction->session;
	/* A server that offers CHUNKING and does not know BDAT says so at the first one. */
	bool unknown =
		transaction->answered == content_position(transaction) && reply_is_unknown_command(&session->reply);
	/* The reply is early if this chunk has not left, or the last one not to its end. */
	bool whole = transaction->answered < transaction->sent && (!command->last || session_end_has_left(session));
	if (whole && !command->last && reply_class(&session->reply) == 2)
		return;
	judge_message(transaction, whole, unknown ? STAGE_BDAT : STAGE_MESSAGE);
	/* Of a message that was refused nothing more must leave, above all not its last chunk. */
	if (session_has_failed(session) && (transaction->content.in_chunk || stream_pending(&session->stream) > 0))
		session->broken = true;
}

/* How a command is put, and how its reply is judged; what each is called is in session.c. */
static const struct {
	enum put (*put)(struct transaction *transaction, const struct command *command);
	void (*judge)(struct transaction *transaction, const struct command *command);
} commands[] = {
	[STAGE_MAIL] = {put_mail, judge_mail},           /* RFC 5321 section 4.1.1.2 */
	[STAGE_RCPT] = {put_recipient, judge_recipient}, /* section 4.1.1.3 */
	[STAGE_DATA] = {put_data, judge_data},           /* section 4.1.1.4 */
	[STAGE_MESSAGE] = {put_chunk, judge_chunk},      /* RFC 3030 section 2 */
};

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
		struct command command = command_at(transaction, transaction->sent);
		switch (commands[command.stage].put(transaction, &command)) {
		case PUT_WHOLE:
			transaction->sent++;
			break;
		case PUT_PART:
			if (session_look_for_input(session) || !stream_advance(&session->stream))
				return;
			break;
		case PUT_FAILED:
			return;
		}
	}
}

/* Sends the commands up to `end`, and judges the replies; false where the session broke off. */
static bool send_group(struct transaction *transaction, uint64_t end)
{
	struct session *session = transaction->session;
	while (transaction->answered < end) {
		struct command command = command_at(transaction, transaction->answered);
		bool idle = transaction->answered == transaction->sent && !transaction->content.in_chunk;
		if (idle && !session_demand_silence(session, command.stage))
			return false;
		put_commands(transaction, end);
		if (session->broken || !session_read_reply(session, command.stage))
			return false;
		commands[command.stage].judge(transaction, &command);
		transaction->answered++;
		if (session->broken)
			return false;
		if (session_has_failed(session)) /* what was not sent is not worth asking, nor a message waiting for */
			end = command.stage == STAGE_MESSAGE ? transaction->answered : transaction->sent;
	}
	return true;
}

/* The message after a 354. */
static void send_message(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (!session_demand_silence(session, STAGE_MESSAGE) || !reserve(transaction))
		return;
	enum put put = content_send(&transaction->content);
	if (put != PUT_FAILED && session_read_reply(session, STAGE_MESSAGE))
		judge_message(transaction, put == PUT_WHOLE, STAGE_MESSAGE);
}

/* RFC 2920 section 3.1: a server that says 354 although nobody is to get the message waits for its end. */
static void send_lone_dot(struct transaction *transaction)
{
	struct session *session = transaction->session;
	if (!session_demand_silence(session, STAGE_MESSAGE))
		return;
	put_line(transaction, ".", nothing);
	if (session_read_reply(session, STAGE_MESSAGE))
		judge_message(transaction, true, STAGE_MESSAGE);
}

/* Chooses how the message goes to this server; false where it cannot, but perhaps to the next one. */
static bool choose_form(struct transaction *transaction, const struct message *message)
{
	struct session *session = transaction->session;
	struct form *form = &transaction->content.form;
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
	return !session_has_failed(session);
}

/* RFC 1870 section 6, RFC 6152 section 3, RFC 6531 section 3.4 */
static void print_parameters(struct transaction *transaction)
{
	const struct form *form = &transaction->content.form;
	char size[40] = "";
	if (transaction->session->offers.size)
		snprintf(size, sizeof size, " SIZE=%" PRIu64, form->size);
	snprintf(transaction->parameters, sizeof transaction->parameters, "%s%s%s", size, form->body,
		 form->smtputf8 || envelope_needs_utf8(transaction->envelope) ? " SMTPUTF8" : "");
}

/* Collects the open recipients. */
static bool collect(struct transaction *transaction)
{
	struct envelope *envelope = transaction->envelope;
	transaction->open = mem_array(envelope->count, sizeof(struct recipient *));
	if (!transaction->open) {
		session_fail(transaction->session, 'Z', "4.3.0", "was not sent the message: Qremote is out of memory.",
			     NULL);
		return false;
	}
	for (size_t i = 0; i < envelope->count; i++)
		if (!envelope->recipients[i].report.letter)
			transaction->open[transaction->open_count++] = &envelope->recipients[i];
	return true;
}

/* The envelope as one group, then what the replies to it leave to be said. */
static void run(struct transaction *transaction)
{
	uint64_t content = content_position(transaction);
	bool chunked = is_chunked(transaction);
	if (!send_group(transaction, chunked ? content : content + 1))
		return;
	if (session_has_failed(transaction->session)) {
		if (transaction->data_accepted)
			send_lone_dot(transaction);
	} else if (chunked) {
		send_group(transaction, content + content_chunks(&transaction->content));
	} else {
		send_message(transaction);
	}
}

void transaction_run(struct session *session, struct envelope *envelope, const struct message *message)
{
	struct mime mime;
	struct transaction transaction = {.session = session, .envelope = envelope, .content.mime = &mime};
	if (!choose_form(&transaction, message) || !collect(&transaction))
		return;
	content_open(&transaction.content, session, message);
	print_parameters(&transaction);
	run(&transaction);
	mem_free(transaction.open);
}
