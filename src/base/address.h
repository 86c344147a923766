/* SPDX-License-Identifier: ISC */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* An IPv4 or IPv6 address.  A v4-mapped IPv6 address is kept as the IPv4 address that it maps. */
struct address {
	int family; /* AF_INET: 4 octets, AF_INET6: 16 octets */
	unsigned char octets[16];
};

/* The addresses that connections come from; the family is 0 where the kernel chooses. */
struct sources {
	struct address ipv4;
	struct address ipv6;
};

/* Which families of addresses are used, the one that comes first first: AF_INET, AF_INET6; 0 for none. */
struct families {
	int order[2];
};

/* WHERE_SIZE is room for "[ADDRESS]:PORT". */
enum { ADDRESS_TEXT_SIZE = 46, WHERE_SIZE = ADDRESS_TEXT_SIZE + 8, NAME_SIZE = 256, MAILBOX_MAX = 4096 };

/* A DNS server that is asked; `trusted`: what it says about whether an answer is authentic counts. */
struct dns_server {
	struct address address;
	uint16_t port;
	bool trusted;
};

/* Makes an address from the octets of an A (AF_INET) or AAAA (AF_INET6) record. */
struct address address_of(int family, const void *octets);

bool address_equal(const struct address *a, const struct address *b);

/* The text of an address, without brackets. */
void address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* Reads a plain IPv4 or IPv6 address; false if it is neither. */
bool address_parse(struct span text, struct address *address);

/* Reads a plain address of this family, AF_INET or AF_INET6; false if it is anything else. */
bool address_parse_family(struct span text, int family, struct address *address);

/* Reads [IPv4], [IPv6] or [IPv6:IPv6] (RFC 5321 section 4.1.3); false if it is something else. */
bool address_parse_literal(struct span text, struct address *address);

/* Whether the text is an address literal for SMTP commands: [IPv4] or [IPv6:IPv6], never an IPv6 one without its
 * tag. */
bool address_is_smtp_literal(struct span text);

/* Reads `ipv4`, `ipv6`, `ipv4,ipv6` or `ipv6,ipv4`; false if it is anything else. */
bool families_parse(struct span text, struct families *families);

/* Whether the address is one of this machine's loopback: 127.0.0.0/8, ::1. */
bool address_is_loopback(const struct address *address);

/* Whether the address always means this machine: 0.0.0.0, ::, 127.0.0.0/8, ::1. */
bool address_is_self(const struct address *address);

/*
 * Whether the text is a name that can be looked up in the DNS: labels of 1 to 63 letters, digits, `-` and `_`,
 * separated by dots, at most 253 octets, no dot at either end.
 */
bool name_is_valid(struct span name);

/* Whether the text has the form of a name that may have characters beyond ASCII, in UTF-8, and labels of any length. */
bool name_is_well_formed(struct span name);

/* The name without its final dot, if it has one. */
struct span name_trim(struct span text);

/* Copies a valid name, lower-cased and without a final dot, as a string; false, and an empty string, if it is not
 * valid. */
bool name_copy(struct span text, char name[NAME_SIZE]);

/* Splits ADDRESS, ADDRESS:PORT, NAME:PORT at the first colon outside brackets; `rest` as in span_split(). */
struct span name_split(struct span text, struct span *rest);

/*
 * Turns an address in qmail's internal form (addresses(5)) into the path of MAIL or RCPT (RFC 5321 section 4.1.2),
 * angle brackets included: a local part that is not a dot-string is quoted, an IPv6 literal gets its tag, and a domain
 * name loses its final dot.  The text after the last @ is the domain; without @ all is local part.  `utf8` tells
 * whether it needs SMTPUTF8 (RFC 6531).  False, with nothing appended, for an invalid address (see ADR-3 in the manual
 * page), such as one of more than MAILBOX_MAX octets.
 */
bool mailbox_encode(struct buf *path, struct span mailbox, bool *utf8);

#endif
