/* SPDX-License-Identifier: ISC */
/*
 * entity - how an entity of a message is changed for one server (TR-8)
 *
 * mime.c enters the entities one after the other.  A body that the server accepts stays unchanged.  For any other, type
 * and encoding decide, before the header is sent, since the header must name the encoding of the body.  Entities with
 * parts are never encoded themselves.  RFC 2045, RFC 2046, RFC 6152 section 3.
 */
#include "mime/entity.h"

#include "mime/heading.h"

#include <stdio.h>

void recoding_give_up(struct recoding *recoding, const char *place, const char *what)
{
	if (!*recoding->trouble)
		snprintf(recoding->trouble, sizeof recoding->trouble, "cannot take this message: %s %s.", place, what);
}

void recoding_keep(struct recoding *recoding, const struct line_facts *facts)
{
	recoding->eightbit = recoding->eightbit || (facts->eightbit && recoding->eightbitmime);
}

void entity_give_up(const struct entity *entity, struct recoding *recoding, const struct nest *nest, const char *what)
{
	char place[NEST_PLACE_SIZE];
	if (*recoding->trouble)
		return; /* there may be many, and naming a place takes longer than finding it */
	nest_print_place(nest, entity->depth, place);
	recoding_give_up(recoding, place, what);
}

bool entity_has_parts(const struct entity *entity)
{
	return entity->treatment == TREATMENT_PARTS || entity->treatment == TREATMENT_MESSAGE;
}

/* The state while an entity is entered. */
struct entry {
	struct entity *entity;
	struct recoding *recoding;
	struct nest *nest;
	struct heading heading;
};

/* The body.  Its end is searched when it is first needed: an entity with parts does not need it. */
static struct span body_of(const struct entry *entry)
{
	struct entity *entity = entry->entity;
	if (!entity->end)
		entity->end = nest_find_delimiter(entry->nest, entry->heading.body);
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
	const struct content_type *type = &entry->heading.type;
	if (type->multipart && type->boundary_length == 0)
		return "is a multipart without a usable boundary";
	if (type->multipart || (type->rfc822 && header_is_identity(entry->heading.encoding)))
		return "is nested too deeply";
	return NULL;
}

static enum treatment treat_illegal(const struct entry *entry)
{
	const struct heading *heading = &entry->heading;
	bool identity = header_is_identity(heading->encoding);
	const char *what = obstacle(entry);
	if (what) {
		entity_give_up(entry->entity, entry->recoding, entry->nest, what);
		return TREATMENT_COPY;
	}
	entry->recoding->needed = true;
	if (heading->encoding == ENCODING_BASE64)
		return TREATMENT_WRAP;
	if (heading->type.message && identity)
		return TREATMENT_MASK;
	entry->recoding->quoted_printable = true;
	return identity ? TREATMENT_QUOTE : TREATMENT_MEND;
}

static bool is_recoded(enum treatment treatment)
{
	return treatment == TREATMENT_QUOTE || treatment == TREATMENT_MEND;
}

static enum treatment choose_treatment(const struct entry *entry)
{
	if (entry->heading.has_parts)
		return TREATMENT_PARTS;
	if (entry->heading.has_message)
		return TREATMENT_MESSAGE;
	struct line_facts facts = lines_examine(body_of(entry));
	enum treatment treatment = TREATMENT_COPY;
	if (!lines_are_legal(&facts, entry->recoding->eightbitmime))
		treatment = treat_illegal(entry);
	if (!is_recoded(treatment))
		recoding_keep(entry->recoding, &facts);
	return treatment;
}

/* The new Content-Transfer-Encoding field, which replaces each existing one: readers differ in which of two counts.
 * For an entity with parts it depends on the server alone, not on the parts. */
static const char *new_encoding(const struct entry *entry)
{
	/* With SMTPUTF8, header fields in the entity may keep 8-bit octets, for which 7bit would be wrong. */
	bool eightbit = entry->recoding->eightbitmime || entry->recoding->smtputf8;
	enum encoding encoding = entry->heading.encoding;
	if (is_recoded(entry->entity->treatment))
		return "Content-Transfer-Encoding: quoted-printable\r\n";
	bool allowed = encoding != ENCODING_BINARY && (encoding != ENCODING_8BIT || eightbit);
	if (!entity_has_parts(entry->entity) || allowed)
		return NULL;
	return eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "Content-Transfer-Encoding: 7bit\r\n";
}

/* Whether a message has or gets MIME fields, but has no MIME-Version. */
static bool needs_version(const struct entry *entry)
{
	const struct heading *heading = &entry->heading;
	bool has_fields = heading->has_type || heading->has_encoding || entry->entity->treatment == TREATMENT_QUOTE;
	return nest_holds_message(entry->nest) && has_fields && !heading->has_version;
}

/* The type of a body without one; RFC 1428 has a name for an unknown charset. */
static const char *new_type(const struct entry *entry)
{
	if (entry->entity->treatment != TREATMENT_QUOTE || entry->heading.has_type)
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
	int length = snprintf(entity->text, sizeof entity->text, "%s%s%s%s", mark,
			      needs_version(entry) ? "MIME-Version: 1.0\r\n" : "", new_type(entry),
			      entity->encoding && !entry->heading.has_encoding ? entity->encoding : "");
	/* Without a blank line the added fields, those of an embedded message, or the first line of the body could
	 * be misread. */
	if (entity->header_end == entity->body && !entry->heading.is_empty)
		length += snprintf(entity->text + length, sizeof entity->text - (size_t)length, "\r\n");
	entity->text_length = (size_t)length;
}

void entity_enter(struct entity *entity, struct recoding *recoding, struct nest *nest, struct lines lines)
{
	struct entry entry = {.entity = entity, .recoding = recoding, .nest = nest};
	entity->depth = nest->depth;
	heading_read(&entry.heading, nest, lines);
	entity->header_end = entry.heading.end;
	entity->body = entry.heading.body.at;
	entity->end = NULL;
	entity->treatment = choose_treatment(&entry);
	add_fields(&entry);
	if (entity_has_parts(entity))
		nest_push(nest, &entry.heading.type);
}
