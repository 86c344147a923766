/*
 * mime - the walk through a message that cannot go as it is
 *
 * form.c has it survey such a message, body.c carries out the pieces that it names.  RFC 2046, RFC 5322 section 2.2.3.
 *
 * It goes front to back, and knows no more than what surrounds the place where it is; so its memory does not grow with
 * the message, and the survey, the counting of the octets and the sending are the same walk.
 */
#include "mime.h"

#include "qp.h"

#include <stdio.h>

/* What leaves line by line: a header field that is folded, what cannot be encoded. */

static void begin_cut(struct mime *mime, struct span octets)
{
	lines_open(&mime->cut, octets);
	mime->line.length = 0;
	mime->line_is_first = true;
}

static bool is_cutting(const struct mime *mime)
{
	return mime->line.length > 0 || mime->cut.at < mime->cut.end;
}

/* Gives the line that was taken last, with its end, if it is not to be cut. */
static void give_whole(struct mime *mime, struct piece *piece)
{
	const char *start = mime->line.data;
	mime->line.length = 0;
	*piece = (struct piece){{start, (size_t)(mime->cut.at - start)}, MANNER_COPY};
}

static void next_fold(struct mime *mime, struct piece *piece)
{
	bool fresh = mime->line.length == 0;
	if (fresh)
		mime->line = lines_take(&mime->cut);
	if (fresh && mime->line.length <= LINE_MAX_TEXT)
		give_whole(mime, piece);
	else
		*piece = (struct piece){header_fold(&mime->line, mime->line_is_first), MANNER_COPY};
	mime->line_is_first = false;
}

/*
 * A line of base64, or of what cannot be encoded, without what the server does not take.  In base64 there may be both:
 * a mailing list may have put text behind it.  What is left of a line of text begins with a space, so that it is no
 * delimiter, and in a message/delivery-status a folded field.
 */
static void next_cut(struct mime *mime, struct piece *piece)
{
	char *out = mime->text;
	struct span *line = &mime->line;
	if (line->length == 0) {
		*line = lines_take(&mime->cut);
		mime->line_is_base64 = mime->entity.treatment == TREATMENT_WRAP && entity_is_base64(*line);
	} else if (!mime->line_is_base64) {
		*out++ = ' ';
	}
	const char *limit = mime->text + (mime->line_is_base64 ? QP_LINE_MAX : LINE_MAX_TEXT);
	for (; line->length > 0 && out < limit; line->data++, line->length--) {
		bool legal = *line->data != '\0' && (!(*line->data & 0x80) || mime->recoding->eightbitmime);
		*out++ = legal ? *line->data : '?';
	}
	*out++ = '\r';
	*out++ = '\n';
	*piece = (struct piece){{mime->text, (size_t)(out - mime->text)}, MANNER_COPY};
}

/* The walk. Each of these gives a piece, or moves on to another place and gives none. */

/* Whether what has 8-bit octets may stand in a header (RFC 6532 section 3), or at least travel (RFC 6152). */
static bool is_legal_field(struct mime *mime, const struct field *field, const struct line_facts *facts)
{
	struct recoding *recoding = mime->recoding;
	if (facts->nul)
		return false;
	if (!facts->eightbit)
		return true;
	bool utf8 = !recoding->eightbitmime && recoding->smtputf8 && text_is_utf8(field->octets);
	recoding->eightbit = true;
	recoding->utf8_header = recoding->utf8_header || utf8;
	return utf8 || recoding->eightbitmime;
}

/* Whether all lines can be folded so that none of them looks like a delimiter: one may, right behind its colon. */
static bool can_be_folded(const struct nest *nest, struct span octets)
{
	struct lines lines;
	size_t level;
	bool first = true;
	bool closing;
	lines_open(&lines, octets);
	while (lines.at < lines.end) {
		struct span line = lines_take(&lines);
		while (line.length > 0) {
			struct span piece = header_fold(&line, first);
			if (!piece.data || nest_is_delimiter(nest, piece, &level, &closing))
				return false;
			first = false;
		}
	}
	return true;
}

static void give_up_on_field(struct mime *mime, const struct field *field, const char *what)
{
	char place[160];
	char part[NEST_PLACE_SIZE];
	int name = field->name.length < 50 ? (int)field->name.length : 50;
	if (*mime->recoding->trouble)
		return; /* as in entity_give_up */
	nest_print_place(&mime->nest, mime->entity.depth, part);
	snprintf(place, sizeof place, "the field %.*s", name, field->name.data);
	if (mime->entity.depth > 0)
		snprintf(place, sizeof place, "the field %.*s of %s", name, field->name.data, part);
	recoding_give_up(mime->recoding, place, what);
}

static void begin_fold(struct mime *mime, struct span octets)
{
	mime->recoding->needed = true;
	begin_cut(mime, octets);
}

static bool next_of_header(struct mime *mime, struct piece *piece)
{
	struct entity *entity = &mime->entity;
	struct field field;
	/* In a file that somebody rewrites meanwhile, the header may no longer end where it did (IN-4). */
	if (mime->rest.at >= entity->header_end || !header_take_field(&mime->rest, &field)) {
		mime->place = BEHIND_HEADER;
		*piece = (struct piece){{entity->text, entity->text_length}, MANNER_COPY};
		return entity->text_length > 0;
	}
	*piece = (struct piece){field.octets, MANNER_COPY};
	if (entity->encoding && span_equal(field.name, span_of("Content-Transfer-Encoding"))) {
		piece->octets = span_of(entity->encoding);
		return true;
	}
	struct line_facts facts = lines_examine(field.octets);
	if (!is_legal_field(mime, &field, &facts))
		give_up_on_field(mime, &field,
				 facts.nul ? "has a NUL" : "has 8-bit octets, and 8BITMIME is not offered");
	else if (facts.longest > LINE_MAX_TEXT && !can_be_folded(&mime->nest, field.octets))
		give_up_on_field(mime, &field, "has a line of more than 998 octets that cannot be folded");
	else if (facts.longest > LINE_MAX_TEXT)
		begin_fold(mime, field.octets);
	return !is_cutting(mime);
}

/* The blank line. */
static bool next_behind_header(struct mime *mime, struct piece *piece)
{
	struct entity *entity = &mime->entity;
	*piece = (struct piece){{entity->header_end, (size_t)(entity->body - entity->header_end)}, MANNER_COPY};
	mime->rest.at = entity->body;
	mime->place = IN_BODY;
	return piece->octets.length > 0;
}

static bool next_of_body(struct mime *mime, struct piece *piece)
{
	static const enum manner manners[] = {
		[TREATMENT_COPY] = MANNER_COPY, [TREATMENT_QUOTE] = MANNER_QUOTE, [TREATMENT_MEND] = MANNER_MEND};
	const struct entity *entity = &mime->entity;
	if (entity_has_parts(entity)) {
		mime->place = entity->treatment == TREATMENT_MESSAGE ? AT_ENTITY : BETWEEN_PARTS;
		return false;
	}
	struct span body = {entity->body, (size_t)(entity->end - entity->body)};
	mime->rest.at = entity->end;
	mime->place = AT_DELIMITER;
	if (entity->treatment == TREATMENT_WRAP || entity->treatment == TREATMENT_MASK) {
		begin_cut(mime, body);
		return false;
	}
	*piece = (struct piece){body, manners[entity->treatment]};
	return body.length > 0;
}

/* Whether the multipart that was entered last has ended before its first delimiter. */
static bool lacks_parts(const struct mime *mime)
{
	struct lines lines = mime->rest;
	size_t level;
	bool closing;
	if (mime->entity.treatment != TREATMENT_PARTS)
		return false;
	return lines.at == lines.end || !nest_is_delimiter(&mime->nest, lines_take(&lines), &level, &closing) ||
	       level != mime->nest.depth - 1;
}

/* Whether the server takes text that stands in no part. */
static bool is_legal_outside(const struct mime *mime, struct span text)
{
	struct line_facts facts = lines_examine(text);
	recoding_keep(mime->recoding, &facts);
	return lines_are_legal(&facts, mime->recoding->eightbitmime);
}

/* What stands before the first part, or after the last.  If it is all there is, nobody would get anything to read. */
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
		entity_give_up(&mime->entity, mime->recoding, &mime->nest, "is a multipart without a delimiter");
	mime->recoding->needed = true;
	begin_cut(mime, text);
	return false;
}

static bool next_delimiter(struct mime *mime, struct piece *piece)
{
	const char *start = mime->rest.at;
	size_t level = 0; /* of one that others have written over meanwhile (IN-4) */
	bool closing = true;
	nest_is_delimiter(&mime->nest, lines_take(&mime->rest), &level, &closing);
	*piece = (struct piece){{start, (size_t)(mime->rest.at - start)}, MANNER_COPY};
	nest_pass(&mime->nest, level, closing);
	mime->place = closing ? BETWEEN_PARTS : AT_ENTITY;
	/* Behind the closing delimiter we are back in the entity that has the parts. */
	mime->entity.depth = level;
	mime->entity.treatment = TREATMENT_COPY;
	if (!is_legal_outside(mime, piece->octets))
		entity_give_up(&mime->entity, mime->recoding, &mime->nest, "has a delimiter that cannot be sent");
	return true;
}

void mime_open(struct mime *mime, struct recoding *recoding)
{
	mime->recoding = recoding;
	lines_open(&mime->rest, recoding->message);
	mime->place = AT_ENTITY;
	nest_open(&mime->nest);
	begin_cut(mime, (struct span){recoding->message.data, 0});
}

/* Moves on from the place where the walk is; returns whether that gave a piece. */
static bool step(struct mime *mime, struct piece *piece)
{
	switch (mime->place) {
	case AT_ENTITY:
		entity_enter(&mime->entity, mime->recoding, &mime->nest, mime->rest);
		mime->place = IN_HEADER;
		return false;
	case IN_HEADER:
		return next_of_header(mime, piece);
	case BEHIND_HEADER:
		return next_behind_header(mime, piece);
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
		if (!is_cutting(mime)) {
			if (mime->place == AT_DELIMITER && mime->rest.at == mime->rest.end)
				return false;
			given = step(mime, piece);
			continue;
		}
		given = true;
		if (mime->place == IN_HEADER)
			next_fold(mime, piece);
		else
			next_cut(mime, piece);
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
		continue;
}
