/* SPDX-License-Identifier: ISC */
/*
 * cipherlist - the language of OpenSSL's cipher lists
 *
 * ciphers.c reads tlsclientciphers with it. ciphers(1) of OpenSSL 3.0 defines the language; where that is unclear, the
 * output of `openssl ciphers` decides.  But an unknown word, which OpenSSL ignores, is an error here.  A list is a set:
 * only the first suite of its order matters, so the operators that move suites to the end (+, @STRENGTH) are accepted
 * and do nothing.
 */
#include "tls/cipherlist.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

/* What a word selects; the rows of one word count together.  Only their own names select suites of TLS 1.3. */
static const struct row {
	char word[20];
	struct parts parts;
} rows[] = {
	{"ALL", {KEYS_TLS12, ENCS_ALL, MACS_ALL}},
	{"HIGH", {KEYS_TLS12, ENCS_ALL, MACS_ALL}},
	{"COMPLEMENTOFDEFAULT", {KEYS_TLS12, ENCS_CCM | ENCS_CAMELLIA, MACS_ALL}},
	{"COMPLEMENTOFDEFAULT", {KEY_DHE_DSS, ENCS_ALL, MACS_ALL}},
	{"FIPS", {KEYS_TLS12, ENC_AES256_GCM | ENC_AES256_CBC | ENC_AES128_GCM | ENC_AES128_CBC, MACS_ALL}},

	{"kRSA", {KEY_RSA, ENCS_ALL, MACS_ALL}},
	{"RSA", {KEY_RSA, ENCS_ALL, MACS_ALL}},
	{"kDHE", {KEYS_DHE, ENCS_ALL, MACS_ALL}},
	{"kEDH", {KEYS_DHE, ENCS_ALL, MACS_ALL}},
	{"DH", {KEYS_DHE, ENCS_ALL, MACS_ALL}},
	{"DHE", {KEYS_DHE, ENCS_ALL, MACS_ALL}},
	{"EDH", {KEYS_DHE, ENCS_ALL, MACS_ALL}},
	{"kECDHE", {KEYS_ECDHE, ENCS_ALL, MACS_ALL}},
	{"kEECDH", {KEYS_ECDHE, ENCS_ALL, MACS_ALL}},
	{"ECDH", {KEYS_ECDHE, ENCS_ALL, MACS_ALL}},
	{"ECDHE", {KEYS_ECDHE, ENCS_ALL, MACS_ALL}},
	{"EECDH", {KEYS_ECDHE, ENCS_ALL, MACS_ALL}},
	{"aRSA", {KEY_RSA | KEY_DHE_RSA | KEY_ECDHE_RSA, ENCS_ALL, MACS_ALL}},
	{"aDSS", {KEY_DHE_DSS, ENCS_ALL, MACS_ALL}},
	{"DSS", {KEY_DHE_DSS, ENCS_ALL, MACS_ALL}},
	{"aECDSA", {KEY_ECDHE_ECDSA, ENCS_ALL, MACS_ALL}},
	{"ECDSA", {KEY_ECDHE_ECDSA, ENCS_ALL, MACS_ALL}},

	{"AES128", {KEYS_TLS12, ENCS_AES128, MACS_ALL}},
	{"AES256", {KEYS_TLS12, ENCS_AES256, MACS_ALL}},
	{"AES", {KEYS_TLS12, ENCS_AES128 | ENCS_AES256, MACS_ALL}},
	{"AESGCM", {KEYS_TLS12, ENC_AES128_GCM | ENC_AES256_GCM, MACS_ALL}},
	{"AESCCM", {KEYS_TLS12, ENCS_CCM, MACS_ALL}},
	{"AESCCM8", {KEYS_TLS12, ENCS_CCM8, MACS_ALL}},
	{"CAMELLIA128", {KEYS_TLS12, ENC_CAMELLIA128, MACS_ALL}},
	{"CAMELLIA256", {KEYS_TLS12, ENC_CAMELLIA256, MACS_ALL}},
	{"CAMELLIA", {KEYS_TLS12, ENCS_CAMELLIA, MACS_ALL}},
	{"CHACHA20", {KEYS_TLS12, ENC_CHACHA20, MACS_ALL}},
	{"CBC", {KEYS_TLS12, ENC_AES128_CBC | ENC_AES256_CBC | ENCS_CAMELLIA, MACS_ALL}},

	{"SHA1", {KEYS_TLS12, ENCS_ALL, MAC_SHA1}},
	{"SHA", {KEYS_TLS12, ENCS_ALL, MAC_SHA1}},
	{"SHA256", {KEYS_TLS12, ENCS_ALL, MAC_SHA256}},
	{"SHA384", {KEYS_TLS12, ENCS_ALL, MAC_SHA384}},

	/* A version selects the suites that it introduced; all of them are in TLS 1.2. */
	{"SSLv3", {KEYS_DHE | KEY_RSA, ENCS_ALL, MAC_SHA1}},
	{"TLSv1", {KEYS_ECDHE, ENCS_ALL, MAC_SHA1}},
	{"TLSv1.0", {KEYS_ECDHE, ENCS_ALL, MAC_SHA1}},
	{"TLSv1.2", {KEYS_TLS12, ENCS_ALL, MAC_AEAD | MAC_SHA256 | MAC_SHA384}},
};

/*
 * Words of older versions of OpenSSL, and parts of its suites' names, that select nothing now, or nothing that is ever
 * offered.  Old lists are full of them, mostly after a `!`.
 */
static const char gone[] =
	"LOW MEDIUM EXP EXPORT EXPORT40 EXPORT56 EXP1024 SSLv2 TLSv1.1 ECCdraft COMPLEMENTOFALL MD5 "
	"DES 3DES RC2 RC4 IDEA SEED FZA ARIA ARIA128 ARIA256 ARIAGCM NULL aNULL eNULL eFZA anon ADH AECDH "
	"kDHr kDHd kDH kECDHr kECDHe kECDH kKRB5 kFZA aDH aECDH aKRB5 aFZA KRB5 PSK kPSK kRSAPSK kDHEPSK kECDHEPSK "
	"aPSK "
	"SRP kSRP aSRP GOST89 GOST89MAC GOST89MAC12 GOST94 GOST12 GOST2001 GOST2012 GOSTR341112 aGOST aGOST01 aGOST12 "
	"aGOST94 kGOST kGOST18 DH ECDH EDH-DSS-CBC-SHA DHE-DSS-CBC-SHA TLS_SHA256_SHA256 TLS_SHA384_SHA384 ";

/* What may follow an @.  The levels are those of SSL_CTX_set_security_level(3) as far as they concern suites;
 * GnuTLS's profiles do the rest. */
static const struct command {
	char string[12];
	const char *profile; /* NULL: it does nothing */
	struct parts allowed;
} commands[] = {
	{"@STRENGTH", NULL, {0}},
	{"@SECLEVEL=0", "%PROFILE_VERY_WEAK", {KEYS_ALL, ENCS_ALL, MACS_ALL}},
	{"@SECLEVEL=1", "%PROFILE_LOW", {KEYS_ALL, ENCS_ALL, MACS_ALL}},
	{"@SECLEVEL=2", "%PROFILE_MEDIUM", {KEYS_ALL, ENCS_ALL, MACS_ALL}},
	{"@SECLEVEL=3", "%PROFILE_HIGH", {KEYS_FORWARD_SECRET, ENCS_ALL, MACS_ALL}},
	{"@SECLEVEL=4", "%PROFILE_ULTRA", {KEYS_FORWARD_SECRET, ENCS_256, MACS_ALL & ~MAC_SHA1}},
	{"@SECLEVEL=5", "%PROFILE_FUTURE", {KEYS_FORWARD_SECRET, ENCS_256, MACS_ALL & ~MAC_SHA1}},
};

/* A list while it is read. */
struct reader {
	unsigned strings;        /* how many there were so far */
	unsigned origin[SUITES]; /* the number of the string that added it, or one of these: */
	bool dead[SUITES];       /* removed for good */
	bool names_tls13;        /* so none of TLS 1.3 is implied */
	const struct command *level;
};

#define IMPLIED (UINT_MAX - 1) /* in TLS 1.3 */
#define ABSENT UINT_MAX

enum { LEVEL_USUAL = 2 }; /* of the commands */

static bool is_among(struct span word, const char *words)
{
	for (const char *at = words; *at; at = strchr(at, ' ') + 1)
		if (strncmp(at, word.data, word.length) == 0 && at[word.length] == ' ')
			return true;
	return false;
}

/* A name with such a part selects nothing, whatever the rest of it. */
static bool is_gone(struct span word)
{
	const char separator = memchr(word.data, '_', word.length) ? '_' : '-';
	bool found = is_among(word, gone);
	while (!found && word.data)
		found = is_among(span_split(word, separator, &word), gone);
	return found;
}

/* Keeps those of the chosen suites that the word selects, too; false if it is unknown. */
static bool choose(struct span word, bool chosen[SUITES])
{
	bool known = is_gone(word);
	for (size_t i = 0; i < SUITES; i++) {
		bool denoted = suite_is_called(&suites[i], word);
		for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
			denoted |= span_is(word, rows[j].word) && suite_is_made_of(&suites[i], &rows[j].parts);
		chosen[i] &= denoted;
		known |= denoted;
	}
	return known;
}

/* Words joined by +: all of them must hold. */
static bool choose_all(struct span words, bool chosen[SUITES])
{
	bool known = true;
	memset(chosen, true, SUITES);
	do
		known = choose(span_split(words, '+', &words), chosen) && known;
	while (words.data);
	return known;
}

static void apply(struct reader *reader, char sign, const bool chosen[SUITES])
{
	for (size_t i = 0; i < SUITES && sign != '+'; i++) {
		if (!chosen[i])
			continue;
		if (sign)
			reader->origin[i] = ABSENT;
		else if (!reader->dead[i] && reader->origin[i] > reader->strings)
			reader->origin[i] = reader->strings;
		reader->dead[i] |= sign == '!';
		reader->names_tls13 |= !sign && suites[i].parts.key == KEY_TLS13;
	}
}

/* Carries out one string; false if it is unknown. */
static bool read_string(struct reader *reader, struct span string)
{
	char sign = memchr("!-+", *string.data, 3) ? *string.data : '\0';
	struct span words = {string.data + (sign != '\0'), string.length - (sign != '\0')};
	bool chosen[SUITES];
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (span_is(string, commands[i].string)) {
			reader->level = commands[i].profile ? &commands[i] : reader->level;
			reader->strings++;
			return true;
		}
	}
	if (reader->strings++ == 0 && span_is(string, "DEFAULT")) {
		choose_all(span_of("COMPLEMENTOFDEFAULT"), chosen);
		apply(reader, '!', chosen);
		words = span_of("ALL");
	}
	bool good = choose_all(words, chosen);
	apply(reader, sign, chosen);
	return good;
}

/* A string ends at a separator, or where an octet begins a new one.  `string` is the last one read. */
static bool read_line(struct reader *reader, struct span line, struct span *string)
{
	static const char ends[] = {' ', '\t', '\r', ':', ',', ';', '!', '@'};
	enum { SEPARATORS = 6 };
	for (size_t start = 0, end; start < line.length; start = end) {
		end = start + 1;
		if (memchr(ends, line.data[start], SEPARATORS))
			continue;
		while (end < line.length && !memchr(ends, line.data[end], sizeof ends))
			end++;
		*string = (struct span){line.data + start, end - start};
		if (!read_string(reader, *string))
			return false;
	}
	return true;
}

/* Takes the result; false if it is empty or has only implied suites, since the list then named others. */
static bool take_suites(const struct reader *reader, struct cipherlist *list)
{
	bool meant = false;
	bool found = false;
	*list = (struct cipherlist){.profile = reader->level->profile};
	for (size_t i = 0; i < SUITES; i++) {
		list->has[i] = reader->origin[i] < (reader->names_tls13 ? IMPLIED : ABSENT) &&
			       suite_is_made_of(&suites[i], &reader->level->allowed);
		meant |= reader->origin[i] < IMPLIED;
		if (list->has[i] && (!found || reader->origin[i] < reader->origin[list->first]))
			list->first = i;
		found |= list->has[i];
	}
	return meant && found;
}

struct span cipherlist_take_line(struct span *text, size_t *number)
{
	while (text->data && text->length > 0) {
		struct span line = span_trim(span_split(*text, '\n', text));
		++*number;
		if (line.length > 0 && line.data[0] != '#')
			return line;
	}
	return (struct span){NULL, 0};
}

bool cipherlist_read(struct cipherlist *list, struct span text, struct cipherlist_fault *fault)
{
	struct reader reader = {.level = &commands[LEVEL_USUAL]};
	struct span line;
	size_t number = 0;
	for (size_t i = 0; i < SUITES; i++)
		reader.origin[i] =
			suites[i].parts.key == KEY_TLS13 && !(suites[i].parts.enc & ENCS_CCM) ? IMPLIED : ABSENT;
	*fault = (struct cipherlist_fault){0};
	while ((line = cipherlist_take_line(&text, &number)).length > 0) {
		fault->line = number;
		if (!read_line(&reader, line, &fault->word)) {
			bool misplaced = span_is(fault->word, "DEFAULT");
			fault->wrong = misplaced ? "must be the first word." : "is not an OpenSSL cipher string.";
			return false;
		}
		fault->word = line;
	}
	fault->wrong = "leaves no cipher suite that can be offered.";
	return take_suites(&reader, list);
}
