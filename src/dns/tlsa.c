/* SPDX-License-Identifier: ISC */
/*
 * tlsa - TLSA records: what a server's certificates must be, as the DNS says
 *
 * dns.c collects them, starttls.c asks what they demand, dane.c matches them.  RFC 6698 section 2, RFC 7672
 * section 3.1.
 */
#include "dns/tlsa.h"

#include <stdio.h>

/* What stands before the data of a record here: its length; and before those of the certificate in a record. */
enum { LENGTH_SIZE = 2, FIELDS_SIZE = 3 };

void tlsa_add(struct buf *records, const unsigned char *data, size_t length)
{
	buf_octet(records, (char)(length >> 8));
	buf_octet(records, (char)(length & 0xff));
	buf_add(records, data, length);
}

bool tlsa_read(struct span octets, struct tlsa *record)
{
	const unsigned char *at = (const unsigned char *)octets.data;
	if (octets.length < FIELDS_SIZE)
		return false;
	*record = (struct tlsa){.usage = at[0],
				.selector = at[1],
				.matching = at[2],
				.data = {octets.data + FIELDS_SIZE, octets.length - FIELDS_SIZE}};
	return true;
}

bool tlsa_next(struct span *records, struct tlsa *record)
{
	const unsigned char *at = (const unsigned char *)records->data;
	if (records->length < LENGTH_SIZE)
		return false;
	struct span octets = {records->data + LENGTH_SIZE, (size_t)at[0] << 8 | at[1]};
	if (octets.length > records->length - LENGTH_SIZE || !tlsa_read(octets, record))
		return false;
	records->data += LENGTH_SIZE + octets.length;
	records->length -= LENGTH_SIZE + octets.length;
	return true;
}

bool tlsa_is_usable(const struct tlsa *record)
{
	static const size_t lengths[] = {[TLSA_FULL] = 0, [TLSA_SHA256] = 32, [TLSA_SHA512] = 64};
	if (record->usage != TLSA_DANE_TA && record->usage != TLSA_DANE_EE)
		return false;
	if (record->selector > TLSA_KEY || record->matching > TLSA_SHA512 || record->data.length == 0)
		return false;
	return record->matching == TLSA_FULL || record->data.length == lengths[record->matching];
}

bool tlsa_any_usable(struct span records)
{
	struct tlsa record;
	while (tlsa_next(&records, &record))
		if (tlsa_is_usable(&record))
			return true;
	return false;
}

void tlsa_print(const struct tlsa *record, char text[TLSA_TEXT_SIZE])
{
	enum { SHOWN = 64 };
	bool whole = record->data.length <= SHOWN;
	size_t shown = whole ? record->data.length : SHOWN;
	size_t used =
		(size_t)snprintf(text, TLSA_TEXT_SIZE, "%u %u %u ", record->usage, record->selector, record->matching);
	for (size_t i = 0; i < shown; i++)
		used += (size_t)snprintf(text + used, TLSA_TEXT_SIZE - used, "%02x",
					 (unsigned)(unsigned char)record->data.data[i]);
	snprintf(text + used, TLSA_TEXT_SIZE - used, "%s%s", whole ? "" : "...",
		 tlsa_is_usable(record) ? "" : " (not usable)");
}
