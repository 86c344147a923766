/* SPDX-License-Identifier: ISC */
#ifndef CONTENT_H
#define CONTENT_H

#include "qmail/message.h"
#include "smtp/encoder.h"
#include "smtp/form.h"
#include "smtp/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The octets of a message on their way into a session. */
struct content {
	struct session *session;
	const struct message *message;
	struct form form;
	struct encoder encoder;
	struct mime *mime;   /* room for the walk through a message that is recoded: the caller's, for it is large */
	uint64_t chunk_size; /* of every chunk but the last, which may be smaller */
	uint64_t chunk_left; /* octets of the chunk that is being put */
	bool in_chunk;
};

/* How far something was put into the stream. */
enum put {
	PUT_WHOLE,
	PUT_PART,  /* there was no room, or the server spoke before it had all of it */
	PUT_FAILED /* the session failed */
};

/* Begins with the message in the form that was chosen. */
void content_open(struct content *content, struct session *session, const struct message *message);

/* How many BDAT commands it takes (RFC 3030 section 2). */
uint64_t content_chunks(const struct content *content);

/*
 * Puts a BDAT command and its chunk, as far as there is room; PUT_PART goes on with the next call.  The last chunk does
 * not end if the message changed meanwhile (IN-4): that is a failure.
 */
enum put content_put_chunk(struct content *content, bool last);

/*
 * Puts and writes the message and the dot after it (RFC 5321 section 4.1.1.4).  PUT_PART: the server spoke, or the
 * stream broke, before it had all of it.  The end is not put if the message changed meanwhile (IN-4): that is a
 * failure.
 */
enum put content_send(struct content *content);

#endif
