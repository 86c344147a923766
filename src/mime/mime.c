/* SPDX-License-Identifier: ISC */
/*
 * mime - the walk through a message that must be recoded
 *
 * form.c has it survey such a message, encoder.c writes the pieces that it gives.  RFC 2046, RFC 5322 section 2.2.3.
 *
 * It goes front to back, and knows only the levels around the current place; so its memory does not grow with the
 * message, and surveying, counting and sending are the same walk.
 */
#include "mime/mime.h"

#include "mime/qp.h"

#include <stdio.h>

/* What is sent line by line: a folded header field, and text that cannot be encoded. */

static void begin_cut(struct mime *mime, struct span octets)
{
	mime->recoding->needed = true;
	lines_open(&mime->cut, octets);
	mime->line.length = 0;
	mime->line_is_first = true;
}

static bool is_cutting(const struct mime *mime)
{
	return mime->line.length > 0 || mime->cut.at < mime->cut.end;
}

static void give_up_on_field(struct mime *mime, const char *what)
{
	recoding_give_up(mime->recoding, &mime->nest, mime->entity.depth, mime->field.name, what);
}

static void give_up_on_body(struct mime *mime, const char *what)
{
	recoding_give_up(mime->recoding, &mime->nest, mime->entity.depth, span_of(""), what);
}

/* A folded field must not become a delimiter, as it could if it is folded right after its colon. */
static bool is_delimiter(const struct mime *mime, struct span line)
{
	return nest_delimiter(&mime->nest, line).level < NEST_MAX;
}

static const char unfoldable[] = "has a line of more than 998 octets that cannot be folded";
static const char unencodable[] = "has 8-bit octets, and the server does not offer 8BITMIME";

static bool next_fold(struct mime *mime, struct piece *piece)
{
	struct span *line = &mime->line;
	bool fresh = line->length == 0;
	const char *start = mime->cut.at;
	if (fresh)
		*line = lines_take(&mime->cut);
	*piece = (struct piece){{start, (size_t)(mime->cut.at - start)}, MANNER_COPY};
	if (fresh && line->length <= LINE_MAX_TEXT) { /* including its end */
		line->length = 0;
	} else {
		struct span left = *line;
		piece->octets = header_fold(line, mime->line_is_first);
		if (!piece->octets.data || is_delimiter(mime, piece->octets)) {
			give_up_on_field(mime, unfoldable);
			piece->octets = left; /* no piece is empty, even if the file was rewritten (IN-4) */
			mime->cut.at = mime->cut.end;
			line->length = 0;
		}
	}
	mime->line_is_first = false;
	return true;
}

static void begin_words(struct mime *mime)
{
	mime->recoding->needed = mime->in_words = true;
	words_open(&mime->words, &mime->field);
}

static bool next_words(struct mime *mime, struct piece *piece)
{
	size_t length = words_next(&mime->words, mime->text);
	*piece = (struct piece){{mime->text, length}, MANNER_COPY};
	if (mime->words.trouble)
		give_up_on_field(mime, mime->words.trouble == TOO_LONG ? unfoldable : unencodable);
	if (is_delimiter(mime, piece->octets))
		give_up_on_field(mime, unfoldable);
	mime->in_words = length > 0;
	return mime->in_words;
}

/*
 * A line of base64, or of text that cannot be encoded, without octets that the server does not accept.  Base64 may have
 * both: a mailing list may have added text after it.  Further pieces of a cut line begin with a space, so that none is
 * a delimiter, and a field in a message/delivery-status stays folded.
 */
static bool next_cut(struct mime *mime, struct piece *piece)
{
	char *out = mime->text;
	struct span *line = &mime->line;
	if (line->length == 0) {
		*line = lines_take(&mime->cut);
		mime->line_is_base64 = mime->entity.manner == MANNER_WRAP && entity_is_base64(*line);
	} else if (!mime->line_is_base64) {
		*out++ = ' ';
	}
	const char *limit = mime->text + (mime->line_is_base64 ? QP_LINE_MAX : LINE_MAX_TEXT);
	for (; line->length > 0 && out < limit; line->data++, line->length--) {
		bool legal = *line->data != '\0' && (!(*line->data & 0x80) || mime->recoding->eightbitmime);
		*out++ = legal ? *line->data : '?';
	}
	/* It may have become a delimiter: a boundary may have a `?`, and white space may follow it. */
	if (is_delimiter(mime, (struct span){mime->text, (size_t)(out - mime->text)}))
		mime->text[0] = '?';
	*out++ = '\r';
	*out++ = '\n';
	*piece = (struct piece){{mime->text, (size_t)(out - mime->text)}, MANNER_COPY};
	return true;
}

/* The walk.  Each of these functions gives a piece, or moves on and gives none. */

/* Whether a field may keep its 8-bit octets (RFC 6532 section 3), or is at least transported with them (RFC 6152). */
static bool may_stay(struct mime *mime)
{
	struct recoding *recoding = mime->recoding;
	bool utf8 = !recoding->eightbitmime && recoding->smtputf8 && text_is_utf8(mime->field.octets);
	recoding->utf8_header = recoding->utf8_header || utf8;
	return utf8 || recoding->eightbitmime;
}

static bool next_of_header(struct mime *mime, struct piece *piece)
{
	struct entity *entity = &mime->entity;
	struct field *field = &mime->field;
	/* If somebody rewrites the file meanwhile, the header may no longer end where it did (IN-4). */
	if (mime->rest.at >= entity->header_end || !header_take_field(&mime->rest, field)) {
		mime->rest.at = entity->body;
		mime->place = IN_BODY;
		*piece = (struct piece){{entity->text, entity->text_length}, MANNER_COPY};
		return entity->text_length > 0;
	}
	*piece = (struct piece){field->octets, MANNER_COPY};
	struct line_facts facts = lines_examine(field->octets);
	if (entity->encoding && span_equal(field->name, span_of("Content-Transfer-Encoding"))) {
		piece->octets = span_of(entity->encoding);
		if (!lines_are_legal(&facts, mime->recoding->eightbitmime))
			mime->recoding->needed = true;
		return true;
	}
	if (facts.nul)
		give_up_on_field(mime, "has a NUL");
	else if (facts.eightbit && !may_stay(mime))
		begin_words(mime);
	else if (facts.long_line)
		begin_cut(mime, field->octets);
	return !mime->in_words && !is_cutting(mime);
}

static bool next_of_body(struct mime *mime, struct piece *piece)
{
	const struct entity *entity = &mime->entity;
	if (entity_has_parts(entity)) {
		mime->place = entity->manner == MANNER_MESSAGE ? AT_ENTITY : BETWEEN_PARTS;
		return false;
	}
	struct span body = {entity->body, (size_t)(entity->end - entity->body)};
	mime->rest.at = entity->end;
	mime->place = AT_DELIMITER;
	if (entity->manner == MANNER_WRAP || entity->manner == MANNER_MASK) {
		begin_cut(mime, body);
		return false;
	}
	*piece = (struct piece){body, entity->manner};
	return body.length > 0;
}

/* Whether the multipart that was entered last ended before its first delimiter. */
static bool lacks_parts(const struct mime *mime)
{
	struct lines lines = mime->rest;
	return mime->entity.manner == MANNER_PARTS &&
	       (lines.at == lines.end || nest_delimiter(&mime->nest, lines_take(&lines)).level != mime->nest.depth - 1);
}

/* Whether the server accepts text outside the parts. */
static bool is_legal_outside(const struct mime *mime, struct span text)
{
	struct line_facts facts = lines_examine(text);
	return lines_are_legal(&facts, mime->recoding->eightbitmime);
}

/* Text before the first part, or after the last.  If there is nothing else, the recipient would see nothing. */
static bool next_between_parts(struct mime *mime, struct piece *piece)
{
	const char *end = nest_find_delimiter(&mime->nest, mime->rest);
	struct span text = {mime->rest.at, (size_t)(end - mime->rest.at)};
	mime->rest.at = end;
	mime->place = AT_DELIMITER;
	*piece = (struct piece){text, MANNER_COPY};
	if (is_legal_outside(mime, text))
		return text.length > 0;
	if (lacks_parts(mime))
		give_up_on_body(mime, "is a multipart without a delimiter");
	begin_cut(mime, text);
	return false;
}

static bool next_delimiter(struct mime *mime, struct piece *piece)
{
	const char *start = mime->rest.at;
	struct delimiter delimiter = nest_delimiter(&mime->nest, lines_take(&mime->rest));
	if (delimiter.level == NEST_MAX) /* the message was overwritten meanwhile (IN-4) */
		delimiter = (struct delimiter){.level = 0, .closing = true};
	*piece = (struct piece){{start, (size_t)(mime->rest.at - start)}, MANNER_COPY};
	nest_pass(&mime->nest, delimiter);
	mime->place = delimiter.closing ? BETWEEN_PARTS : AT_ENTITY;
	/* After the close delimiter we are back in the entity that has the parts. */
	mime->entity.depth = delimiter.level;
	mime->entity.manner = MANNER_COPY;
	if (!is_legal_outside(mime, piece->octets))
		give_up_on_body(mime, "has a delimiter that cannot be sent");
	return true;
}

void mime_open(struct mime *mime, struct recoding *recoding)
{
	mime->recoding = recoding;
	lines_open(&mime->rest, recoding->message);
	mime->place = AT_ENTITY;
	nest_open(&mime->nest);
	lines_open(&mime->cut, (struct span){recoding->message.data, 0});
	mime->line.length = 0;
	mime->in_words = false;
}

/* Moves on from the current place; returns whether that gave a piece. */
static bool step(struct mime *mime, struct piece *piece)
{
	switch (mime->place) {
	case AT_ENTITY:
		entity_enter(&mime->entity, mime->recoding, &mime->nest, mime->rest);
		mime->place = IN_HEADER;
		return false;
	case IN_HEADER:
		return next_of_header(mime, piece);
	case IN_BODY:
		return next_of_body(mime, piece);
	case BETWEEN_PARTS:
		return next_between_parts(mime, piece);
	default:
		return next_delimiter(mime, piece);
	}
}

bool mime_next(struct mime *mime, struct piece *piece)
{
	bool given = false;
	while (!given) {
		if (mime->in_words)
			given = next_words(mime, piece);
		else if (is_cutting(mime))
			given = mime->place == IN_HEADER ? next_fold(mime, piece) : next_cut(mime, piece);
		else if (mime->place != AT_DELIMITER || mime->rest.at < mime->rest.end)
			given = step(mime, piece);
		else
			return false;
	}
	return true;
}

void mime_survey(struct recoding *recoding)
{
	struct mime mime;
	struct piece piece;
	recoding->needed = recoding->quoted_printable = recoding->utf8_header = recoding->eightbit = false;
	recoding->trouble[0] = '\0';
	mime_open(&mime, recoding);
	while (mime_next(&mime, &piece))
		if (piece.manner == MANNER_COPY && !recoding->eightbit)
			recoding->eightbit = !text_is_ascii(piece.octets);
}
