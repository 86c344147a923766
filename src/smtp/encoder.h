/* SPDX-License-Identifier: ISC */
#ifndef ENCODER_H
#define ENCODER_H

#include "mime/mime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With this much room, any encoder makes progress. */
enum { ENCODER_ROOM_MIN = 80 };

/* A message while it is being sent. */
struct encoder {
	struct mime *mime; /* gives the pieces of a recoded message, else NULL */
	struct lines rest; /* the rest of the message, or of the current piece */
	enum manner manner;
	bool dots;            /* double a dot that begins a line */
	bool in_line;         /* some of the line, or the dot added to it, was written */
	const char *text_end; /* of the current line, without trailing white space that has no meaning */
	bool owes_lf;         /* the room ended between a CR and its LF */
	bool done;            /* there are no more pieces */
	uint64_t size;        /* octets written so far, doubled dots not counted */
};

/*
 * Begins with an unchanged message, whose octets must stay in place: CR LF for every CR, LF or CR LF, and at the end of
 * a non-empty message without one (RFC 5321 section 2.3.8).  With `dots` in the form for DATA (section 4.5.2), but
 * without the final dot.
 */
void encoder_open(struct encoder *encoder, struct span message, bool dots);

/* Begins with a message that is recoded for DATA; `recoding` was surveyed, and `mime` is memory for the walk. */
void encoder_open_recoded(struct encoder *encoder, struct mime *mime, struct recoding *recoding);

/*
 * Writes as much of the message as fits into `room` octets, and returns how many it wrote.  With ENCODER_ROOM_MIN
 * octets it always makes progress; an unchanged message fills any room to its last octet.
 */
size_t encoder_write(struct encoder *encoder, char *out, size_t room);

/* Whether all of it was written. */
bool encoder_is_done(const struct encoder *encoder);

/* The number of octets of a recoded message, doubled dots not counted: encoder.size at the end. */
uint64_t encoder_recoded_size(struct recoding *recoding);

#endif
