/* SPDX-License-Identifier: ISC */
#ifndef EHLO_H
#define EHLO_H

#include "smtp/reply.h"

#include <stdbool.h>
#include <stdint.h>

/* The mechanisms of authentication that we know, the best first. */
enum { EHLO_MECHANISMS = 4 };
extern const char *const ehlo_mechanisms[EHLO_MECHANISMS];

/* A set of extensions: what the server offers (RFC 5321 section 2.2), nothing after HELO; or what is ignored of that.
 */
struct capabilities {
	bool pipelining;                  /* RFC 2920 */
	bool eightbitmime;                /* RFC 6152 */
	bool smtputf8;                    /* RFC 6531 */
	bool starttls;                    /* RFC 3207 */
	bool chunking;                    /* RFC 3030 */
	bool binarymime;                  /* RFC 3030, only together with CHUNKING */
	bool size;                        /* RFC 1870 */
	uint64_t size_limit;              /* octets; 0: no limit */
	bool auth;                        /* RFC 4954, */
	bool mechanisms[EHLO_MECHANISMS]; /* and by which of these */
};

/* Add the extension, AUTH excepted, or the mechanism with this name, in any case; false if it is none of the above. */
bool ehlo_add(struct capabilities *set, struct span keyword);
bool ehlo_add_mechanism(struct capabilities *set, struct span name);

/* Takes away what is ignored. */
void ehlo_ignore(struct capabilities *offers, const struct capabilities *ignored);

/* Reads the keywords from the lines after the first; unknown keywords and unexpected parameters are skipped. */
struct capabilities ehlo_parse(const struct reply *reply);

#endif
