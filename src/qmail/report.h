/* SPDX-License-Identifier: ISC */
#ifndef REPORT_H
#define REPORT_H

#include "smtp/reply.h"

#include <stdbool.h>
#include <stddef.h>

/* Octets of a server's reply that a report keeps, and room for any report, its NUL included. */
enum { REPORT_REPLY_MAX = 5000, REPORT_MAX = REPORT_REPLY_MAX + 1700 };

/*
 * One record of the results: a letter and a text.  Letters for a recipient are r, h and s, for the
 * message K, Z and D; 0 means that nothing is decided.
 */
struct report {
	char letter;
	char code[REPLY_ENHANCED_SIZE]; /* RFC 3463; empty for r and K */
	struct buf text;
};

/*
 * Writes a report: "WHO WHAT (#CODE)", where WHO WHAT make one sentence, its full stop included; `code` may be empty.
 * Its first digit becomes that of the letter's class: 4 with Z and s, 5 with D and h (RES-5).  What was in the report
 * before is replaced.  WHO and WHAT are shown printable and cut at 500 octets each.  Where memory is short, text.failed
 * is set.
 */
void report_write(struct report *report, char letter, const char *code, const char *who, const char *what);

/* Adds "Remote host said: " and all lines of the reply, if it has any, printable; where they are cut, at
 * REPORT_REPLY_MAX octets, a line says so. */
void report_add_reply(struct report *report, const struct reply *reply);

/* Adds the line from which parsers of bounces take the name of the server. */
void report_give_up(struct report *report, const char *host);

/* Puts `from` in place of `to`, and leaves `from` empty. */
void report_move(struct report *to, struct report *from);

/* Appends the octets of one record to the results, its NUL included; nothing where nothing is decided.  If its text
 * could not be kept, the results have failed too. */
void report_emit(struct buf *results, const struct report *report);

void report_free(struct report *report);

#endif
