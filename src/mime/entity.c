/* SPDX-License-Identifier: ISC */
/*
 * entity - how an entity of a message is changed for one server (TR-8)
 *
 * mime.c enters the entities one after the other.  A body that the server accepts stays unchanged.  For any other, type
 * and encoding decide, before the header is sent, since the header must name the encoding of the body.  Entities with
 * parts are never encoded themselves.  RFC 2045, RFC 2046, RFC 6152 section 3.
 */
#include "mime/entity.h"

#include <stdio.h>

void recoding_give_up(struct recoding *recoding, const struct nest *nest, size_t depth, struct span field,
		      const char *what)
{
	char place[NEST_PLACE_SIZE];
	int length = field.length < 50 ? (int)field.length : 50;
	bool named = length > 0;
	if (*recoding->trouble)
		return; /* there may be many, and naming a place takes longer than finding it */
	nest_print_place(nest, depth, place);
	snprintf(recoding->trouble, sizeof recoding->trouble, "cannot take this message: %s%.*s%s%s %s.",
		 named ? "the field " : "", length, field.data, named && depth > 0 ? " of " : "",
		 named && depth == 0 ? "" : place, what);
}

bool entity_has_parts(const struct entity *entity)
{
	return entity->manner >= MANNER_PARTS;
}

/* An entity while it is entered, and what its header says. */
struct entry {
	struct entity *entity;
	struct recoding *recoding;
	struct nest *nest;
	struct lines lines; /* the body */
	bool is_empty;      /* neither header nor body */
	bool has_version;
	bool has_type;
	bool has_encoding;
	enum encoding encoding;
	struct content_type type;
};

/* If a field occurs twice, the first counts. */
static void read_field(struct entry *entry, const struct field *field)
{
	if (span_equal(field->name, span_of("MIME-Version"))) {
		entry->has_version = true;
	} else if (span_equal(field->name, span_of("Content-Type")) && !entry->has_type) {
		entry->has_type = true;
		header_read_type(field->body, &entry->type);
	} else if (span_equal(field->name, span_of("Content-Transfer-Encoding")) && !entry->has_encoding) {
		entry->has_encoding = true;
		entry->encoding = header_read_encoding(field->body);
	}
}

/* A header ends at a blank line, or before a line that is not a field. */
static void read_header(struct entry *entry)
{
	struct nest *nest = entry->nest;
	struct lines *lines = &entry->lines;
	struct field field;
	entry->is_empty = lines->at == lines->end || nest_at_delimiter(nest, lines);
	while (lines->at < lines->end && !nest_at_delimiter(nest, lines) && header_take_field(lines, &field))
		read_field(entry, &field);
	entry->entity->header_end = lines->at;
	if (lines->at < lines->end && lines_line_end(lines) == lines->at)
		lines_skip(lines);
	entry->entity->body = lines->at;
	/* RFC 2046 section 5.1.5 */
	if (!entry->has_type && nest->depth > 0 && nest->levels[nest->depth - 1].digest)
		entry->type.message = entry->type.rfc822 = true;
}

/* The body.  Its end is searched when it is first needed: an entity with parts does not need it. */
static struct span body_of(const struct entry *entry)
{
	struct entity *entity = entry->entity;
	if (!entity->end)
		entity->end = nest_find_delimiter(entry->nest, entry->lines);
	return (struct span){entity->body, (size_t)(entity->end - entity->body)};
}

/* Without branches: the class of the next octet is random, so they would be mispredicted. */
bool entity_is_base64(struct span line)
{
	unsigned good = 1;
	for (size_t i = 0; i < line.length; i++) {
		unsigned octet = (unsigned char)line.data[i];
		good &= ((octet | 0x20) - 'a' < 26) | (octet - '/' < 11) | (octet == '+') | (octet == '=') |
			(octet == ' ') | (octet == '\t');
	}
	return good;
}

/* Why an illegal body without parts cannot be made legal; NULL where it can. */
static const char *obstacle(const struct entry *entry)
{
	const struct content_type *type = &entry->type;
	if (type->multipart && type->boundary_length == 0)
		return "is a multipart without a usable boundary";
	if (type->multipart || (type->rfc822 && header_is_identity(entry->encoding)))
		return "is nested too deeply";
	return NULL;
}

static enum manner treat_illegal(const struct entry *entry)
{
	bool identity = header_is_identity(entry->encoding);
	const char *what = obstacle(entry);
	if (what) {
		recoding_give_up(entry->recoding, entry->nest, entry->entity->depth, (struct span){NULL, 0}, what);
		return MANNER_COPY;
	}
	entry->recoding->needed = true;
	if (entry->encoding == ENCODING_BASE64)
		return MANNER_WRAP;
	if (entry->type.message && identity)
		return MANNER_MASK;
	entry->recoding->quoted_printable = true;
	return identity ? MANNER_QUOTE : MANNER_MEND;
}

static enum manner choose_manner(const struct entry *entry)
{
	if (nest_has_room(entry->nest, &entry->type)) {
		if (entry->type.boundary_length > 0)
			return MANNER_PARTS;
		if (entry->type.rfc822 && header_is_identity(entry->encoding))
			return MANNER_MESSAGE;
	}
	struct line_facts facts = lines_examine(body_of(entry));
	return lines_are_legal(&facts, entry->recoding->eightbitmime) ? MANNER_COPY : treat_illegal(entry);
}

/* The new Content-Transfer-Encoding field, which replaces each existing one: readers differ in which of two counts.
 * For an entity with parts it depends on the server alone, not on the parts. */
static const char *new_encoding(const struct entry *entry)
{
	/* With SMTPUTF8, header fields in the entity may keep 8-bit octets, for which 7bit would be wrong. */
	bool eightbit = entry->recoding->eightbitmime || entry->recoding->smtputf8;
	enum encoding encoding = entry->encoding;
	if (entry->entity->manner == MANNER_QUOTE || entry->entity->manner == MANNER_MEND)
		return "Content-Transfer-Encoding: quoted-printable\r\n";
	bool allowed = encoding != ENCODING_BINARY && (encoding != ENCODING_8BIT || eightbit);
	if (!entity_has_parts(entry->entity) || allowed)
		return NULL;
	return eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "Content-Transfer-Encoding: 7bit\r\n";
}

/* Whether a message has or gets MIME fields, but has no MIME-Version. */
static bool needs_version(const struct entry *entry)
{
	bool has_fields = entry->has_type || entry->has_encoding || entry->entity->manner == MANNER_QUOTE;
	return nest_holds_message(entry->nest) && has_fields && !entry->has_version;
}

/* The type of a body without one; RFC 1428 has a name for an unknown charset. */
static const char *new_type(const struct entry *entry)
{
	if (entry->entity->manner != MANNER_QUOTE || entry->has_type)
		return "";
	return text_is_utf8(body_of(entry)) ? "Content-Type: text/plain; charset=utf-8\r\n"
					    : "Content-Type: text/plain; charset=unknown-8bit\r\n";
}

static void add_fields(const struct entry *entry)
{
	struct entity *entity = entry->entity;
	const struct recoding *recoding = entry->recoding;
	char mark[400] = "";
	entity->encoding = new_encoding(entry);
	if (entity->depth == 0 && recoding->quoted_printable)
		snprintf(mark, sizeof mark, "X-MIME-Autoconverted: from %s to quoted-printable by %s\r\n",
			 recoding->message_eightbit ? "8bit" : "7bit", recoding->helohost);
	/* Without a blank line the added fields, those of an embedded message, or the first line of the body could
	 * be misread. */
	int length = snprintf(entity->text, sizeof entity->text, "%s%s%s%s%s", mark,
			      needs_version(entry) ? "MIME-Version: 1.0\r\n" : "", new_type(entry),
			      entity->encoding && !entry->has_encoding ? entity->encoding : "",
			      entry->is_empty ? "" : "\r\n");
	entity->text_length = (size_t)length;
}

void entity_enter(struct entity *entity, struct recoding *recoding, struct nest *nest, struct lines lines)
{
	struct entry entry = {
		.entity = entity, .recoding = recoding, .nest = nest, .lines = lines, .encoding = ENCODING_7BIT};
	entity->depth = nest->depth;
	entity->end = NULL;
	read_header(&entry);
	entity->manner = choose_manner(&entry);
	add_fields(&entry);
	if (entity_has_parts(entity))
		nest_push(nest, &entry.type);
}
