#ifndef ENCODER_H
#define ENCODER_H

#include "mime/mime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room in which an encoder makes progress, whatever it is. */
enum { ENCODER_ROOM_MIN = 80 };

/* A message on its way out. */
struct encoder {
	struct mime *mime; /* names the pieces of one that is recoded, else NULL */
	struct lines rest; /* what is left of the message, or of the piece that leaves now */
	enum manner manner;
	bool dots;            /* a dot that begins a line is doubled */
	bool in_line;         /* something of the line, or the dot doubled for it, was written */
	const char *text_end; /* of the line that is in_line, without the white space that means nothing */
	bool owes_lf;         /* the last octet written is a CR that the message may not have */
	bool done;            /* there is no other piece */
	uint64_t size;        /* octets written so far, doubled dots not counted */
};

/*
 * Begins with a message as it is, which must stay where it is: CR LF for every CR, LF or CR LF, and at the end of a
 * non-empty message without (RFC 5321 section 2.3.8).  With `dots` in the form that DATA asks for (section 4.5.2), but
 * for the final dot.
 */
void encoder_open(struct encoder *encoder, struct span message, bool dots);

/* Begins with a message that is recoded for DATA; `recoding` was surveyed, and `mime` is room for the walk. */
void encoder_open_recoded(struct encoder *encoder, struct mime *mime, struct recoding *recoding);

/*
 * Writes as much of the message as fits into `room` octets, and returns how many it wrote.  A room of ENCODER_ROOM_MIN
 * makes progress, and any room is filled to its last octet by a message that leaves as it is.
 */
size_t encoder_write(struct encoder *encoder, char *out, size_t room);

/* Whether all of it was written. */
bool encoder_is_done(const struct encoder *encoder);

/* The octets that a recoded message has, doubled dots not counted: encoder.size in the end. */
uint64_t encoder_recoded_size(struct recoding *recoding);

#endif
