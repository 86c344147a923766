/* SPDX-License-Identifier: ISC */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Growable octets.  A zeroed struct is an empty buffer.  Failure is sticky: once an allocation failed, `failed` stays
 * set, the contents stay, and later additions do nothing; so a caller checks once, at the end.
 */
struct buf {
	char *data; /* owned by the buffer; not ended by a NUL */
	size_t length;
	size_t capacity;
	bool failed;
};

/* Makes room for `room` more octets.  Returns false, and sets `failed`, if memory is short. */
bool buf_reserve(struct buf *buf, size_t room);

/* Append octets, a string without its NUL, one octet, or formatted text (see printf(3)). */
void buf_add(struct buf *buf, const void *data, size_t length);
void buf_string(struct buf *buf, const char *string);
void buf_octet(struct buf *buf, char octet);
void buf_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees the memory; the buffer is empty, and usable, afterwards. */
void buf_free(struct buf *buf);

/* A zeroed array of `count` members of `size` octets, or NULL if memory is short.  Released with mem_free(). */
void *mem_array(size_t count, size_t size);
void mem_free(void *memory);

#endif
