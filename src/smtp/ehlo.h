/* SPDX-License-Identifier: ISC */
#ifndef EHLO_H
#define EHLO_H

#include "smtp/reply.h"

#include <stdbool.h>
#include <stdint.h>

/* What the server offers (RFC 5321 section 2.2); all false after HELO. */
struct capabilities {
	bool pipelining;     /* RFC 2920 */
	bool eightbitmime;   /* RFC 6152 */
	bool smtputf8;       /* RFC 6531 */
	bool starttls;       /* RFC 3207 */
	bool chunking;       /* RFC 3030 */
	bool binarymime;     /* RFC 3030, only together with CHUNKING */
	bool size;           /* RFC 1870 */
	uint64_t size_limit; /* octets; 0: no limit */
};

/* Reads the keywords from the lines after the first; unknown keywords and unexpected parameters are skipped. */
struct capabilities ehlo_parse(const struct reply *reply);

#endif
