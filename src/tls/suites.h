/* SPDX-License-Identifier: ISC */
#ifndef SUITES_H
#define SUITES_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Key exchange and authentication; a suite of TLS 1.3 does not define them. */
enum suite_key {
	KEY_TLS13 = 1 << 0,
	KEY_ECDHE_ECDSA = 1 << 1,
	KEY_ECDHE_RSA = 1 << 2,
	KEY_DHE_RSA = 1 << 3,
	KEY_DHE_DSS = 1 << 4,
	KEY_RSA = 1 << 5,
	KEYS_ECDHE = KEY_ECDHE_ECDSA | KEY_ECDHE_RSA,
	KEYS_DHE = KEY_DHE_RSA | KEY_DHE_DSS,
	KEYS_TLS12 = KEYS_ECDHE | KEYS_DHE | KEY_RSA,
	KEYS_FORWARD_SECRET = KEY_TLS13 | KEYS_ECDHE | KEYS_DHE,
	KEYS_ALL = KEYS_TLS12 | KEY_TLS13
};

enum suite_enc {
	ENC_AES256_GCM = 1 << 0,
	ENC_CHACHA20 = 1 << 1,
	ENC_AES256_CCM = 1 << 2,
	ENC_AES256_CCM8 = 1 << 3,
	ENC_AES256_CBC = 1 << 4,
	ENC_CAMELLIA256 = 1 << 5,
	ENC_AES128_GCM = 1 << 6,
	ENC_AES128_CCM = 1 << 7,
	ENC_AES128_CCM8 = 1 << 8,
	ENC_AES128_CBC = 1 << 9,
	ENC_CAMELLIA128 = 1 << 10,
	ENCS_AES256 = ENC_AES256_GCM | ENC_AES256_CCM | ENC_AES256_CCM8 | ENC_AES256_CBC,
	ENCS_AES128 = ENC_AES128_GCM | ENC_AES128_CCM | ENC_AES128_CCM8 | ENC_AES128_CBC,
	ENCS_CCM8 = ENC_AES256_CCM8 | ENC_AES128_CCM8,
	ENCS_CCM = ENC_AES256_CCM | ENC_AES128_CCM | ENCS_CCM8,
	ENCS_CAMELLIA = ENC_CAMELLIA256 | ENC_CAMELLIA128,
	ENCS_256 = ENCS_AES256 | ENC_CHACHA20 | ENC_CAMELLIA256,
	ENCS_ALL = ENCS_256 | ENCS_AES128 | ENC_CAMELLIA128
};

enum suite_mac {
	MAC_AEAD = 1 << 0, /* included in the cipher */
	MAC_SHA384 = 1 << 1,
	MAC_SHA256 = 1 << 2,
	MAC_SHA1 = 1 << 3,
	MACS_ALL = MAC_AEAD | MAC_SHA384 | MAC_SHA256 | MAC_SHA1
};

/* One bit of each: the parts of a suite.  More bits: a product, all suites that consist of these parts. */
struct parts {
	uint16_t key;
	uint16_t enc;
	uint16_t mac;
};

/* The number of suites in the table, and room for the longest names with their NUL. */
enum { SUITES = 66, SUITE_NAME_SIZE = 32, SUITE_IANA_SIZE = 48 };

struct suite {
	struct parts parts;
	char name[SUITE_NAME_SIZE]; /* OpenSSL's */
	char iana[SUITE_IANA_SIZE]; /* IANA's, for TLS 1.3 the same */
};

extern const struct suite suites[SUITES];

/* Whether the product has the suite. */
bool suite_is_made_of(const struct suite *suite, const struct parts *parts);

/* Whether this is one of its names, in exactly this spelling. */
bool suite_is_called(const struct suite *suite, struct span name);

#endif
