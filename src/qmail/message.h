/* SPDX-License-Identifier: ISC */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "base/lines.h"
#include "qmail/report.h"

#include <sys/types.h>
#include <time.h>

/* The message file, mapped into memory for as long as the process runs. */
struct message {
	struct span octets; /* from the descriptor's offset to the end of the file */
	struct line_facts facts;
	bool withheld; /* the envelope is tried without it (SYN-7): set by the caller of message_open() */
	int descriptor;
	off_t file_size; /* its time when it was mapped */
	struct timespec modified;
};

/*
 * Maps the descriptor, which must be a regular file that is open for reading, with the size that fstat(2) gives; or a
 * copy of all that comes through it, if it is a pipe or a socket, in a file that nobody else can open.  Returns false,
 * with Z 4.3.0 in `failure`, if it is not.
 */
bool message_open(struct message *message, int descriptor, struct report *failure);

/*
 * Whether the file is unchanged since it was mapped.  The map of a changed file shows what others write, or zeros after
 * its new end.
 */
bool message_is_unchanged(const struct message *message);

#endif
