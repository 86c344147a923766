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
	uint64_t chunk_size; /* of every chunk but the last; after DATA, the message is one */
	uint64_t chunk_left; /* octets of the chunk that is being put */
	bool in_chunk;
	bool last; /* it ends the message */
};

/* Begins with the message in the form that was chosen. */
void content_open(struct content *content, struct session *session, const struct message *message);

/* How many chunks it has (RFC 3030 section 2); 1 after DATA. */
uint64_t content_chunks(const struct content *content);

/*
 * Puts the next chunk, after its BDAT command, or the message and the dot after it (RFC 5321 section 4.1.1.4), as far
 * as there is room.  True: all of it was put, and the end of the message has left.  False: the next call goes on,
 * unless the session failed.  The end is not put if the message changed meanwhile (IN-4): that is a failure.
 */
bool content_put(struct content *content);

#endif
