/* SPDX-License-Identifier: ISC */
/*
 * envelope - the arguments to sender and recipients
 *
 * main.c builds it, transaction.c sends it and decides the recipients one after the other.
 */
#include "qmail/envelope.h"

#include "base/address.h"

#include <string.h>

/* qmail's sender of a double bounce, which is sent as the empty one (addresses(5)). */
static const char double_bounce[] = "#@[]";

static void build_sender(struct envelope *envelope, const char *sender)
{
	if (*sender && strcmp(sender, double_bounce) != 0)
		mailbox_encode(&envelope->sender, span_of(sender), &envelope->sender_utf8);
	else
		buf_string(&envelope->sender, "<>");
}

void envelope_build(struct envelope *envelope, const char *sender, char *const *recipients, size_t count)
{
	*envelope = (struct envelope){.recipients = mem_array(count, sizeof(struct recipient))};
	for (size_t i = 0; envelope->recipients && i < count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		recipient->argument = recipients[i];
		envelope->count++;
		if (!mailbox_encode(&recipient->path, span_of(recipients[i]), &recipient->utf8))
			report_write(&recipient->report, 'h', "5.1.3",
				     *recipients[i] ? recipients[i] : "An empty recipient", "is not a valid address.");
	}
	build_sender(envelope, sender);
}

bool envelope_check(const struct envelope *envelope, const char *sender, struct report *failure)
{
	bool memory = envelope->recipients && !envelope->sender.failed;
	for (size_t i = 0; i < envelope->count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];
		memory = memory && !recipient->path.failed && !recipient->report.text.failed;
	}
	if (!memory)
		report_write(failure, 'Z', "4.3.0", "Qremote", "is out of memory.");
	else if (envelope->sender.length == 0)
		report_write(failure, 'D', "5.1.7", sender, "is not a valid sender address.");
	else if (envelope_open_count(envelope) == 0)
		report_write(failure, 'D', "5.1.3", "The message", "has no valid recipient address.");
	return !failure->letter;
}

size_t envelope_open_count(const struct envelope *envelope)
{
	size_t count = 0;
	for (size_t i = 0; i < envelope->count; i++)
		if (!envelope->recipients[i].report.letter)
			count++;
	return count;
}

bool envelope_needs_utf8(const struct envelope *envelope)
{
	bool needed = envelope->sender_utf8;
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope->recipients[i].utf8 && !envelope->recipients[i].report.letter)
			needed = true;
	return needed;
}

bool envelope_reserve(struct envelope *envelope)
{
	size_t room = REPORT_MAX;
	for (size_t i = 0; i < envelope->count; i++) {
		struct report *report = &envelope->recipients[i].report;
		if (report->text.failed || (!report->letter && !buf_reserve(&report->text, REPORT_MAX)))
			return false;
		room += (report->letter ? report->text.length : REPORT_MAX) + 2; /* the letter and the NUL */
	}
	return buf_reserve(&envelope->results, room);
}

void envelope_emit(struct envelope *envelope, const struct report *message)
{
	for (size_t i = 0; i < envelope->count; i++)
		report_emit(&envelope->results, &envelope->recipients[i].report);
	report_emit(&envelope->results, message);
}

void envelope_free(struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++) {
		buf_free(&envelope->recipients[i].path);
		report_free(&envelope->recipients[i].report);
	}
	mem_free(envelope->recipients);
	buf_free(&envelope->sender);
	buf_free(&envelope->results);
	*envelope = (struct envelope){0};
}
