/*
 * cipherlist - the language of OpenSSL's cipher lists
 *
 * ciphers.c reads tlsclientciphers with it.  ciphers(1) of OpenSSL 3.0 defines the language; where that leaves
 * something open, what `openssl ciphers` prints decides, but a word that OpenSSL would pass over in silence is an error
 * here.  There is one list of all suites, each of which is on, off or dead, and every rule moves some of them to an end
 * of it; so a suite that is off remembers its place.
 */
#include "cipherlist.h"

#include "cipherwords.h"

#include <string.h>

enum { OFF, ON, DEAD, LEVELS = 6 };

#define SEPARATORS " \t:,;"
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="

static const char no_string[] = "is no cipher string.";

/* Words for whole lists.  They come first; behind those of Suite B (RFC 6460) OpenSSL looks at nothing more. */
static const struct preset {
	const char *word;
	const char *list;
	const char *demands; /* NULL for nothing special */
} presets[] = {
	{"DEFAULT", "ALL:!COMPLEMENTOFDEFAULT:!eNULL", NULL},
	{"SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
	 "+GROUP-SECP256R1:+GROUP-SECP384R1:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:"
	 "+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP384R1-SHA384:%PROFILE_SUITEB128"},
	{"SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256",
	 "+GROUP-SECP256R1:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:%PROFILE_SUITEB128"},
	{"SUITEB128C2", "ECDHE-ECDSA-AES256-GCM-SHA384",
	 "+GROUP-SECP384R1:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP384R1-SHA384:%PROFILE_SUITEB192"},
	{"SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384",
	 "+GROUP-SECP384R1:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP384R1-SHA384:%PROFILE_SUITEB192"},
};

/* SSL_CTX_set_security_level(3), as far as it speaks of suites; GnuTLS's profiles do the rest. */
static const struct level {
	const char *demands;
	struct parts allowed;
} levels[LEVELS] = {
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_VERY_WEAK", {{KEYS_ALL, ENCS_ALL, MACS_ALL, VERS_ALL, USES_ALL}}},
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_LOW",
	 {{KEYS_ALL & ~KEYS_ANON, ENCS_ALL & ~ENC_NULL, MACS_ALL & ~MAC_MD5, VERS_ALL, USES_ALL}}},
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_MEDIUM",
	 {{KEYS_ALL & ~KEYS_ANON, ENCS_ALL & ~ENC_NULL, MACS_ALL & ~MAC_MD5, VERS_ALL, USES_ALL}}},
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_HIGH",
	 {{KEYS_FORWARD_SECRET, ENCS_ALL & ~ENC_NULL, MACS_ALL & ~MAC_MD5, VERS_ALL, USES_ALL}}},
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_ULTRA",
	 {{KEYS_FORWARD_SECRET, ENCS_256, MACS_ALL & ~(MAC_MD5 | MAC_SHA1), VERS_ALL, USES_ALL}}},
	{"+GROUP-ALL:+SIGN-ALL:%PROFILE_FUTURE",
	 {{KEYS_FORWARD_SECRET, ENCS_256, MACS_ALL & ~(MAC_MD5 | MAC_SHA1), VERS_ALL, USES_ALL}}},
};

/* Without a level nothing is forbidden, and certificates and groups must be as good as for NORMAL. */
static const char usual_demands[] = "+GROUP-ALL:+SIGN-ALL:%PROFILE_LOW";

/* How many of the first octets are among these. */
static size_t count_octets(struct span text, const char *octets)
{
	size_t count = 0;
	while (count < text.length && memchr(octets, text.data[count], strlen(octets)))
		count++;
	return count;
}

static struct span take_octets(struct span *text, size_t count)
{
	struct span taken = {text->data, count};
	*text = (struct span){text->data + count, text->length - count};
	return taken;
}

/* Puts the chosen suites that are in state `from` into state `to`, and at the end of the list, or at its beginning;
 * they keep their order. */
static void move(struct cipherlist *list, const struct parts *chosen, uint8_t from, uint8_t to, bool to_front)
{
	uint8_t moved[SUITES];
	uint8_t others[SUITES];
	size_t count = 0;
	for (size_t i = 0; i < SUITES; i++) {
		uint8_t suite = list->order[i];
		if (list->state[suite] == from && parts_are_in(&suites[suite].parts, chosen)) {
			moved[count++] = suite;
			list->state[suite] = to;
		} else {
			others[i - count] = suite;
		}
	}
	memcpy(list->order + (to_front ? 0 : SUITES - count), moved, count);
	memcpy(list->order + (to_front ? count : 0), others, SUITES - count);
}

static void add(struct cipherlist *list, const struct parts *chosen)
{
	/* The first suite of TLS 1.3 that is named takes the place of the usual ones.  Two with a + are none. */
	struct parts tls13 = parts_with(PART_KEY, KEY_TLS13);
	if (chosen->of[PART_KEY] == KEY_TLS13 && chosen->of[PART_ENC] && !list->names_tls13) {
		move(list, &tls13, ON, OFF, true);
		list->names_tls13 = true;
	}
	move(list, chosen, OFF, ON, false);
}

static void sort_by_strength(struct cipherlist *list)
{
	static const uint16_t classes[] = {ENCS_256, ENCS_128, ENC_NULL};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		struct parts chosen = parts_with(PART_ENC, classes[i]);
		move(list, &chosen, ON, ON, false);
	}
}

/* How many suites can be used.  A list in which there is none of TLS 1.2 meant something else than those of TLS 1.3
 * which are there without being named. */
static size_t count_left(const struct cipherlist *list)
{
	size_t count = 0;
	bool meant = list->names_tls13;
	for (size_t i = 0; i < SUITES; i++) {
		if (list->state[i] != ON)
			continue;
		const struct parts *parts = &suites[i].parts;
		meant = meant || (parts->of[PART_KEY] != KEY_TLS13 && parts_are_in(parts, list->usable));
		count += parts_are_in(parts, &list->allowed);
	}
	return meant ? count : 0;
}

static const struct preset *find_preset(struct span word)
{
	for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
		if (span_is(word, presets[i].word))
			return &presets[i];
	return NULL;
}

/* Words with + between them: all of them must hold.  Returns what is wrong with which. */
static const char *find_chosen(struct span words, struct parts *chosen, struct span *wrong)
{
	*chosen = parts_all;
	do {
		struct parts parts;
		struct span word = span_split(words, '+', &words);
		if (word.length == 0)
			return no_string;
		if (!cipherwords_find(word, &parts)) {
			*wrong = word;
			return find_preset(word) ? "must be the first word, and stand alone."
						 : "is a word that no OpenSSL ever knew.";
		}
		parts_intersect(chosen, &parts);
	} while (words.data);
	return NULL;
}

/* What stands behind an @. */
static const char *obey(struct cipherlist *list, struct span command)
{
	static const char level[] = "SECLEVEL=";
	size_t length = strlen(level);
	if (span_is(command, "STRENGTH")) {
		sort_by_strength(list);
		return NULL;
	}
	if (command.length != length + 1 || memcmp(command.data, level, length) != 0)
		return no_string;
	unsigned digit = (unsigned)(command.data[length] - '0');
	if (digit >= LEVELS)
		return "is no level from 0 to 5.";
	list->allowed = levels[digit].allowed;
	parts_intersect(&list->allowed, list->usable);
	list->demands = levels[digit].demands;
	return NULL;
}

static void apply(struct cipherlist *list, char sign, const struct parts *chosen)
{
	if (sign == '!') {
		move(list, chosen, ON, DEAD, false);
		move(list, chosen, OFF, DEAD, false);
	} else if (sign == '-') {
		move(list, chosen, ON, OFF, true);
	} else if (sign == '+') {
		move(list, chosen, ON, ON, false);
	} else {
		add(list, chosen);
	}
}

static const char *read_line(struct cipherlist *list, struct span line, struct span *word);

static const char *take_preset(struct cipherlist *list, const struct preset *preset)
{
	struct span word;
	const char *wrong = read_line(list, span_of(preset->list), &word);
	if (preset->demands) {
		list->demands = preset->demands;
		list->closed = "stands behind a word of Suite B, where nothing counts.";
	}
	return wrong;
}

/* Does what a string says; `sign` is what it begins with, or 0.  Returns what is wrong, and with which word of it. */
static const char *read_string(struct cipherlist *list, char sign, struct span words, struct span *word)
{
	struct parts chosen;
	const struct preset *preset = !sign && !list->begun ? find_preset(words) : NULL;
	if (list->closed)
		return list->closed;
	list->begun = true;
	if (preset)
		return take_preset(list, preset);
	if (sign == '@')
		return obey(list, words);
	const char *wrong = find_chosen(words, &chosen, word);
	if (!wrong)
		apply(list, sign, &chosen);
	return wrong;
}

/* Remembers the string that left no suite, since that is the one to complain of. */
static void note_left(struct cipherlist *list, struct span string)
{
	size_t left = count_left(list);
	if (left == 0 && (list->left > 0 || !list->emptied.word.data))
		list->emptied =
			(struct cipherlist_fault){list->line, string, "leaves no cipher suite that can be used."};
	list->left = left;
}

static const char *read_line(struct cipherlist *list, struct span line, struct span *word)
{
	take_octets(&line, count_octets(line, SEPARATORS));
	while (line.length > 0) {
		struct span all = line;
		char sign = memchr("!-+@", *line.data, 4) ? *line.data : '\0';
		take_octets(&line, sign != '\0');
		struct span words = take_octets(&line, count_octets(line, WORD "+"));
		size_t separators = count_octets(line, SEPARATORS);
		*word = (struct span){all.data, all.length - line.length};
		/* A string may follow at once, but not behind a command: there OpenSSL would pass over it. */
		if (words.length == 0 || (sign == '@' && line.length > 0 && separators == 0)) {
			while (word->length < all.length &&
			       !memchr(SEPARATORS, all.data[word->length], strlen(SEPARATORS)))
				word->length++;
			return no_string;
		}
		const char *wrong = read_string(list, sign, words, word);
		if (wrong)
			return wrong;
		note_left(list, *word);
		take_octets(&line, separators);
	}
	return NULL;
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

bool cipherlist_read(struct cipherlist *list, struct span text, const struct parts *usable,
		     struct cipherlist_fault *fault)
{
	*list = (struct cipherlist){.usable = usable, .allowed = *usable, .demands = usual_demands};
	for (uint8_t i = 0; i < SUITES; i++) {
		list->order[i] = i;
		list->state[i] = suites[i].parts.of[PART_KEY] == KEY_TLS13 && suites[i].parts.of[PART_USE] == USE_USUAL;
	}
	struct span line;
	while ((line = cipherlist_take_line(&text, &list->line)).length > 0) {
		fault->line = list->line;
		fault->wrong = read_line(list, line, &fault->word);
		if (fault->wrong)
			return false;
	}
	*fault = list->emptied;
	return list->left > 0;
}

size_t cipherlist_suites(const struct cipherlist *list, uint8_t chosen[SUITES])
{
	struct cipherlist ordered = *list;
	struct parts tls13 = parts_with(PART_KEY, KEY_TLS13);
	size_t count = 0;
	if (!list->names_tls13)
		move(&ordered, &tls13, ON, ON, false);
	for (size_t i = 0; i < SUITES; i++) {
		uint8_t suite = ordered.order[i];
		if (ordered.state[suite] == ON && parts_are_in(&suites[suite].parts, &list->allowed))
			chosen[count++] = suite;
	}
	return count;
}
