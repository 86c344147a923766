#ifndef MESSAGE_H
#define MESSAGE_H

#include "base/lines.h"
#include "qmail/report.h"

#include <sys/types.h>
#include <time.h>

/* The message file, mapped into memory. */
struct message {
	struct span octets; /* from the descriptor's offset to the end of the file */
	struct line_facts facts;
	void *map; /* NULL for an empty message */
	size_t map_length;
	int descriptor;
	off_t file_size; /* when it was mapped */
	struct timespec modified;
};

/*
 * Maps what the descriptor holds: it must be a regular file that is open for reading, with the size that it says.
 * Returns false, with Z 4.3.0 in `failure`, where it is not.
 */
bool message_open(struct message *message, int descriptor, struct report *failure);

/*
 * Whether the file is still as it was when it was mapped.  A map of a file that others write to shows what they write,
 * or zeros behind its new end.
 */
bool message_is_unchanged(const struct message *message);

void message_close(struct message *message);

#endif
