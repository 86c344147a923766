/* SPDX-License-Identifier: ISC */
#ifndef TLSA_H
#define TLSA_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* The fields of a TLSA record (RFC 6698 section 2.1, RFC 7218). */
enum { TLSA_DANE_TA = 2, TLSA_DANE_EE = 3 };
enum { TLSA_CERTIFICATE, TLSA_KEY };
enum { TLSA_FULL, TLSA_SHA256, TLSA_SHA512 };

struct tlsa {
	unsigned usage;    /* what the data are of: the server's own certificate, or one that it leads to */
	unsigned selector; /* of a whole certificate, or of its public key */
	unsigned matching; /* whether they are that, or a hash of it */
	struct span data;
};

/* Room for what tlsa_print() writes: the longest hash, and more of what is no hash than anybody reads. */
enum { TLSA_TEXT_SIZE = 200 };

/* Appends the data of a record to `records`. */
void tlsa_add(struct buf *records, const unsigned char *data, size_t length);

/* Reads the data of one record; false if they are none. */
bool tlsa_read(struct span octets, struct tlsa *record);

/* Takes the first record from the records; false if there is none left.  Its data are a part of them. */
bool tlsa_next(struct span *records, struct tlsa *record);

/* Whether the record can be matched with a certificate, for SMTP (RFC 7672 section 3.1). */
bool tlsa_is_usable(const struct tlsa *record);

/* Whether one of them can. */
bool tlsa_any_usable(struct span records);

/* The record as in a zone file, cut if it is long; it says so of an unusable one. */
void tlsa_print(const struct tlsa *record, char text[TLSA_TEXT_SIZE]);

#endif
