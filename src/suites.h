#ifndef SUITES_H
#define SUITES_H

#include "parts.h"
#include "text.h"

#include <stdint.h>

/* How many suites there are in the table, and room for the longest name, OpenSSL's and IANA's, with its NUL. */
enum { SUITES = 144, SUITE_NAME_SIZE = 32, SUITE_IANA_SIZE = 48 };

struct suite {
	uint16_t id; /* its two octets (RFC 5246 section 7.4.1.2) */
	struct parts parts;
	char name[SUITE_NAME_SIZE]; /* OpenSSL's */
};

/* All that OpenSSL and GnuTLS both have, in the order in which OpenSSL prefers them. */
extern const struct suite suites[SUITES];

/* The suite with this name, OpenSSL's or IANA's, in exactly this spelling; NULL if there is none. */
const struct suite *suite_find(struct span name);

#endif
