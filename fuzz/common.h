/* SPDX-License-Identifier: ISC */
#ifndef COMMON_H
#define COMMON_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each target defines it: tries one input.  Returns 0; a fault ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, and says which promise was broken where. */
#define MUST(promise) ((promise) ? (void)0 : broken(__FILE__, __LINE__, #promise))
_Noreturn void broken(const char *file, int line, const char *promise);

/* What is left of an input. */
struct input {
	const char *at;
	size_t left;
};

struct input input_of(const uint8_t *data, size_t size);

/* Takes a digit, or the octet that stands in its place: its distance from '0', 0 to 255; 0 at the end. */
unsigned input_digit(struct input *input);

/*
 * Takes the octets up to the next 0xff, which ends them and is dropped, or to the end of the input.  They are a copy
 * that ends where they end, so that a sanitizer notices who reads on.  The caller frees its data.
 */
struct span input_octets(struct input *input);

/* A copy of octets; the caller frees its data. */
struct span copy_of(struct span octets);

/* Whether the octets are the same. */
bool is_same(struct span a, struct span b);

/* Whether octets start with others. */
bool starts_with(struct span octets, struct span start);

/* The first place of a text within octets; NULL if there is none. */
const char *find(struct span octets, const char *text);

/* Whether all of the text is printable: well-formed UTF-8 without control characters, except LF. */
bool is_printable(struct span text);

/* A reply, as another reader than src/smtp/reply.c understands it. */
struct plain_reply {
	enum { PLAIN_INCOMPLETE, PLAIN_COMPLETE, PLAIN_MALFORMED } state;
	int code;
	size_t length; /* of its lines, their ends and an empty line before them included */
};

/* Reads the reply that the octets begin with. */
struct plain_reply plain_reply_read(struct span octets);

/* The message with CR LF for each CR, LF or CR LF, and at its end, as another reader than src/base/lines.c has it; the
 * caller frees its data. */
struct span plain_canonical(struct span message);

#endif
