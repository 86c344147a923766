/*
 * words - header fields with 8-bit octets to encoded-words (RFC 2047)
 *
 * mime.c uses it for a server that accepts no 8-bit octets in a field.  White space between two encoded-words is not
 * shown, so white space that must be shown goes into the second one.
 */
#include "mime/words.h"

#include "mime/qp.h"

#include <string.h>

/* RFC 2047 section 2.  An encoded-word is begun in a line only if this much room is left. */
enum { WORD_MAX = 75, WORDS_LINE_MAX = 76, ROOM_MIN = 40 };

/* Fields with addresses or phrases (Keywords, List-Id). */
static const char address_fields[] = "From,Sender,Reply-To,To,Cc,Bcc,Apparently-To,Errors-To,Return-Receipt-To,"
				     "Disposition-Notification-To,Mail-Reply-To,Mail-Followup-To,Keywords,List-Id";
/* Fields with neither these nor free text. */
static const char other_fields[] = "Date,Message-ID,In-Reply-To,References,Received,Return-Path,Delivered-To,"
				   "MIME-Version,Content-Type,Content-ID,Content-Disposition,Content-Transfer-Encoding,"
				   "DKIM-Signature,Authentication-Results,List-Post,List-Unsubscribe";

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

bool words_open(struct words *words, const struct field *field)
{
	bool resent = field->name.length > 7 && span_equal((struct span){field->name.data, 7}, span_of("Resent-"));
	struct span name = drop(field->name, resent ? 7 : 0);
	*words = (struct words){.start = {field->octets.data, (size_t)(field->body.data - field->octets.data)},
				.rest = field->body,
				.utf8 = text_is_utf8(field->octets),
				.addresses = is_among(name, address_fields)};
	return !is_among(name, other_fields);
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

/* A parenthesis, a word of a comment, a quoted-string, an address in brackets, a separator, or something else. */
static struct span take_item(struct words *words)
{
	struct span item = {words->rest.data, 1};
	struct span after = drop(words->rest, 1);
	if (*item.data == '(')
		words->comments++;
	else if (words->comments > 0 && *item.data == ')')
		words->comments--;
	else if (words->comments > 0)
		item.length = length_before(words->rest, " \t\r\n()");
	else if (*item.data == '"' || *item.data == '<')
		item.length += length_before(after, *item.data == '<' ? ">" : "\"") + 1;
	else if (!strchr(",;:", *item.data))
		item.length = length_before(words->rest, " \t\r\n(\"<,;:");
	if (item.length > words->rest.length)
		item.length = words->rest.length;
	words->rest = drop(words->rest, item.length);
	return item;
}

/* Whether an address without brackets follows.  Text with neither brackets nor an `@` is not an address. */
static bool is_bare(struct words words)
{
	bool bare = false;
	take(&words.rest, true);
	while (words.rest.length > 0) {
		bool hidden = words.comments > 0 || strchr("\"()", *words.rest.data);
		struct span item = take_item(&words);
		if (!hidden && (*item.data == '<' || (*item.data == ':' && !bare)))
			return false;
		if (!hidden && (*item.data == ',' || *item.data == ';'))
			break;
		bare = bare || (!hidden && memchr(item.data, '@', item.length));
		take(&words.rest, true);
	}
	return bare;
}

static bool is_old_word(struct span text)
{
	return text.length > 6 && memcmp(text.data, "=?", 2) == 0 && memcmp(text.data + text.length - 2, "?=", 2) == 0;
}

/* Takes items that nothing separates, or one that must be encoded. */
static void take_items(struct words *words)
{
	struct unit *unit = &words->unit;
	bool ends = false;
	if (!words->judged)
		words->bare = is_bare(*words);
	words->judged = true;
	unit->text = (struct span){words->rest.data, 0};
	while (!ends && words->rest.length > 0 && !is_white(*words->rest.data)) {
		bool comment = words->comments > 0;
		struct words before = *words;
		struct span item = take_item(words);
		unit->encoded = !text_is_ascii(item);
		if (unit->encoded && unit->text.length > 0) {
			*words = before;
			unit->encoded = false;
			return;
		}
		unit->text.length += item.length;
		unit->quoted = !comment && *item.data == '"';
		words->stuck = unit->encoded && !comment && (words->bare || *item.data == '<');
		words->judged = comment || !strchr(words->bare ? ",;" : ",;:", *item.data);
		ends = unit->encoded || !words->judged;
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

/* Takes the next unit; false at the end, or if it is stuck. */
static bool take_unit(struct words *words)
{
	struct unit *unit = &words->unit;
	*unit = (struct unit){.white = take(&words->rest, true)};
	struct words before = *words;
	if (words->rest.length == 0)
		return false;
	if (words->addresses) {
		take_items(words);
	} else {
		unit->text = take(&words->rest, false);
		unit->encoded = !text_is_ascii(unit->text);
	}
	if (unit->encoded) {
		move_white(words);
	} else if (words->place == AFTER_NEW_WORD && is_old_word(unit->text) && unit->white.length > 0) {
		*words = before;
		*unit = (struct unit){span_of(" "), unit->white, .encoded = true};
	} else if (unit->white.length == 0 && (words->place == AFTER_SEPARATOR || words->place == AFTER_NEW_WORD)) {
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

/* The next character that is shown; empty at the end of the unit. */
static struct span take_character(const struct words *words, struct span *text, bool quoted)
{
	bool pairs = quoted || words->comments > 0;
	while (text->length > 0 && (*text->data == '\r' || *text->data == '\n' || (quoted && *text->data == '"')))
		*text = drop(*text, 1);
	if (pairs && text->length > 1 && *text->data == '\\')
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
	while ((character = take_character(words, &text, unit->quoted)).length > 0) {
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

/* Appends text, unfolded, up to the limit of a line. */
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
		words->place = AFTER_NEW_WORD;
	else if (is_old_word(*text))
		words->place = AFTER_OLD_WORD;
	else if (words->addresses && memchr("(),;:>", text->data[text->length - 1], 6))
		words->place = AFTER_SEPARATOR;
	else
		words->place = AFTER_TEXT;
	words->pending = false;
}

size_t words_next(struct words *words, char *out)
{
	struct unit *unit = &words->unit;
	size_t length = put_text(out, 0, words->start);
	bool begun = false;
	while (length <= LINE_MAX_TEXT && (words->pending || (words->pending = take_unit(words)))) {
		size_t start = length;
		if (unit->encoded && start > 0 && start + 1 + ROOM_MIN > WORDS_LINE_MAX)
			break;
		if (unit->encoded) {
			size_t room = WORDS_LINE_MAX - start - 1;
			out[length++] = *unit->white.data;
			unit->white = span_of(" ");
			length += put_word(words, out + length, room < WORD_MAX ? room : WORD_MAX);
			if (unit->text.length > 0)
				break;
		} else {
			length = put_text(out, put_text(out, start, unit->white), unit->text);
			bool foldable = start > 0 && unit->white.length > 0;
			if (foldable && length > (begun ? WORDS_LINE_MAX - 1 : LINE_MAX_TEXT)) {
				length = start;
				break;
			}
		}
		begun = true;
		pass(words);
	}
	words->start.length = 0;
	words->is_long = length > LINE_MAX_TEXT;
	words->stuck = words->stuck || words->is_long;
	return words->stuck ? 0 : length;
}
