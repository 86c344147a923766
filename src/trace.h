#ifndef TRACE_H
#define TRACE_H

#include "base/text.h"

/* Where the dialogue is written down, for a person to read.  A descriptor of -1 writes nothing. */
struct trace {
	int descriptor;
};

/*
 * Opens the file that QREMOTE_TRACE in the environment names, to append to it.  There is no trace without that
 * variable, where the file cannot be opened, and where it is the one that `reports` refers to.
 */
struct trace trace_open(int reports);

/*
 * Writes one line an event: the time (UTC), the process, who speaks (`C` client, `S` server, `*` neither), and each
 * line of the text, printable.  Troubles are passed over: a trace never changes a delivery.
 */
void trace_text(const struct trace *trace, char who, struct span text);

/* The same for a formatted text of up to 500 octets. */
void trace_note(const struct trace *trace, char who, const char *format, ...) __attribute__((format(printf, 3, 4)));

void trace_close(struct trace *trace);

#endif
