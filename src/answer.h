#ifndef ANSWER_H
#define ANSWER_H

#include "address.h"
#include "text.h"

#include <arpa/nameser.h>

/* How many aliases (CNAMEs) are followed from one name, and so how many names there are on the way (MX-5). */
enum { ALIASES_MAX = 8, CHAIN_MAX = 9 };

/* The names from the one that was looked up to the one where its aliases lead: the last, of which all hangs. */
struct chain {
	char names[CHAIN_MAX][NAME_SIZE];
	size_t aliases;
};

/* How a question ended, or what a message means for it. */
enum dns_status {
	DNS_FOUND,     /* there are such records */
	DNS_NO_DATA,   /* the name exists, but has none */
	DNS_NO_NAME,   /* NXDOMAIN */
	DNS_ALIAS,     /* the message stops at an alias: the end of the chain must be asked about */
	DNS_NOWHERE,   /* the aliases are a loop or too many, or lead to what is no host name */
	DNS_NULL_MX,   /* the only exchanger is the root: no mail is taken (RFC 7505) */
	DNS_NO_ANSWER, /* none that can be relied on, so that somebody else may be asked */
	DNS_NO_MEMORY
};

/* The answer section of a message that belongs to somebody else. */
struct answer {
	const unsigned char *start;
	const unsigned char *end;
	const unsigned char *records;
	size_t count;
	/* The place of answer_next(). */
	const unsigned char *at;
	size_t left;
};

/* One record, whose data are within the message. */
struct record {
	unsigned type;
	char owner[NS_MAXDNAME];
	const unsigned char *data;
	size_t length;
};

/*
 * Reads the answer to a question about the end of `chain` and the type (RFC 1035 section 4.1), and adds to the chain
 * where aliases lead (RFC 1034 section 3.6.2).  With DNS_FOUND, answer_next() gives the records.  It is no answer if
 * the message is malformed or truncated, if its RCODE is neither NOERROR nor NXDOMAIN, and if there are no records in
 * it although its server does not know: because it neither has authority nor asks others, or refers to them (RFC 2308
 * section 2.2).
 */
enum dns_status answer_read(struct answer *answer, struct span message, unsigned type, struct chain *chain);

/* The next record of the type at the end of the chain; false if there is none left. */
bool answer_next(struct answer *answer, unsigned type, const struct chain *chain, struct record *record);

/* The name in the data of an MX or CNAME record as text, with escapes (RFC 1035 section 5.1) and without final dot; the
 * root is an empty string.  It need not be that of a host. */
void answer_name(const struct answer *answer, const struct record *record, char name[NS_MAXDNAME]);

#endif
