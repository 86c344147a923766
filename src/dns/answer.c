/* SPDX-License-Identifier: ISC */
/*
 * answer - the octets of a DNS message to what they mean
 *
 * dns.c asks the questions; this file decides whether a message is an answer, and where its aliases lead.  RFC 1034
 * section 3.6.2, RFC 1035 section 4.1, RFC 2308 section 2.2.
 */
#include "dns/answer.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

/* Fixed sizes, and bits of the header (RFC 1035 section 4.1). */
enum {
	HEADER_SIZE = 12,
	FIXED_SIZE = 10,
	TLSA_FIELDS = 3,
	RESPONSE = 0x80,
	OPCODE = 0x78,
	AUTHORITATIVE = 0x04,
	TRUNCATED = 0x02,
	RECURSION = 0x80,
	AUTHENTIC = 0x20,
	RCODE = 0x0f
};

static unsigned number_at(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* A name as text, empty for the root; returns how many octets it has at its place, or less than 0 if it is malformed.
 */
static int expand(const struct answer *answer, const unsigned char *at, char name[NS_MAXDNAME])
{
	return dn_expand(answer->start, answer->end, at, name, NS_MAXDNAME);
}

/* Reads the record at the current place and moves past it; false if it does not fit into the message. */
static bool read_record(struct answer *answer, struct record *record)
{
	int owner = expand(answer, answer->at, record->owner);
	if (owner < 0 || answer->end - answer->at - owner < FIXED_SIZE)
		return false;
	const unsigned char *fixed = answer->at + owner;
	record->type = number_at(fixed + 2) == ns_c_in ? number_at(fixed) : ns_t_invalid;
	record->length = number_at(fixed + 8);
	record->data = fixed + FIXED_SIZE;
	if ((size_t)(answer->end - record->data) < record->length)
		return false;
	answer->at = record->data + record->length;
	return true;
}

static void rewind_to_first(struct answer *answer)
{
	answer->at = answer->records;
	answer->left = answer->count;
}

/* The next record of the type that belongs to the name. */
static bool find_next(struct answer *answer, unsigned type, const char *name, struct record *record)
{
	while (answer->left > 0 && read_record(answer, record)) {
		answer->left--;
		if (record->type == type && span_equal(span_of(record->owner), span_of(name)))
			return true;
	}
	return false;
}

static bool find(struct answer *answer, unsigned type, const char *name, struct record *record)
{
	rewind_to_first(answer);
	return find_next(answer, type, name, record);
}

/* Where the name is in the data of an MX or CNAME record. */
static size_t name_offset(const struct record *record)
{
	return record->type == ns_t_mx ? NS_INT16SZ : 0;
}

/* Whether the data have the form of their type, where they are used. */
static bool is_well_formed(const struct answer *answer, const struct record *record)
{
	const size_t offset = name_offset(record);
	char name[NS_MAXDNAME];
	switch (record->type) {
	case ns_t_a:
		return record->length == NS_INADDRSZ;
	case ns_t_aaaa:
		return record->length == NS_IN6ADDRSZ;
	case ns_t_mx:
	case ns_t_cname:
		return record->length > offset &&
		       expand(answer, record->data + offset, name) == (int)(record->length - offset);
	case ns_t_tlsa:
		return record->length >= TLSA_FIELDS;
	default:
		return true;
	}
}

/* Finds the records, and checks that the answer and authority sections are well formed; notes a referral: other
 * servers are named there, without the SOA record that a negative answer has. */
static bool open_answer(struct answer *answer, struct span message, bool *refers)
{
	const unsigned char *start = (const unsigned char *)message.data;
	struct record record;
	bool servers = false;
	bool soa = false;
	if (message.length < HEADER_SIZE || (start[2] & (RESPONSE | OPCODE | TRUNCATED)) != RESPONSE)
		return false;
	*answer = (struct answer){.start = start, .end = start + message.length, .at = start + HEADER_SIZE};
	for (unsigned questions = number_at(start + 4); questions > 0; questions--) {
		int name = dn_skipname(answer->at, answer->end);
		if (name < 0 || answer->end - answer->at - name < 4)
			return false;
		answer->at += name + 4;
	}
	answer->records = answer->at;
	answer->count = number_at(start + 6);
	for (size_t left = answer->count; left > 0; left--)
		if (!read_record(answer, &record) || !is_well_formed(answer, &record))
			return false;
	for (unsigned left = number_at(start + 8); left > 0; left--) {
		if (!read_record(answer, &record))
			return false;
		servers = servers || record.type == ns_t_ns;
		soa = soa || record.type == ns_t_soa;
	}
	*refers = servers && !soa;
	return true;
}

/* Follows an alias; false if that is a loop, one too many, or leads to a name that is not a host name. */
static bool add_alias(const struct answer *answer, const struct record *record, struct chain *chain)
{
	char target[NS_MAXDNAME];
	if (chain->aliases == ALIASES_MAX)
		return false;
	char *name = chain->names[chain->aliases + 1];
	answer_name(answer, record, target);
	if (!name_copy(span_of(target), name))
		return false;
	for (size_t i = 0; i <= chain->aliases; i++)
		if (strcmp(chain->names[i], name) == 0)
			return false;
	chain->aliases++;
	return true;
}

enum dns_status answer_read(struct answer *answer, struct span message, unsigned type, struct chain *chain)
{
	struct record record;
	bool refers;
	size_t known = chain->aliases;
	if (!open_answer(answer, message, &refers))
		return DNS_NO_ANSWER;
	unsigned rcode = answer->start[3] & RCODE;
	bool authoritative = answer->start[2] & AUTHORITATIVE;
	bool lame = !authoritative && !(answer->start[3] & RECURSION);
	if ((rcode != ns_r_noerror && rcode != ns_r_nxdomain) || (rcode == ns_r_nxdomain && lame))
		return DNS_NO_ANSWER;
	while (!find(answer, type, chain->names[chain->aliases], &record)) {
		if (find(answer, ns_t_cname, chain->names[chain->aliases], &record)) {
			if (!add_alias(answer, &record, chain))
				return DNS_NOWHERE;
		} else if (rcode == ns_r_nxdomain) {
			return DNS_NO_NAME;
		} else if (chain->aliases > known) {
			return DNS_ALIAS;
		} else {
			return lame || (refers && !authoritative) ? DNS_NO_ANSWER : DNS_NO_DATA;
		}
	}
	rewind_to_first(answer);
	return DNS_FOUND;
}

bool answer_is_authentic(struct span message)
{
	return message.length >= HEADER_SIZE && (message.data[3] & AUTHENTIC);
}

void answer_explain(struct span message, enum dns_status status, char text[ANSWER_TEXT_SIZE])
{
	static const char *const rcodes[RCODE + 1] = {"NOERROR",  "FORMERR", "SERVFAIL",
						      "NXDOMAIN", "NOTIMP",  "REFUSED"};
	static const char *const meanings[] = {
		[DNS_FOUND] = "",
		[DNS_NO_DATA] = ", no such record",
		[DNS_NO_NAME] = "",
		[DNS_ALIAS] = ", only an alias",
		[DNS_NOWHERE] = ", but the aliases lead to no host",
		[DNS_NULL_MX] = "",
		[DNS_NO_ANSWER] = ", which is no usable answer",
		[DNS_NO_MEMORY] = "",
	};
	unsigned rcode = message.length < HEADER_SIZE ? 0 : (unsigned)message.data[3] & RCODE;
	if (rcodes[rcode])
		snprintf(text, ANSWER_TEXT_SIZE, "says %s%s", rcodes[rcode], meanings[status]);
	else
		snprintf(text, ANSWER_TEXT_SIZE, "says RCODE %u%s", rcode, meanings[status]);
}

bool answer_next(struct answer *answer, unsigned type, const struct chain *chain, struct record *record)
{
	return find_next(answer, type, chain->names[chain->aliases], record);
}

void answer_name(const struct answer *answer, const struct record *record, char name[NS_MAXDNAME])
{
	expand(answer, record->data + name_offset(record), name);
}
