#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A server that takes every mail and keeps none. */
struct sink {
	pid_t child;
	uint16_t port; /* of 127.0.0.1 */
};

/* Starts it; false where that is not possible. */
bool sink_open(struct sink *sink);
void sink_close(struct sink *sink);

/* Sends it a mail of that many octets with nothing but write(2), 64 KiB at a time: nobody can be faster. */
bool sink_write_raw(const struct sink *sink, size_t octets);

#endif
