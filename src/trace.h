/* SPDX-License-Identifier: ISC */
#ifndef TRACE_H
#define TRACE_H

#include "base/text.h"

/* A record of the dialogue, for a person to read.  A descriptor of -1 writes nothing. */
struct trace {
	int descriptor;
	/* trace_note(): a module calls it by this pointer, since its own copy would cost time to load. */
	void (*note)(struct trace *trace, char who, const char *format, ...) __attribute__((format(printf, 3, 4)));
};

/*
 * Opens the file named by QREMOTE_TRACE in the environment, to append to it; /dev/stderr is descriptor 2, which must
 * still be the caller's.  There is no trace without that variable, if the file cannot be opened, or if it is the one
 * that `reports` refers to.
 */
struct trace trace_open(int reports);

/* Whether anything is written: facts that cost something are gathered only then. */
static inline bool trace_is_on(const struct trace *trace)
{
	return trace->descriptor >= 0;
}

/*
 * Writes one line per event: the time (UTC), the process, who speaks (`C` client, `S` server, `*` neither), and each
 * line of the text, printable.  A trace never changes a delivery: after an error, or if the reader takes nothing for a
 * second, it ends.
 */
void trace_text(struct trace *trace, char who, struct span text);

/* The same for a formatted text of up to 500 octets, as a single line. */
void trace_note(struct trace *trace, char who, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
