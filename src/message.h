#ifndef MESSAGE_H
#define MESSAGE_H

#include "body.h"
#include "report.h"

/* The message file, mapped into memory. */
struct message {
	struct span octets; /* from the descriptor's offset to the end of the file */
	struct body_facts facts;
	void *map; /* NULL for an empty message */
	size_t map_length;
};

/*
 * Maps what the descriptor holds: it must be a regular file that is open for reading.  Returns false, with Z 4.3.0 in
 * `failure`, where it is not.
 */
bool message_open(struct message *message, int descriptor, struct report *failure);

void message_close(struct message *message);

#endif
