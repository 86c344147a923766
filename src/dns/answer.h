/* SPDX-License-Identifier: ISC */
#ifndef ANSWER_H
#define ANSWER_H

#include "base/address.h"
#include "base/text.h"

#include <arpa/nameser.h>

/* How many aliases (CNAMEs) are followed from one name, and how many names that makes (MX-5). */
enum { ALIASES_MAX = 8, CHAIN_MAX = 9 };

/* Room for what answer_explain() says. */
enum { ANSWER_TEXT_SIZE = 80 };

/* The names from the one that was looked up to the end of its aliases; the last one is the one to ask about. */
struct chain {
	char names[CHAIN_MAX][NAME_SIZE];
	size_t aliases;
};

/* How a question ended, or what a message means for it. */
enum dns_status {
	DNS_FOUND,     /* there are such records */
	DNS_NO_DATA,   /* the name exists, but has none */
	DNS_NO_NAME,   /* NXDOMAIN */
	DNS_ALIAS,     /* the message stops at an alias: ask about the end of the chain */
	DNS_NOWHERE,   /* the aliases form a loop, are too many, or lead to a name that is not a host name */
	DNS_NULL_MX,   /* the only exchanger is the root: the domain accepts no mail (RFC 7505) */
	DNS_NO_ANSWER, /* no usable answer; another server may have one */
	DNS_NO_MEMORY
};

/* The answer section of a message; the octets belong to the caller. */
struct answer {
	const unsigned char *start;
	const unsigned char *end;
	const unsigned char *records;
	size_t count;
	/* The place of answer_next(). */
	const unsigned char *at;
	size_t left;
};

/* One record; its data are within the message. */
struct record {
	unsigned type;
	char owner[NS_MAXDNAME];
	const unsigned char *data;
	size_t length;
};

/*
 * Reads the answer to a question about the end of `chain` and the type (RFC 1035 section 4.1), and adds the aliases in
 * it to the chain (RFC 1034 section 3.6.2).  After DNS_FOUND, answer_next() gives the records.  A message is no answer
 * if it is malformed or truncated, if its RCODE is neither NOERROR nor NXDOMAIN, or if it has no records and its server
 * cannot know: it has no authority and does not ask others, or it refers to others (RFC 2308 section 2.2).
 */
enum dns_status answer_read(struct answer *answer, struct span message, unsigned type, struct chain *chain);

/* Whether its server says that a message, one that answer_read() could read, is authentic (RFC 4035 section 3.2.3). */
bool answer_is_authentic(struct span message);

/* Says in words what a message says: its RCODE and, unless the records tell it, what answer_read() found. */
void answer_explain(struct span message, enum dns_status status, char text[ANSWER_TEXT_SIZE]);

/* The next record of the type at the end of the chain; false if there is none left. */
bool answer_next(struct answer *answer, unsigned type, const struct chain *chain, struct record *record);

/* The name in the data of an MX or CNAME record as text, with escapes (RFC 1035 section 5.1) and without final dot; the
 * root is an empty string.  It need not be a host name. */
void answer_name(const struct answer *answer, const struct record *record, char name[NS_MAXDNAME]);

#endif
