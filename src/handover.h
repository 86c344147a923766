#ifndef HANDOVER_H
#define HANDOVER_H

#include "body.h"
#include "form.h"
#include "message.h"
#include "session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The octets of a message on their way into a session. */
struct handover {
	struct session *session;
	const struct message *message;
	struct form form;
	struct body body;
	struct mime *mime;   /* room for the walk through a message that is recoded: the caller's, for it is large */
	uint64_t chunk_size; /* of every chunk but the last, which may be smaller */
	uint64_t chunk_left; /* octets of the chunk that is being put */
	bool in_chunk;
};

/* Begins with the message in the form that was chosen. */
void handover_open(struct handover *handover, struct session *session, const struct message *message);

/* How many BDAT commands it takes (RFC 3030 section 2). */
uint64_t handover_chunks(const struct handover *handover);

/*
 * Puts a BDAT command and its chunk, as far as there is room; returns whether it was put to its end.  Else it goes on
 * with the next call; a failure is noted if the message changed meanwhile (IN-4), and then its end was not put.
 */
bool handover_put_chunk(struct handover *handover, bool last);

/*
 * The message and the dot behind it, to the end (RFC 5321 section 4.1.1.4).  Returns false where the server spoke
 * before it had all of it, and, with a failure, where it must not get the end.
 */
bool handover_send(struct handover *handover);

#endif
