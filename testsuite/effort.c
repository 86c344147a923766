/* SPDX-License-Identifier: ISC */
/*
 * effort - counts the work of the pure floors, so that a test can compare two amounts on any machine
 *
 * They are compiled with -fsanitize-coverage=trace-pc, which calls the first function at each basic block, and with macros
 * that replace the library functions that read or write many octets.  This file is compiled without both.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned long effort;

void __sanitizer_cov_trace_pc(void);
void *counted_memchr(const void *octets, int octet, size_t length);
int counted_memcmp(const void *one, const void *other, size_t length);
int counted_snprintf(char *text, size_t size, const char *format, ...);

void __sanitizer_cov_trace_pc(void)
{
	effort++;
}

void *counted_memchr(const void *octets, int octet, size_t length)
{
	char *found = memchr(octets, octet, length);
	effort += found ? (size_t)(found - (const char *)octets) : length;
	return found;
}

int counted_memcmp(const void *one, const void *other, size_t length)
{
	effort += length;
	return memcmp(one, other, length);
}

int counted_snprintf(char *text, size_t size, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, size, format, arguments);
	va_end(arguments);
	effort += (size_t)length;
	return length;
}
