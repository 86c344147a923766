/* SPDX-License-Identifier: ISC */
#ifndef TCPTO_H
#define TCPTO_H

#include "base/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TCPTO_RECORD = 16, TCPTO_SIZE = 64 * TCPTO_RECORD };

/* The octets of qmail's table of hosts that timed out: `count` records, for IPv4 addresses only. */
struct tcpto {
	size_t count;
	unsigned char records[TCPTO_SIZE];
};

/* The record of an address; TCPTO_SIZE if it has none.  A record is named by its first octet's place in the table. */
size_t tcpto_find(const struct tcpto *table, const struct address *address);

/* Whether the host of a record in the table timed out so often and so lately that it is passed over for `patience`
 * seconds. */
bool tcpto_defers(const struct tcpto *table, size_t record, uint32_t now, uint32_t patience);

/*
 * Changes the record of an address after an attempt to connect, or makes one if it timed out; `now` is the time in
 * seconds.  Returns which record changed; TCPTO_SIZE if none did.
 */
size_t tcpto_note(struct tcpto *table, const struct address *address, bool timed_out, uint32_t now);

#endif
