/*
 * ciphers - tlsclientciphers: OpenSSL's cipher lists for GnuTLS
 *
 * tls.c asks it what to tell GnuTLS, and whether what came out was allowed.  GnuTLS cannot be told which suites: its
 * priority strings give key exchanges, ciphers and MACs, and every suite made of these is offered.  So there is one
 * string that admits all that is listed and maybe more, and there are narrow ones, which admit nothing else, for the
 * case that more comes out.
 */
#include "ciphers.h"

#include "cipherlist.h"
#include "parts.h"

#include <stdio.h>
#include <string.h>

enum { WORD_SHOWN = 60 };

/* What a priority string begins with (GnuTLS manual, Priority Strings), but for @KEYWORD. */
static const char priority_words[][12] = {"NONE",      "NORMAL",    "PERFORMANCE", "SECURE", "SECURE128",
					  "SECURE192", "SECURE256", "PFS",         "LEGACY"};

/* Without shared keys and passwords.  OpenSSL's client would not offer their suites either; and for the sake of some of
 * them GnuTLS would give up TLS 1.3. */
static const struct parts usable = {{KEYS_ALL & ~(KEYS_PSK | KEYS_SRP), ENCS_ALL, MACS_ALL, VERS_ALL, USES_ALL}};

void ciphers_default(struct ciphers *ciphers)
{
	*ciphers = (struct ciphers){.priority = span_of("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")};
}

/* Blanks are allowed in priority strings. */
static bool is_printable(char octet)
{
	return octet >= ' ' && octet <= '~';
}

/* Says what is wrong, with the word cut and made printable. */
static bool refuse(struct ciphers_error *error, const struct cipherlist_fault *fault)
{
	char word[WORD_SHOWN + 1] = "";
	for (size_t i = 0; i < fault->word.length && i < WORD_SHOWN; i++)
		word[i] = is_printable(fault->word.data[i]) ? fault->word.data[i] : '?';
	error->line = fault->line;
	if (fault->word.length > 0)
		snprintf(error->text, sizeof error->text, "is malformed: `%s` %s", word, fault->wrong);
	else
		snprintf(error->text, sizeof error->text, "is empty: it names no cipher suite.");
	return false;
}

/*
 * Whether the first line of the file is for GnuTLS.  @STRENGTH and @SECLEVEL are OpenSSL's.  SUITEB128 and SUITEB192
 * are words of both: alone they are OpenSSL's, which ignores what stands behind them, so with more they are GnuTLS's.
 */
static bool is_priority(struct span line)
{
	struct span word = {line.data, 0};
	while (word.length < line.length && !memchr(":,; \t", line.data[word.length], 5))
		word.length++;
	if (word.length > 0 && *word.data == '@')
		return !span_is(word, "@STRENGTH") && (word.length < 9 || memcmp(word.data, "@SECLEVEL", 9) != 0);
	for (size_t i = 0; i < sizeof priority_words / sizeof *priority_words; i++)
		if (span_equal(word, span_of(priority_words[i])))
			return true;
	return word.length < line.length && (span_is(word, "SUITEB128") || span_is(word, "SUITEB192"));
}

/* The string must be the only line, and one that a C string can hold. */
static bool take_priority(struct ciphers *ciphers, struct cipherlist_fault found, struct span rest,
			  struct ciphers_error *error)
{
	*ciphers = (struct ciphers){.priority = found.word};
	found.wrong = "is no GnuTLS priority string.";
	for (size_t i = 0; i < found.word.length; i++)
		if (!is_printable(found.word.data[i]))
			return refuse(error, &found);
	found.word = cipherlist_take_line(&rest, &found.line);
	found.wrong = "stands behind a GnuTLS priority string, which is one line.";
	return found.word.length == 0 || refuse(error, &found);
}

bool ciphers_read(struct ciphers *ciphers, struct span file, struct ciphers_error *error)
{
	struct cipherlist list;
	struct cipherlist_fault fault = {0};
	struct span rest = file;
	fault.word = cipherlist_take_line(&rest, &fault.line);
	if (is_priority(fault.word))
		return take_priority(ciphers, fault, rest, error);
	if (!cipherlist_read(&list, file, &usable, &fault))
		return refuse(error, &fault);
	*ciphers = (struct ciphers){.demands = list.demands};
	ciphers->count = cipherlist_suites(&list, ciphers->listed);
	return true;
}

static const struct parts *listed_parts(const struct ciphers *ciphers, size_t i)
{
	return &suites[ciphers->listed[i]].parts;
}

/* No key exchange, cipher or MAC yet, and anything of what priority strings do not choose by. */
static const struct parts empty_product = {{0, 0, 0, VERS_ALL, USES_ALL}};

/* Adds the parts of the suite, unless that would cost TLS 1.3, which GnuTLS gives up for the NULL cipher. */
static void widen(struct parts *product, const struct parts *suite)
{
	struct parts wider = *product;
	parts_unite(&wider, suite);
	if (!(wider.of[PART_KEY] & KEY_TLS13) || !(wider.of[PART_ENC] & ENC_NULL))
		*product = wider;
}

/* Whether every suite that these parts can make is listed. */
static bool admits_only_listed(const struct ciphers *ciphers, const struct parts *product)
{
	for (size_t i = 0; i < SUITES; i++)
		if (parts_are_in(&suites[i].parts, product) && !ciphers_allow(ciphers, suites[i].id))
			return false;
	return true;
}

/* Widens the product by listed suites of these keys, in the order of the list, as long as it lets in no other suite. */
static void grow(const struct ciphers *ciphers, unsigned keys, struct parts *product)
{
	for (size_t i = 0; i < ciphers->count; i++) {
		struct parts wider = *product;
		if (listed_parts(ciphers, i)->of[PART_KEY] & keys)
			widen(&wider, listed_parts(ciphers, i));
		if (admits_only_listed(ciphers, &wider))
			*product = wider;
	}
}

/*
 * The parts for the next narrow priority string: those of the first suite that is in none yet, and what goes with them,
 * TLS 1.3 before all else, for not to lose it without need.  Returns false where no suite is left.
 */
static bool next_product(const struct ciphers *ciphers, bool done[SUITES], struct parts *product)
{
	size_t first = 0;
	while (first < ciphers->count && done[first])
		first++;
	if (first == ciphers->count)
		return false;
	*product = empty_product;
	widen(product, listed_parts(ciphers, first));
	grow(ciphers, KEY_TLS13, product);
	grow(ciphers, KEYS_TLS12, product);
	for (size_t i = 0; i < ciphers->count; i++)
		done[i] = done[i] || parts_are_in(listed_parts(ciphers, i), product);
	return true;
}

size_t ciphers_steps(const struct ciphers *ciphers)
{
	bool done[SUITES] = {false};
	struct parts product;
	size_t steps = 0;
	while (next_product(ciphers, done, &product))
		steps++;
	return steps;
}

/* The parts of all that is listed, those with the NULL cipher last, since they may have to stay out. */
static struct parts wide_product(const struct ciphers *ciphers)
{
	struct parts product = empty_product;
	for (size_t i = 0; i < ciphers->count; i++)
		if (listed_parts(ciphers, i)->of[PART_ENC] != ENC_NULL)
			widen(&product, listed_parts(ciphers, i));
	for (size_t i = 0; i < ciphers->count; i++)
		widen(&product, listed_parts(ciphers, i));
	return product;
}

static struct parts narrow_product(const struct ciphers *ciphers, size_t step)
{
	bool done[SUITES] = {false};
	struct parts product = empty_product;
	while (step-- > 0)
		next_product(ciphers, done, &product);
	return product;
}

/* The names of one part, in the order in which the list comes to them. */
static void print_part(const struct ciphers *ciphers, const struct parts *product, enum suite_part part,
		       struct buf *out)
{
	unsigned printed = 0;
	for (size_t i = 0; i < ciphers->count; i++) {
		const struct parts *suite = listed_parts(ciphers, i);
		const char *name = parts_name(suite, part);
		if (*name && parts_are_in(suite, product) && !(printed & suite->of[part]))
			buf_format(out, ":+%s", name);
		if (parts_are_in(suite, product))
			printed |= suite->of[part];
	}
}

void ciphers_print(const struct ciphers *ciphers, size_t step, struct buf *out)
{
	struct parts product = step == 0 ? wide_product(ciphers) : narrow_product(ciphers, step);
	if (ciphers->priority.data) {
		buf_add(out, ciphers->priority.data, ciphers->priority.length);
		buf_octet(out, '\0');
		return;
	}
	buf_string(out, "NONE");
	if (product.of[PART_KEY] & KEY_TLS13)
		buf_string(out, ":+VERS-TLS1.3");
	if (product.of[PART_KEY] & KEYS_TLS12)
		buf_string(out, ":+VERS-TLS1.2");
	print_part(ciphers, &product, PART_KEY, out);
	print_part(ciphers, &product, PART_ENC, out);
	print_part(ciphers, &product, PART_MAC, out);
	buf_format(out, ":+CTYPE-X509:%s", ciphers->demands);
	if (product.of[PART_KEY] & KEYS_DSS) /* SIGN-ALL holds none for DSS */
		buf_string(out, ":+SIGN-DSA-SHA256:+SIGN-DSA-SHA384:+SIGN-DSA-SHA512:+SIGN-DSA-SHA1");
	buf_octet(out, '\0');
}

bool ciphers_allow(const struct ciphers *ciphers, uint16_t id)
{
	for (size_t i = 0; i < ciphers->count; i++)
		if (suites[ciphers->listed[i]].id == id)
			return true;
	return ciphers->priority.data != NULL;
}
