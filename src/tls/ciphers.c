/* SPDX-License-Identifier: ISC */
/*
 * ciphers - tlsclientciphers: OpenSSL's cipher lists for GnuTLS
 *
 * starttls.c asks it what to tell GnuTLS, and whether the negotiated suite is allowed.
 */
#include "tls/ciphers.h"

#include <stdint.h>
#include <string.h>

/* How a priority string begins (GnuTLS manual, Priority Strings), except for @KEYWORD; and OpenSSL's words for Suite
 * B (RFC 6460), which GnuTLS handles: it has some of these words itself, others must be alone in the line. */
static const struct keyword {
	char word[16];
	const char *priority; /* its replacement; NULL: the line is one already */
} keywords[] = {
	{"NONE", NULL},
	{"NORMAL", NULL},
	{"PERFORMANCE", NULL},
	{"SECURE", NULL},
	{"SECURE128", NULL},
	{"SECURE192", NULL},
	{"SECURE256", NULL},
	{"PFS", NULL},
	{"LEGACY", NULL},
	{"SUITEB128", NULL},
	{"SUITEB192", NULL},
	{"SUITEB128ONLY", "SUITEB128:-AES-256-GCM:-GROUP-SECP384R1:-SIGN-ECDSA-SHA384:-SIGN-ECDSA-SECP384R1-SHA384"},
	{"SUITEB128C2", "SUITEB192"},
};

/* GnuTLS's names of the parts, the preferred ones first. */
static const struct name {
	char name[18];
	struct parts parts;
} names[] = {
	{"ECDHE-ECDSA", {.key = KEY_ECDHE_ECDSA}},
	{"ECDHE-RSA", {.key = KEY_ECDHE_RSA}},
	{"DHE-RSA", {.key = KEY_DHE_RSA}},
	{"DHE-DSS", {.key = KEY_DHE_DSS}},
	{"SIGN-DSA-SHA256", {.key = KEY_DHE_DSS}}, /* SIGN-ALL has none for DSS */
	{"SIGN-DSA-SHA1", {.key = KEY_DHE_DSS}},
	{"RSA", {.key = KEY_RSA}},
	{"AES-256-GCM", {.enc = ENC_AES256_GCM}},
	{"CHACHA20-POLY1305", {.enc = ENC_CHACHA20}},
	{"AES-128-GCM", {.enc = ENC_AES128_GCM}},
	{"AES-256-CCM", {.enc = ENC_AES256_CCM}},
	{"AES-128-CCM", {.enc = ENC_AES128_CCM}},
	{"AES-256-CCM-8", {.enc = ENC_AES256_CCM8}},
	{"AES-128-CCM-8", {.enc = ENC_AES128_CCM8}},
	{"AES-256-CBC", {.enc = ENC_AES256_CBC}},
	{"AES-128-CBC", {.enc = ENC_AES128_CBC}},
	{"CAMELLIA-256-CBC", {.enc = ENC_CAMELLIA256}},
	{"CAMELLIA-128-CBC", {.enc = ENC_CAMELLIA128}},
	{"AEAD", {.mac = MAC_AEAD}},
	{"SHA384", {.mac = MAC_SHA384}},
	{"SHA256", {.mac = MAC_SHA256}},
	{"SHA1", {.mac = MAC_SHA1}},
};

void ciphers_default(struct ciphers *ciphers)
{
	*ciphers = (struct ciphers){.priority = span_of("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")};
}

/* Whether the word is OpenSSL's, although it begins like GnuTLS's @KEYWORD. */
static bool is_command(struct span word)
{
	return word.length >= 9 && (memcmp(word.data, "@STRENGTH", 9) == 0 || memcmp(word.data, "@SECLEVEL", 9) == 0);
}

/* Whether the line is for GnuTLS, and which priority string it means; no data if not. */
static struct span find_priority(struct span line)
{
	struct span word = {line.data, 0};
	while (word.length < line.length && !memchr(":,; \t", line.data[word.length], 5))
		word.length++;
	if (word.length > 0 && *word.data == '@' && !is_command(word))
		return line;
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		if (!keywords[i].priority && span_equal(word, span_of(keywords[i].word)))
			return line;
		if (keywords[i].priority && span_is(line, keywords[i].word))
			return span_of(keywords[i].priority);
	}
	return (struct span){NULL, 0};
}

bool ciphers_read(struct ciphers *ciphers, struct span file, struct cipherlist_fault *fault)
{
	struct span rest = file;
	*fault = (struct cipherlist_fault){0};
	fault->word = cipherlist_take_line(&rest, &fault->line);
	*ciphers = (struct ciphers){.priority = find_priority(fault->word)};
	if (!ciphers->priority.data)
		return cipherlist_read(&ciphers->list, file, fault);
	fault->wrong = "is not a GnuTLS priority string.";
	if (memchr(fault->word.data, '\0', fault->word.length))
		return false;
	fault->word = cipherlist_take_line(&rest, &fault->line);
	fault->wrong = "follows a GnuTLS priority string, which must be the only line.";
	return fault->word.length == 0;
}

/* For given key exchanges and MACs: the ciphers with which every suite is listed, and the number of suites they
 * make. */
static size_t complete(const struct cipherlist *list, struct parts *product)
{
	uint16_t listed = 0;
	uint16_t others = 0;
	size_t count = 0;
	for (size_t i = 0; i < SUITES; i++)
		if ((suites[i].parts.key & product->key) && (suites[i].parts.mac & product->mac))
			*(list->has[i] ? &listed : &others) |= suites[i].parts.enc;
	product->enc = listed & (uint16_t)~others;
	for (size_t i = 0; i < SUITES; i++)
		count += suite_is_made_of(&suites[i], product);
	return count;
}

/* The largest product of listed suites that holds the first one. */
static struct parts find_largest(const struct cipherlist *list)
{
	struct parts largest = {0};
	struct parts product;
	size_t most = 0;
	for (product.key = 1; product.key <= KEYS_ALL; product.key++) {
		for (product.mac = 1; product.mac <= MACS_ALL; product.mac++) {
			size_t count = complete(list, &product);
			if (count > most && suite_is_made_of(&suites[list->first], &product)) {
				largest = product;
				most = count;
			}
		}
	}
	return largest;
}

/* The smallest product that holds all listed suites. */
static struct parts find_smallest(const struct cipherlist *list)
{
	struct parts product = {0};
	for (size_t i = 0; i < SUITES; i++) {
		product.key |= list->has[i] ? suites[i].parts.key : 0;
		product.enc |= list->has[i] ? suites[i].parts.enc : 0;
		product.mac |= list->has[i] ? suites[i].parts.mac : 0;
	}
	return product;
}

static void print_parts(const struct parts *parts, struct buf *out)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct parts *part = &names[i].parts;
		if ((part->key & parts->key) || (part->enc & parts->enc) || (part->mac & parts->mac))
			buf_format(out, ":+%s", names[i].name);
	}
}

static void print_list(const struct cipherlist *list, const struct parts *product, struct buf *out)
{
	buf_string(out, "NONE");
	if (product->key & KEY_TLS13)
		buf_string(out, ":+VERS-TLS1.3");
	if (product->key & KEYS_TLS12)
		buf_string(out, ":+VERS-TLS1.2");
	print_parts(&suites[list->first].parts,
		    out); /* first, so it is preferred; repeating it below changes nothing */
	print_parts(product, out);
	buf_format(out, ":+CTYPE-X509:+GROUP-ALL:+SIGN-ALL:%s", list->profile);
}

void ciphers_print(const struct ciphers *ciphers, enum ciphers_offer offer, struct buf *out)
{
	const struct cipherlist *list = &ciphers->list;
	struct parts product = offer == CIPHERS_WIDE ? find_smallest(list) : find_largest(list);
	if (ciphers->priority.data)
		buf_add(out, ciphers->priority.data, ciphers->priority.length);
	else
		print_list(list, &product, out);
	buf_octet(out, '\0');
}

bool ciphers_allow(const struct ciphers *ciphers, struct span name)
{
	for (size_t i = 0; i < SUITES; i++)
		if (ciphers->list.has[i] && suite_is_called(&suites[i], name))
			return true;
	return ciphers->priority.data != NULL;
}
