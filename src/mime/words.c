/* SPDX-License-Identifier: ISC */
/*
 * words - header fields with 8-bit octets to encoded-words (RFC 2047)
 *
 * mime.c asks it for a server that takes no 8-bit octets in a field.  One rule for all fields: words with such octets
 * are encoded, everything else stays.  White space between two encoded-words is not shown, so there it goes into one.
 */
#include "mime/words.h"

#include "mime/qp.h"

#include <ctype.h>
#include <string.h>

/* RFC 2047 section 2.  So much must be left of a line that an encoded-word is begun in it. */
enum { WORDS_LINE_MAX = 76, ROOM_MIN = 40 };

#define WHITE " \t\r\n"

/* The fields that are not free text, and what ends a word in them. */
static const struct form {
	const char *names;
	const char *ends;
} forms[] = {
	[FREE_TEXT] = {"", WHITE},
	[ADDRESSES] = {"From,Sender,Reply-To,To,Cc,Bcc,Apparently-To,Errors-To,Return-Receipt-To,"
		       "Disposition-Notification-To,Mail-Reply-To,Mail-Followup-To,Keywords,In-Reply-To,References,"
		       "List-Id,List-Help,List-Unsubscribe,List-Subscribe,List-Post,List-Owner,List-Archive",
		       WHITE "(<,;:"},
	[COMMENTS_ONLY] = {"Date,Message-ID,Return-Path,Delivered-To,MIME-Version,Content-Type,Content-ID,"
			   "Content-Disposition,Content-Transfer-Encoding,DKIM-Signature,Authentication-Results",
			   WHITE "("},
	[NOTHING] = {"Received", WHITE}, /* not even in comments (section 5) */
};

static struct span drop(struct span text, size_t length)
{
	return (struct span){text.data + length, text.length - length};
}

static bool is_one_of(const char *octets, char octet)
{
	return octet && strchr(octets, octet);
}

static struct span take_white(struct span *rest)
{
	struct span white = {rest->data, 0};
	while (white.length < rest->length && is_one_of(WHITE, rest->data[white.length]))
		white.length++;
	*rest = drop(*rest, white.length);
	return white;
}

void words_open(struct words *words, const struct field *field)
{
	bool resent = field->name.length > 7 && span_equal((struct span){field->name.data, 7}, span_of("Resent-"));
	struct span name = drop(field->name, resent ? 7 : 0);
	struct span start = {field->octets.data, (size_t)(field->body.data - field->octets.data)};
	*words = (struct words){
		.rest = field->body, .unit = {.plain = start}, .pending = true, .utf8 = text_is_utf8(field->octets)};
	for (enum grammar grammar = ADDRESSES; grammar <= NOTHING; grammar++)
		for (struct span rest = span_of(forms[grammar].names); rest.data;)
			if (span_equal(name, span_split(rest, ',', &rest)))
				words->grammar = grammar;
}

/* Where white space and quotes separate words and are not shown. */
static bool in_phrase(const struct words *words)
{
	return words->grammar != FREE_TEXT && words->depth == 0;
}

/* The length of the text before one of the octets, or of all.  What is quoted or after a backslash is skipped; but a
 * quote without an end is an octet like any other, so that it hides no address. */
/* NOLINTNEXTLINE(misc-no-recursion): only once, since what is quoted ends at the next quote */
static size_t length_before(const struct words *words, struct span text, const char *ends)
{
	size_t at = 0;
	while (at < text.length && !is_one_of(ends, text.data[at])) {
		size_t length = text.data[at] == '\\' && words->grammar != FREE_TEXT ? 2 : 1;
		if (text.data[at] == '"' && in_phrase(words))
			length = length_before(words, drop(text, at + 1), "\"") + 2;
		at += at + length <= text.length ? length : 1;
	}
	return at;
}

/* A word, an address in its brackets, or an octet that ends words. */
static struct span take_item(struct words *words)
{
	struct span rest = words->rest;
	size_t length = length_before(words, rest, words->depth > 0 ? WHITE "()" : forms[words->grammar].ends);
	if (length == 0) {
		words->depth += *rest.data == '(';
		words->depth -= *rest.data == ')';
		if (*rest.data == '<')
			length = length_before(words, rest, ">");
		if (length < rest.length)
			length++;
	}
	words->rest = drop(rest, length);
	return (struct span){rest.data, length};
}

/* The comment at the start of the text; without an end, all. */
static size_t comment_length(struct span text)
{
	size_t at = 0;
	size_t depth = 0;
	do {
		depth += text.data[at] == '(';
		depth -= text.data[at] == ')';
		at += text.data[at] == '\\' && at + 1 < text.length ? 2 : 1;
	} while (depth > 0 && at < text.length);
	return at;
}

/* The length of the text before one of the octets, which `(` is one of, but not before a comment. */
static size_t length_beyond_comments(const struct words *words, struct span text, const char *ends)
{
	size_t at = 0;
	while ((at += length_before(words, drop(text, at), ends)) < text.length && text.data[at] == '(')
		at += comment_length(drop(text, at));
	return at;
}

/* Looks at the mailbox that goes on here: without brackets, all up to its last `@` is an address. */
static void look_at_mailbox(struct words *words, const char *here)
{
	struct span text = {here, (size_t)(words->rest.data + words->rest.length - here)};
	size_t length = length_beyond_comments(words, text, "(<,;:");
	bool named = length < text.length && text.data[length] == '<';
	words->mailbox_end = here + length;
	words->address_end = here;
	for (text.length = named ? 0 : length; (length = length_beyond_comments(words, text, "(@")) < text.length;) {
		text = drop(text, length + 1);
		words->address_end = text.data;
	}
}

/* Whether no encoded-word may stand for a word, as for an address. */
static bool is_fixed(struct words *words, struct span item)
{
	if (!in_phrase(words))
		return false;
	if (words->grammar != ADDRESSES || *item.data == '<')
		return true;
	if (item.data >= words->mailbox_end)
		look_at_mailbox(words, item.data);
	return item.data < words->address_end;
}

/* Many readers know encoded-words also where text adjoins them. */
static bool begins_with_old_word(struct span text)
{
	return text.length > 6 && memcmp(text.data, "=?", 2) == 0 && memmem(text.data + 2, text.length - 2, "?=", 2);
}

static bool ends_with_old_word(struct span text)
{
	size_t before = text.length - 2;
	return text.length > 6 && memcmp(text.data + before, "?=", 2) == 0 && memmem(text.data, before, "=?", 2);
}

/* Takes what no white space separates, up to a comma, or up to a word that must be encoded.  In a phrase, such a word
 * is separated from what comes before it. */
static void take_plain(struct words *words)
{
	struct span *plain = &words->unit.plain;
	*plain = (struct span){words->rest.data, 0};
	while (words->rest.length > 0 && !is_one_of(WHITE, *words->rest.data)) {
		struct words next = *words;
		struct span item = take_item(&next);
		words->unit.has_encoded = !text_is_ascii(item) && (plain->length == 0 || !in_phrase(words));
		if (!text_is_ascii(item))
			return;
		words->rest = next.rest;
		words->depth = next.depth;
		plain->length += item.length;
		if (*item.data == ',' || *item.data == ';')
			return;
	}
}

/* Takes the word that must be encoded, and those after it, with the white space between them, and before an
 * encoded-word that was there: they become one text. */
static void take_encoded(struct words *words)
{
	struct span *text = &words->unit.encoded;
	struct words next = *words;
	*text = (struct span){words->rest.data, 0};
	for (bool joins = true; joins && next.rest.length > 0; take_white(&next.rest)) {
		struct span start = next.rest;
		struct span item = take_item(&next);
		joins = !text_is_ascii(item);
		if (joins && is_fixed(words, item))
			words->trouble = MISPLACED;
		if (joins || begins_with_old_word(item))
			words->rest = joins ? next.rest : start;
	}
	text->length = (size_t)(words->rest.data - text->data);
}

/* The white space before an encoded text: one octet stays outside.  After an encoded-word that would not be shown, and
 * in a phrase any amount is like one. */
static void move_white(struct words *words, bool after_old_word)
{
	struct unit *unit = &words->unit;
	struct span inside = unit->white;
	unit->white = span_of(" ");
	if (!after_old_word && in_phrase(words))
		return;
	while (!after_old_word && inside.length > 0 && is_one_of("\r\n", *inside.data))
		inside = drop(inside, 1);
	if (!after_old_word && inside.length > 0) {
		unit->white = (struct span){inside.data, 1};
		inside = drop(inside, 1);
	}
	unit->encoded = (struct span){inside.data, inside.length + unit->encoded.length};
}

/* Takes the next unit; false at the end, and in trouble. */
static bool take_unit(struct words *words)
{
	struct unit *unit = &words->unit;
	const struct unit last = *unit;
	bool in_comment = words->depth > 0;
	*unit = (struct unit){.white = take_white(&words->rest)};
	if (words->rest.length == 0)
		return false;
	take_plain(words);
	if (unit->has_encoded)
		take_encoded(words);
	if (unit->plain.length == 0)
		move_white(words, ends_with_old_word(last.plain));
	else if (unit->white.length == 0 && (!in_comment || begins_with_old_word(unit->plain)))
		unit->white = span_of(" ");
	return !words->trouble;
}

/* An octet in an encoded-word of encoding Q; in a phrase few octets may represent themselves (section 5). */
static char *put_octet(char *out, char octet)
{
	if (!isalnum((unsigned char)octet) && !is_one_of("!*+-/ ", octet))
		return qp_escape(out, octet);
	*out = octet == ' ' ? '_' : octet;
	return out + 1;
}

/* The next character that is shown; none where there is no more. */
static struct span take_character(const struct words *words, struct span *text)
{
	while (text->length > 0 && is_one_of(in_phrase(words) ? "\r\n\"" : "\r\n", *text->data))
		*text = drop(*text, 1);
	if (words->grammar != FREE_TEXT && text->length > 1 && *text->data == '\\')
		do
			*text = drop(*text, 1);
		while (text->length > 0 && is_one_of("\r\n", *text->data));
	size_t length = words->utf8 ? text_utf8_length(*text) : text->length > 0;
	struct span character = {text->data, length};
	*text = drop(*text, length);
	return character;
}

/* Begins an encoded-word, and takes from the unit as much as there is room for; returns where it ends. */
static char *put_word(struct words *words, char *out, const char *limit)
{
	struct span text = words->unit.encoded;
	struct span character;
	out = stpcpy(out, words->utf8 ? "=?utf-8?Q?" : "=?unknown-8bit?Q?");
	while ((character = take_character(words, &text)).length > 0) {
		char *after = out;
		for (size_t i = 0; i < character.length; i++)
			after = put_octet(after, character.data[i]);
		if (after + 2 > limit)
			break;
		out = after;
		words->unit.encoded = text;
	}
	if (character.length == 0)
		words->unit.encoded.length = 0;
	return stpcpy(out, "?=");
}

/* Appends text, unfolded, as far as a line may be long. */
static size_t put_text(char *out, size_t length, struct span text)
{
	for (; text.length > 0 && length <= LINE_MAX_TEXT; text = drop(text, 1))
		if (!is_one_of("\r\n", *text.data))
			out[length++] = *text.data;
	return length;
}

size_t words_next(struct words *words, char *out)
{
	struct unit *unit = &words->unit;
	size_t length = 0;
	while (length <= LINE_MAX_TEXT && (words->pending || take_unit(words))) {
		size_t start = length;
		length = put_text(out, put_text(out, start, unit->white), unit->plain);
		bool has_room = length + (unit->has_encoded ? ROOM_MIN : 0) <= WORDS_LINE_MAX;
		words->pending = start > 0 && !has_room;
		if (words->pending) {
			length = start;
		} else if (unit->has_encoded) {
			/* The parenthesis after a comment must fit into the line, too. */
			char *limit = out + WORDS_LINE_MAX - (words->depth > 0);
			if (has_room)
				length = (size_t)(put_word(words, out + length, limit) - out);
			unit->white.length = unit->plain.length = 0;
			words->pending = unit->encoded.length > 0;
		}
		if (words->pending) {
			unit->white = unit->white.length > 0 ? unit->white : span_of(" ");
			break;
		}
	}
	if (length > LINE_MAX_TEXT)
		words->trouble = TOO_LONG;
	return words->trouble ? 0 : length;
}
