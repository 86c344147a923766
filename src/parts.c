/*
 * parts - what cipher suites are made of
 *
 * Sets of suites are intersections of sets of parts, for OpenSSL's words (`kDHE+AES`) and for GnuTLS's priority
 * strings alike.  cipherlist.c and ciphers.c work with them.
 */
#include "parts.h"

#include <stddef.h>

/* GnuTLS's names. */
struct part_name {
	uint16_t bit;
	char name[18];
};

static const struct part_name keys[] = {
	{KEY_TLS13, ""},
	{KEY_RSA, "RSA"},
	{KEY_DHE_RSA, "DHE-RSA"},
	{KEY_DHE_DSS, "DHE-DSS"},
	{KEY_ANON_DH, "ANON-DH"},
	{KEY_ECDHE_RSA, "ECDHE-RSA"},
	{KEY_ECDHE_ECDSA, "ECDHE-ECDSA"},
	{KEY_ANON_ECDH, "ANON-ECDH"},
	{KEY_PSK, "PSK"},
	{KEY_DHE_PSK, "DHE-PSK"},
	{KEY_ECDHE_PSK, "ECDHE-PSK"},
	{KEY_RSA_PSK, "RSA-PSK"},
	{KEY_SRP, "SRP"},
	{KEY_SRP_RSA, "SRP-RSA"},
	{KEY_SRP_DSS, "SRP-DSS"},
};

static const struct part_name encs[] = {
	{ENC_NULL, "NULL"},
	{ENC_AES128_CBC, "AES-128-CBC"},
	{ENC_AES256_CBC, "AES-256-CBC"},
	{ENC_AES128_GCM, "AES-128-GCM"},
	{ENC_AES256_GCM, "AES-256-GCM"},
	{ENC_AES128_CCM, "AES-128-CCM"},
	{ENC_AES256_CCM, "AES-256-CCM"},
	{ENC_AES128_CCM8, "AES-128-CCM-8"},
	{ENC_AES256_CCM8, "AES-256-CCM-8"},
	{ENC_CAMELLIA128, "CAMELLIA-128-CBC"},
	{ENC_CAMELLIA256, "CAMELLIA-256-CBC"},
	{ENC_CHACHA20, "CHACHA20-POLY1305"},
};

static const struct part_name macs[] = {
	{MAC_AEAD, "AEAD"}, {MAC_MD5, "MD5"}, {MAC_SHA1, "SHA1"}, {MAC_SHA256, "SHA256"}, {MAC_SHA384, "SHA384"},
};

const struct parts parts_all = {{KEYS_ALL, ENCS_ALL, MACS_ALL, VERS_ALL, USES_ALL}};

struct parts parts_with(enum suite_part part, uint16_t bits)
{
	struct parts parts = parts_all;
	parts.of[part] = bits;
	return parts;
}

bool parts_are_in(const struct parts *suite, const struct parts *chosen)
{
	for (size_t part = 0; part < PARTS; part++)
		if (!(suite->of[part] & chosen->of[part]))
			return false;
	return true;
}

void parts_intersect(struct parts *parts, const struct parts *other)
{
	for (size_t part = 0; part < PARTS; part++)
		parts->of[part] &= other->of[part];
}

void parts_unite(struct parts *parts, const struct parts *other)
{
	for (size_t part = 0; part < PARTS; part++)
		parts->of[part] |= other->of[part];
}

const char *parts_name(const struct parts *suite, enum suite_part part)
{
	const struct part_name *name = part == PART_KEY ? keys : part == PART_ENC ? encs : macs;
	while (name->bit != suite->of[part])
		name++;
	return name->name;
}
