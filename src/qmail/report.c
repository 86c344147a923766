/* SPDX-License-Identifier: ISC */
/*
 * report - outcomes to the octets that qmail-rspawn reads
 *
 * Texts pass text_printable(), so that nothing a server, DNS or an argument says can forge, end or reorder a record.
 */
#include "qmail/report.h"

#include <stdio.h>
#include <string.h>

enum { PART_MAX = 500 };

void report_write(struct report *report, char letter, const char *code, const char *who, const char *what)
{
	struct buf *text = &report->text;
	text->length = 0;
	report->letter = letter;
	snprintf(report->code, sizeof report->code, "%s", code);
	if (*code)
		*report->code = letter == 'D' || letter == 'h' ? '5' : '4';
	text_printable(text, span_of(who), false, PART_MAX);
	buf_octet(text, ' ');
	text_printable(text, span_of(what), false, PART_MAX);
	if (*code)
		buf_format(text, " (#%s)", report->code);
	buf_octet(text, '\n');
}

void report_add_reply(struct report *report, const struct reply *reply)
{
	struct buf *text = &report->text;
	if (reply->length == 0)
		return;
	buf_string(text, "Remote host said: ");
	bool whole = text_printable(text, (struct span){reply->text, reply->length}, true, REPORT_REPLY_MAX);
	if (text->failed || whole)
		return;
	if (text->data[text->length - 1] != '\n')
		buf_octet(text, '\n');
	buf_string(text, "(The reply is longer than is shown here.)\n");
}

void report_give_up(struct report *report, const char *host)
{
	buf_string(&report->text, "Giving up on ");
	text_printable(&report->text, span_of(host), false, PART_MAX);
	buf_string(&report->text, ".\n");
}

void report_move(struct report *to, struct report *from)
{
	report_free(to);
	*to = *from;
	*from = (struct report){0};
}

void report_emit(struct buf *results, const struct report *report)
{
	if (!report->letter)
		return;
	results->failed = results->failed || report->text.failed; /* else those after it would take its place */
	buf_octet(results, report->letter);
	if (report->letter != 'r')
		buf_add(results, report->text.data, report->text.length);
	buf_octet(results, '\0');
}

void report_free(struct report *report)
{
	buf_free(&report->text);
	*report = (struct report){0};
}
