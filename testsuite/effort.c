/*
 * effort - counts what the pure floors do, so that a test can compare two amounts of work, whatever machine it runs on
 *
 * They are compiled with -fsanitize-coverage=trace-pc, which calls the first of these at each basic block, and with
 * the names of what would else look at many octets uncounted.  This file is compiled without both.
 */
#include <string.h>

unsigned long effort;

void __sanitizer_cov_trace_pc(void);
void *counted_memchr(const void *octets, int octet, size_t length);
int counted_memcmp(const void *one, const void *other, size_t length);

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
