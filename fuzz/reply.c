/* SPDX-License-Identifier: ISC */
/*
 * reply - octets of a server: src/smtp/reply.c, src/smtp/ehlo.c, and what a report shows of them
 *
 * The input is a digit, the length of the pieces in which the octets come (0: all at once), and the octets.
 */
#include "common.h"

#include "qmail/report.h"
#include "smtp/ehlo.h"
#include "smtp/reply.h"

#include <stdlib.h>
#include <string.h>

/* Feeds the octets as they come, as session.c does: what was not used is fed again.  Returns how many were used. */
static size_t feed(struct reply *reply, struct span octets, size_t piece, enum reply_state *state)
{
	size_t total = 0;
	size_t there = 0;
	reply->skipped = false; /* none came before */
	reply_begin(reply);
	do {
		size_t used;
		there = piece > 0 && there + piece < octets.length ? there + piece : octets.length;
		struct span input = copy_of((struct span){octets.data + total, there - total});
		*state = reply_feed(reply, input, &used);
		free((void *)input.data);
		MUST(used <= there - total);
		total += used;
	} while (*state == REPLY_INCOMPLETE && there < octets.length);
	return total;
}

static void check_reply(const struct reply *reply, enum reply_state state, size_t used, struct span octets)
{
	struct plain_reply plain = plain_reply_read(octets);
	MUST((int)state == (int)plain.state);
	if (state == REPLY_COMPLETE) {
		MUST(used == plain.length && reply->code == plain.code && reply->lines > 0);
		MUST(reply_class(reply) == plain.code / 100);
	}
	MUST(reply->length <= REPLY_MAX);
	MUST(reply->length == 0 || reply->text[reply->length - 1] == '\n');
}

static void check_enhanced(const struct reply *reply)
{
	char code[REPLY_ENHANCED_SIZE];
	if (reply->code == 0 || !reply_enhanced(reply, code))
		return;
	MUST(memchr(code, '\0', sizeof code) && strspn(code, "0123456789.") == strlen(code));
	MUST(code[0] == reply->text[0] && memcmp(code, reply->text + 4, strlen(code)) == 0);
}

/* A report from any reply is printable, and ends with a line end. */
static void check_report(const struct reply *reply)
{
	struct report report = {0};
	struct buf results = {0};
	report_write(&report, 'Z', "4.4.2", "mx.example", "failed.");
	report_add_reply(&report, reply);
	report_give_up(&report, "mx.example");
	report_emit(&results, &report);
	MUST(results.length > 2 && results.length <= REPORT_MAX);
	MUST(results.data[0] == 'Z' && results.data[results.length - 1] == '\0');
	MUST(results.data[results.length - 2] == '\n');
	MUST(is_printable((struct span){results.data, results.length - 1}));
	report_free(&report);
	buf_free(&results);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reply reply, again;
	struct input input = input_of(data, size);
	size_t piece = input_digit(&input);
	struct span octets = copy_of((struct span){input.at, input.left});
	enum reply_state state, state_again;
	size_t used = feed(&reply, octets, 0, &state);
	check_reply(&reply, state, used, octets);
	feed(&again, octets, piece, &state_again);
	MUST(state == state_again && reply.code == again.code && reply.lines == again.lines);
	MUST(state == REPLY_MALFORMED ||
	     is_same((struct span){reply.text, reply.length}, (struct span){again.text, again.length}));
	check_enhanced(&reply);
	check_report(&reply);
	if (state == REPLY_COMPLETE) {
		struct capabilities offers = ehlo_parse(&reply);
		MUST(offers.size || offers.size_limit == 0);
	}
	free((void *)octets.data);
	return 0;
}
