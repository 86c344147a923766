/* SPDX-License-Identifier: ISC */
#ifndef REPLY_H
#define REPLY_H

#include "base/text.h"

#include <stddef.h>

enum { REPLY_LINE_MAX = 4096, REPLY_LINES_MAX = 1000, REPLY_MAX = 65536, REPLY_ENHANCED_SIZE = 12 };

/* One SMTP reply (RFC 5321 section 4.2): its code, and all its lines as they came, each ended by LF. */
struct reply {
	int code; /* 200 to 599 once a line was read, else 0 */
	size_t lines;
	bool skipped; /* an empty line, after the last complete reply */
	size_t length;
	char text[REPLY_MAX];
};

enum reply_state { REPLY_INCOMPLETE, REPLY_COMPLETE, REPLY_MALFORMED };

/* How many octets at the beginning of the input are an empty line, or what has come of one, which some servers send
 * after a reply; 0 if there is none. */
size_t reply_empty_line(struct span input);

/* Makes the struct, which was zeroed first, ready for the next reply. */
void reply_begin(struct reply *reply);

/*
 * Takes whole lines from the octets that came, up to the end of the reply, and says in `used` how many octets these
 * were: what follows belongs to the next reply.  A line ends with LF, with up to two CRs before it; one
 * empty line before the first is skipped, unless `skipped` says that one was, and a TAB after the code is taken for a
 * blank.  Malformed are a line that does not begin with a code, changes it, or is longer than REPLY_LINE_MAX octets
 * (its end not counted), and a reply of more than REPLY_LINES_MAX lines or REPLY_MAX octets.  The text of a malformed
 * reply ends with the beginning of the line that is wrong.
 */
enum reply_state reply_feed(struct reply *reply, struct span input, size_t *used);

/* The first digit of the code. */
int reply_class(const struct reply *reply);

/* Whether it says that the server does not know the command, or not here (RFC 5321 section 4.2.4): 500, 502, 503, 504.
 */
bool reply_is_unknown_command(const struct reply *reply);

/* Copies the enhanced status code (RFC 3463, RFC 2034) that follows the code of the first line; false where there is
 * none of the reply's own class. */
bool reply_enhanced(const struct reply *reply, char code[REPLY_ENHANCED_SIZE]);

#endif
