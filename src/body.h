#ifndef BODY_H
#define BODY_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a message holds, as far as the choice of how to send it depends on that. */
struct body_facts {
	uint64_t size;       /* octets to be sent: each line end as CR LF, the last one added, no dots doubled */
	size_t longest_line; /* octets, its line end not counted */
	bool eightbit;
	bool nul;
};

/* Reads the whole message once. */
struct body_facts body_examine(struct span message);

/* A message on its way out. */
struct body {
	const char *at;
	const char *end;
	const char *next_cr; /* the first CR not before `at`, or `end` */
	bool in_line;        /* something of the line, or the dot doubled for it, was written */
	uint64_t size;       /* octets written so far, doubled dots not counted: in the end those of body_facts */
};

/* Begins with a message, which must stay where it is. */
void body_open(struct body *body, struct span message);

/*
 * Writes as much of the message as fits into `room` octets, in the form that DATA asks for (RFC 5321 sections 2.3.8
 * and 4.5.2): CR LF for every CR, LF or CR LF, and at the end of a non-empty message without; a dot that begins a line
 * doubled.  The final dot is not part of it.  Returns how many octets it wrote; any room of 2 makes progress.
 */
size_t body_encode(struct body *body, char *out, size_t room);

/* Whether all of it was written. */
bool body_is_done(const struct body *body);

#endif
