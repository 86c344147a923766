/* SPDX-License-Identifier: ISC */
/*
 * tcpto - the rules of qmail's table of hosts that timed out
 *
 * timeouts.c reads and writes it, with the octets and the rules of qmail-remote, which shares it: four of the address,
 * a count of up to 10, three unused, four of the time of the last timeout, the lowest first, and four unused.
 */
#include "qmail/tcpto.h"

#include <string.h>
#include <sys/socket.h>

/* Offsets in a record, the highest count, from which count on a host is passed over, and what is too soon to count
 * again, in seconds. */
enum { ADDRESS_SIZE = 4, COUNT = 4, TIME = 8, COUNT_MAX = 10, COUNT_DEFERS = 2, TOO_SOON = 120 };

static uint32_t time_of(const unsigned char *record)
{
	uint32_t time = 0;
	for (int i = 3; i >= 0; i--)
		time = time << 8 | record[TIME + i];
	return time;
}

size_t tcpto_find(const struct tcpto *table, const struct address *address)
{
	for (size_t i = 0; i < table->count && address->family == AF_INET; i++)
		if (memcmp(&table->records[i * TCPTO_RECORD], address->octets, ADDRESS_SIZE) == 0)
			return i * TCPTO_RECORD;
	return TCPTO_SIZE;
}

bool tcpto_defers(const struct tcpto *table, size_t record, uint32_t now, uint32_t patience)
{
	return table->records[record + COUNT] >= COUNT_DEFERS && now - time_of(&table->records[record]) < patience;
}

/* Where a new record goes: the first that is free, else the one that matters least; a timeout more counts like 1,024
 * seconds. */
static size_t find_place(const struct tcpto *table)
{
	size_t place = TCPTO_SIZE;
	uint64_t least = UINT64_MAX;
	for (size_t i = 0; i < table->count; i++) {
		const unsigned char *record = &table->records[i * TCPTO_RECORD];
		uint64_t weight = time_of(record) + ((uint64_t)record[COUNT] << 10);
		if (!record[COUNT])
			return i * TCPTO_RECORD;
		if (weight < least) {
			place = i * TCPTO_RECORD;
			least = weight;
		}
	}
	return place;
}

static void put(unsigned char *record, unsigned count, uint32_t now)
{
	record[COUNT] = (unsigned char)count;
	for (int i = 0; i < 4; i++)
		record[TIME + i] = (unsigned char)(now >> 8 * i);
}

size_t tcpto_note(struct tcpto *table, const struct address *address, bool timed_out, uint32_t now)
{
	size_t place = tcpto_find(table, address);
	unsigned char *record = &table->records[place];
	if (place < TCPTO_SIZE && !timed_out) {
		if (record[COUNT] == 0)
			return TCPTO_SIZE;
		record[COUNT] = 0;
	} else if (place < TCPTO_SIZE) {
		if (record[COUNT] > 0 && now - time_of(record) < TOO_SOON)
			return TCPTO_SIZE;
		put(record, record[COUNT] < COUNT_MAX ? record[COUNT] + 1 : COUNT_MAX, now);
	} else if (timed_out && address->family == AF_INET) {
		place = find_place(table);
		if (place < TCPTO_SIZE) {
			memcpy(&table->records[place], address->octets, ADDRESS_SIZE);
			put(&table->records[place], 1, now);
		}
	}
	return place;
}
