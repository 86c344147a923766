/* SPDX-License-Identifier: ISC */
/*
 * words - header fields with 8-bit octets to encoded-words (RFC 2047)
 *
 * mime.c asks it for a server that takes no 8-bit octets in a field.  White space between two encoded-words is not
 * shown, so there it goes into one of ours.
 */
#include "mime/words.h"

#include "mime/qp.h"

#include <string.h>

/* RFC 2047 section 2; with white space before it, a word has no more than 75 then.  So much must be left of a line that
 * one is begun in it. */
enum { WORDS_LINE_MAX = 76, ROOM_MIN = 40 };

/* Fields of addresses, phrases, or what is written like them. */
static const char address_fields[] =
	"From,Sender,Reply-To,To,Cc,Bcc,Apparently-To,Errors-To,Return-Receipt-To,Disposition-Notification-To,"
	"Mail-Reply-To,Mail-Followup-To,Keywords,In-Reply-To,References,"
	"List-Id,List-Help,List-Unsubscribe,List-Subscribe,List-Post,List-Owner,List-Archive";
/* Fields where no text is free but that of comments. */
static const char other_fields[] = "Date,Message-ID,Return-Path,Delivered-To,MIME-Version,Content-Type,Content-ID,"
				   "Content-Disposition,Content-Transfer-Encoding,DKIM-Signature,"
				   "Authentication-Results";

static bool is_among(struct span name, const char *names)
{
	struct span rest = span_of(names);
	bool found = false;
	while (rest.data && !found)
		found = span_equal(name, span_split(rest, ',', &rest));
	return found;
}

static struct span drop(struct span text, size_t length)
{
	return (struct span){text.data + length, text.length - length};
}

static bool is_white(char octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* Takes all up to the next beginning or end of white space. */
static struct span take(struct span *rest, bool white)
{
	struct span taken = {rest->data, 0};
	while (taken.length < rest->length && is_white(rest->data[taken.length]) == white)
		taken.length++;
	*rest = drop(*rest, taken.length);
	return taken;
}

/* The length of the text before one of the octets, or of all; an octet after a backslash is skipped. */
static size_t length_before(struct span text, const char *octets)
{
	size_t at = 0;
	while (at < text.length && (!text.data[at] || !strchr(octets, text.data[at])))
		at += text.data[at] == '\\' ? 2 : 1;
	return at < text.length ? at : text.length;
}

/*
 * How long what begins here is, if it is a comment, a quoted-string, what stands in brackets, or a separator; else 0.
 * A parenthesis or quote without an end begins nothing, so that it hides no address; but after an address there can be
 * nothing but a comment.
 */
static size_t closed_length(struct words *words, struct span text)
{
	struct span rest = text;
	if (*text.data == '(' && text.data < words->comments_end) {
		if (header_skip_comment(&rest) || words->bare)
			return text.length - rest.length;
		words->comments_end = text.data;
	}
	if (*text.data == '<' || (*text.data == '"' && text.data < words->quotes_end)) {
		size_t length = 1 + length_before(drop(text, 1), *text.data == '<' ? ">" : "\"");
		if (length < text.length || *text.data == '<')
			return length < text.length ? length + 1 : length;
		words->quotes_end = text.data;
	}
	return memchr(",;:", *text.data, 3) ? 1 : 0;
}

/* A word of free text; else one of these, or all up to the next of them or white space. */
static struct span take_item(struct words *words, struct span *rest)
{
	if (words->grammar == FREE_TEXT)
		return take(rest, false);
	struct span item = *rest;
	item.length = closed_length(words, *rest);
	if (item.length == 0)
		item.length = length_before(*rest, " \t\r\n(\"<,;:");
	if (item.length == 0)
		item.length = 1 + length_before(drop(*rest, 1), " \t\r\n(\"<,;:");
	*rest = drop(*rest, item.length);
	return item;
}

static bool is_comment(const struct words *words, struct span item)
{
	return words->grammar != FREE_TEXT && *item.data == '(' && item.data < words->comments_end;
}

/* Finds out whether an address without brackets follows.  What has neither them nor an `@` is just text. */
static void judge_address(struct words *words)
{
	struct span rest = words->rest;
	words->bare = false;
	for (take(&rest, true); rest.length > 0; take(&rest, true)) {
		struct span item = take_item(words, &rest);
		if (*item.data == '<' || (*item.data == ':' && !words->bare)) {
			words->bare = false;
			return;
		}
		if (*item.data == ',' || *item.data == ';')
			return;
		bool hidden = *item.data == '"' || is_comment(words, item);
		words->bare = words->bare || (!hidden && memchr(item.data, '@', item.length));
	}
}

bool words_open(struct words *words, const struct field *field)
{
	bool resent = field->name.length > 7 && span_equal((struct span){field->name.data, 7}, span_of("Resent-"));
	struct span name = drop(field->name, resent ? 7 : 0);
	*words = (struct words){.start = {field->octets.data, (size_t)(field->body.data - field->octets.data)},
				.rest = field->body,
				.utf8 = text_is_utf8(field->octets)};
	words->comments_end = words->quotes_end = words->rest.data + words->rest.length;
	if (is_among(name, address_fields))
		words->grammar = ADDRESSES;
	else if (is_among(name, other_fields))
		words->grammar = COMMENTS_ONLY;
	words->bare = words->grammar == COMMENTS_ONLY;
	if (words->grammar == ADDRESSES)
		judge_address(words);
	return !span_equal(name, span_of("Received")); /* RFC 2047 section 5 */
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

/* Whether no encoded-word may stand for an item. */
static bool is_fixed(const struct words *words, struct span item)
{
	return words->grammar != FREE_TEXT && !is_comment(words, item) && (words->bare || *item.data == '<');
}

/* Takes items that nothing separates, or one that must be encoded. */
static void take_items(struct words *words)
{
	struct unit *unit = &words->unit;
	bool ends = false;
	unit->text = (struct span){words->rest.data, 0};
	while (!ends && words->rest.length > 0 && !is_white(*words->rest.data)) {
		struct span rest = words->rest;
		struct span item = take_item(words, &rest);
		if (!text_is_ascii(item)) {
			if (unit->text.length > 0)
				return;
			unit->encoded = true;
			unit->comment = is_comment(words, item);
			words->stuck = is_fixed(words, item);
		}
		unit->text.length += item.length;
		words->rest = rest;
		bool separates = words->grammar == ADDRESSES && memchr(",;:", *item.data, words->bare ? 2 : 3);
		if (separates)
			judge_address(words);
		ends = unit->encoded || separates;
	}
}

/* What follows and is encoded too becomes one text with the unit; so does white space before an old encoded-word. */
static void join(struct words *words)
{
	struct span *text = &words->unit.text;
	bool joins = true;
	while (joins) {
		struct span rest = words->rest;
		size_t white = take(&rest, true).length;
		if (rest.length == 0)
			return;
		struct span item = take_item(words, &rest);
		joins = !text_is_ascii(item) && !is_comment(words, item) && !is_fixed(words, item);
		size_t length = joins ? white + item.length : begins_with_old_word(item) ? white : 0;
		text->length += length;
		words->rest = drop(words->rest, length);
	}
}

/* The white space before an encoded text: one octet stays outside, unless it would not be shown there. */
static void move_white(struct words *words)
{
	struct unit *unit = &words->unit;
	struct span inside = unit->white;
	unit->white = span_of(" ");
	if (words->place == AFTER_SEPARATOR)
		return;
	if (words->place == AFTER_TEXT) {
		while (inside.length > 0 && (*inside.data == '\r' || *inside.data == '\n'))
			inside = drop(inside, 1);
		if (inside.length > 0) {
			unit->white = (struct span){inside.data, 1};
			inside = drop(inside, 1);
		}
	}
	unit->text = (struct span){inside.data, inside.length + unit->text.length};
}

/* Makes it what stands between the parentheses, of which the last may be missing. */
static void open_comment(struct unit *unit)
{
	bool closed = unit->text.length > 1 && unit->text.data[unit->text.length - 1] == ')';
	unit->white = span_of(" ");
	unit->text = (struct span){unit->text.data + 1, unit->text.length - 1 - closed};
}

/* Takes the next unit; false at the end, and where it is stuck. */
static bool take_unit(struct words *words)
{
	struct unit *unit = &words->unit;
	*unit = (struct unit){.white = take(&words->rest, true)};
	if (words->rest.length == 0)
		return false;
	take_items(words);
	if (unit->comment) {
		open_comment(unit);
	} else if (unit->encoded) {
		join(words);
		move_white(words);
	} else if (unit->white.length == 0 && words->place == AFTER_SEPARATOR) {
		unit->white = span_of(" ");
	}
	return !words->stuck;
}

/* An octet in an encoded-word of encoding Q; in a phrase few octets may represent themselves (section 5). */
static char *put_octet(char *out, char octet)
{
	bool plain = (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') ||
		     (octet >= 'a' && octet <= 'z') || (octet && strchr("!*+-/ ", octet));
	if (!plain)
		return qp_escape(out, octet);
	*out = octet == ' ' ? '_' : octet;
	return out + 1;
}

/* The next character that is shown; none where there is no more. */
static struct span take_character(const struct words *words, struct span *text)
{
	bool free = words->grammar == FREE_TEXT;
	const char *hidden = free || words->unit.comment ? "\r\n" : "\r\n\"";
	while (text->length > 0 && strchr(hidden, *text->data))
		*text = drop(*text, 1);
	if (!free && text->length > 1 && *text->data == '\\')
		*text = drop(*text, 1);
	size_t length = words->utf8 ? text_utf8_length(*text) : 1;
	struct span character = {text->data, text->length < length ? text->length : length};
	*text = drop(*text, character.length);
	return character;
}

/* As much of the unit as one encoded-word of at most `most` octets holds. */
static size_t put_word(struct words *words, char *out, size_t most)
{
	struct unit *unit = &words->unit;
	struct span text = unit->text;
	struct span character;
	size_t length = words->utf8 ? 10 : 17;
	memcpy(out, words->utf8 ? "=?utf-8?Q?" : "=?unknown-8bit?Q?", length);
	while ((character = take_character(words, &text)).length > 0) {
		char octets[4 * 3];
		char *after = octets;
		for (size_t i = 0; i < character.length; i++)
			after = put_octet(after, character.data[i]);
		size_t size = (size_t)(after - octets);
		if (length + size + 2 > most)
			break;
		memcpy(out + length, octets, size);
		length += size;
		unit->text = text;
	}
	if (character.length == 0)
		unit->text.length = 0;
	memcpy(out + length, "?=", 2);
	return length + 2;
}

/* White space and an encoded-word, which fill the line at most; around all of a comment its parentheses. */
static size_t put_encoded(struct words *words, char *out, size_t length)
{
	struct unit *unit = &words->unit;
	out[length++] = *unit->white.data;
	unit->white = span_of(" ");
	if (unit->comment && !unit->begun)
		out[length++] = '(';
	unit->begun = true;
	length += put_word(words, out + length, WORDS_LINE_MAX - length - unit->comment);
	if (unit->comment && unit->text.length == 0)
		out[length++] = ')';
	return length;
}

/* Appends text, unfolded, as far as a line may be long. */
static size_t put_text(char *out, size_t length, struct span text)
{
	for (; text.length > 0 && length <= LINE_MAX_TEXT; text = drop(text, 1))
		if (*text.data != '\r' && *text.data != '\n')
			out[length++] = *text.data;
	return length;
}

/* What the unit just written means for the next one. */
static void pass(struct words *words)
{
	const struct span *text = &words->unit.text;
	if (words->unit.encoded)
		words->place = AFTER_SEPARATOR;
	else if (ends_with_old_word(*text))
		words->place = AFTER_OLD_WORD;
	else if (words->grammar == ADDRESSES && memchr("),;:>", text->data[text->length - 1], 5))
		words->place = AFTER_SEPARATOR;
	else
		words->place = AFTER_TEXT;
	words->pending = false;
}

size_t words_next(struct words *words, char *out)
{
	struct unit *unit = &words->unit;
	size_t length = put_text(out, 0, words->start);
	bool holds_unit = false;
	while (length <= LINE_MAX_TEXT && (words->pending || (words->pending = take_unit(words)))) {
		size_t start = length;
		if (unit->encoded && start > 0 && start + 1 + ROOM_MIN > WORDS_LINE_MAX)
			break;
		if (unit->encoded) {
			length = put_encoded(words, out, start);
			if (unit->text.length > 0)
				break;
		} else {
			length = put_text(out, put_text(out, start, unit->white), unit->text);
			bool foldable = start > 0 && unit->white.length > 0;
			if (foldable && length > (holds_unit ? WORDS_LINE_MAX - 1 : LINE_MAX_TEXT)) {
				length = start;
				break;
			}
		}
		holds_unit = true;
		pass(words);
	}
	words->start.length = 0;
	words->is_long = length > LINE_MAX_TEXT;
	words->stuck = words->stuck || words->is_long;
	return words->stuck ? 0 : length;
}
