/* SPDX-License-Identifier: ISC */
/*
 * buf - growable octets, and the only place that allocates memory
 *
 * Everybody uses it.  Having one allocator lets a test fail the nth allocation and see that the delivery ends
 * with a temporary failure and not with a lost mail.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 256

bool buf_reserve(struct buf *buf, size_t room)
{
	if (buf->failed)
		return false;
	if (buf->capacity - buf->length >= room)
		return true;
	if (room > SIZE_MAX / 2 - buf->length) {
		buf->failed = true;
		return false;
	}
	size_t capacity = buf->capacity < SMALLEST ? SMALLEST : buf->capacity * 2;
	if (capacity < buf->length + room)
		capacity = buf->length + room;
	char *data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void buf_add(struct buf *buf, const void *data, size_t length)
{
	if (length == 0 || !buf_reserve(buf, length))
		return;
	memcpy(buf->data + buf->length, data, length);
	buf->length += length;
}

void buf_string(struct buf *buf, const char *string)
{
	buf_add(buf, string, strlen(string));
}

void buf_octet(struct buf *buf, char octet)
{
	buf_add(buf, &octet, 1);
}

void buf_format(struct buf *buf, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		buf->failed = true;
	if (length < 0 || !buf_reserve(buf, (size_t)length + 1)) /* vsnprintf() ends with a NUL */
		return;
	va_start(arguments, format);
	vsnprintf(buf->data + buf->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buf->length += (size_t)length;
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

void *mem_array(size_t count, size_t size)
{
	return calloc(count, size);
}

void mem_free(void *memory)
{
	free(memory);
}
