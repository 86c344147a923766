#ifndef CIPHERS_H
#define CIPHERS_H

#include "buf.h"
#include "suites.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which cipher suites may be negotiated. */
struct ciphers {
	struct span priority;   /* a GnuTLS priority string that is taken as it is; its data is NULL where suites are
				   listed */
	size_t count;           /* of the list */
	uint8_t listed[SUITES]; /* indexes of suites[], the preferred one first */
	const char *demands;    /* what a priority string says of groups, signatures and certificates */
};

/* What is wrong with tlsclientciphers: its line, from 1, or 0 for the file as a whole, and a sentence without its
 * subject, printable. */
struct ciphers_error {
	size_t line;
	char text[160];
};

/* What counts where there is no file: what GnuTLS finds normal, of TLS 1.2 and 1.3. */
void ciphers_default(struct ciphers *ciphers);

/*
 * Reads tlsclientciphers: a list of OpenSSL's, or a GnuTLS priority string, whose words are not judged.  `file` must
 * stay where it is as long as `ciphers` is used.  Returns false where a word is wrong or nothing is left.
 */
bool ciphers_read(struct ciphers *ciphers, struct span file, struct ciphers_error *error);

/*
 * How many narrow priority strings there are besides the wide one: none for a priority string that was taken as it
 * is, else at most as many as suites.  Where the wide one admits no suite that is not listed, there is one, and it
 * says the same.
 */
size_t ciphers_steps(const struct ciphers *ciphers);

/*
 * Appends the priority string of a step, and a NUL.  Step 0 admits every listed suite, and perhaps others, since
 * priority strings combine key exchanges, ciphers and MACs but do not name suites.  (Those without encryption it leaves
 * out if there are any of TLS 1.3: GnuTLS cannot have both.)  Steps 1 to ciphers_steps() each
 * admit listed ones only, and together all of them.  The order is that of the list as far as these parts can say it.
 */
void ciphers_print(const struct ciphers *ciphers, size_t step, struct buf *out);

/* Whether the suite with these two octets may be used: true for any where a priority string decides. */
bool ciphers_allow(const struct ciphers *ciphers, uint16_t id);

#endif
