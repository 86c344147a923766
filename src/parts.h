#ifndef PARTS_H
#define PARTS_H

#include <stdbool.h>
#include <stdint.h>

/* What a cipher suite is made of.  GnuTLS chooses suites by the first three; a word of OpenSSL's may choose by any. */
enum suite_part { PART_KEY, PART_ENC, PART_MAC, PART_VERSION, PART_USE, PARTS };

/* Key exchange and authentication; in TLS 1.3 the suite says nothing of them. */
enum suite_key {
	KEY_TLS13 = 1 << 0,
	KEY_RSA = 1 << 1,
	KEY_DHE_RSA = 1 << 2,
	KEY_DHE_DSS = 1 << 3,
	KEY_ANON_DH = 1 << 4,
	KEY_ECDHE_RSA = 1 << 5,
	KEY_ECDHE_ECDSA = 1 << 6,
	KEY_ANON_ECDH = 1 << 7,
	KEY_PSK = 1 << 8,
	KEY_DHE_PSK = 1 << 9,
	KEY_ECDHE_PSK = 1 << 10,
	KEY_RSA_PSK = 1 << 11,
	KEY_SRP = 1 << 12,
	KEY_SRP_RSA = 1 << 13,
	KEY_SRP_DSS = 1 << 14,
	KEYS_ANON = KEY_ANON_DH | KEY_ANON_ECDH,
	KEYS_DHE = KEY_DHE_RSA | KEY_DHE_DSS,
	KEYS_ECDHE = KEY_ECDHE_RSA | KEY_ECDHE_ECDSA,
	KEYS_PSK = KEY_PSK | KEY_DHE_PSK | KEY_ECDHE_PSK | KEY_RSA_PSK,
	KEYS_SRP = KEY_SRP | KEY_SRP_RSA | KEY_SRP_DSS,
	KEYS_DSS = KEY_DHE_DSS | KEY_SRP_DSS,
	KEYS_FORWARD_SECRET = KEY_TLS13 | KEYS_DHE | KEYS_ECDHE | KEY_DHE_PSK | KEY_ECDHE_PSK,
	KEYS_TLS12 = KEY_RSA | KEYS_ANON | KEYS_DHE | KEYS_ECDHE | KEYS_PSK | KEYS_SRP,
	KEYS_ALL = KEYS_TLS12 | KEY_TLS13
};

enum suite_enc {
	ENC_NULL = 1 << 0,
	ENC_AES128_CBC = 1 << 1,
	ENC_AES256_CBC = 1 << 2,
	ENC_AES128_GCM = 1 << 3,
	ENC_AES256_GCM = 1 << 4,
	ENC_AES128_CCM = 1 << 5,
	ENC_AES256_CCM = 1 << 6,
	ENC_AES128_CCM8 = 1 << 7,
	ENC_AES256_CCM8 = 1 << 8,
	ENC_CAMELLIA128 = 1 << 9,
	ENC_CAMELLIA256 = 1 << 10,
	ENC_CHACHA20 = 1 << 11,
	ENCS_AES128 = ENC_AES128_CBC | ENC_AES128_GCM | ENC_AES128_CCM | ENC_AES128_CCM8,
	ENCS_AES256 = ENC_AES256_CBC | ENC_AES256_GCM | ENC_AES256_CCM | ENC_AES256_CCM8,
	ENCS_CCM8 = ENC_AES128_CCM8 | ENC_AES256_CCM8,
	ENCS_CCM = ENC_AES128_CCM | ENC_AES256_CCM | ENCS_CCM8,
	ENCS_CAMELLIA = ENC_CAMELLIA128 | ENC_CAMELLIA256,
	ENCS_128 = ENCS_AES128 | ENC_CAMELLIA128,
	ENCS_256 = ENCS_AES256 | ENC_CAMELLIA256 | ENC_CHACHA20,
	ENCS_ALL = ENCS_128 | ENCS_256 | ENC_NULL
};

enum suite_mac {
	MAC_AEAD = 1 << 0, /* the cipher does it */
	MAC_MD5 = 1 << 1,
	MAC_SHA1 = 1 << 2,
	MAC_SHA256 = 1 << 3,
	MAC_SHA384 = 1 << 4,
	MACS_ALL = MAC_AEAD | MAC_MD5 | MAC_SHA1 | MAC_SHA256 | MAC_SHA384
};

/* The oldest version of the protocol that has the suite.  Those of SSL 3 and TLS 1.0 are in TLS 1.2 too. */
enum suite_version {
	VER_SSL3 = 1 << 0,
	VER_TLS10 = 1 << 1,
	VER_TLS12 = 1 << 2,
	VER_TLS13 = 1 << 3,
	VERS_ALL = VER_SSL3 | VER_TLS10 | VER_TLS12 | VER_TLS13
};

/* Whether OpenSSL's COMPLEMENTOFDEFAULT has the suite; in TLS 1.3, whether it is off unless it is named. */
enum suite_use { USE_USUAL = 1 << 0, USE_EXTRA = 1 << 1, USES_ALL = USE_USUAL | USE_EXTRA };

/* A bit of each part: what one suite is made of.  Several of each: the suites that have nothing but these. */
struct parts {
	uint16_t of[PARTS];
};

/* Every suite. */
extern const struct parts parts_all;

/* All parts, but of one of them only these bits. */
struct parts parts_with(enum suite_part part, uint16_t bits);

/* Whether a suite that is made of these is among the chosen ones. */
bool parts_are_in(const struct parts *suite, const struct parts *chosen);

/* Leaves what both have. */
void parts_intersect(struct parts *parts, const struct parts *other);

/* Adds the other's, which may let in suites that are in neither. */
void parts_unite(struct parts *parts, const struct parts *other);

/* What GnuTLS's priority strings call the suite's key exchange, cipher or MAC; empty for KEY_TLS13. */
const char *parts_name(const struct parts *suite, enum suite_part part);

#endif
