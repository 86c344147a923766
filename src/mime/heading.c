/* SPDX-License-Identifier: ISC */
/*
 * heading - the header of an entity: where it ends, and what it says about the body
 *
 * entity.c reads the header of each entity with it.  RFC 2045, RFC 2046 section 5.
 */
#include "mime/heading.h"

/* If a field occurs twice, the first counts. */
static void read_field(struct heading *heading, const struct field *field)
{
	if (span_equal(field->name, span_of("MIME-Version"))) {
		heading->has_version = true;
	} else if (span_equal(field->name, span_of("Content-Type")) && !heading->has_type) {
		heading->has_type = true;
		header_read_type(field->body, &heading->type);
	} else if (span_equal(field->name, span_of("Content-Transfer-Encoding")) && !heading->has_encoding) {
		heading->has_encoding = true;
		heading->encoding = header_read_encoding(field->body);
	}
}

/* Whether the body consists of entities: the type says so, and the nest has room for another level. */
static void judge_type(struct heading *heading, const struct nest *nest)
{
	struct content_type *type = &heading->type;
	/* RFC 2046 section 5.1.5 */
	if (!heading->has_type && nest->depth > 0 && nest->levels[nest->depth - 1].digest)
		type->message = type->rfc822 = true;
	if (!nest_has_room(nest, type))
		return;
	heading->has_parts = type->boundary_length > 0;
	heading->has_message = type->rfc822 && header_is_identity(heading->encoding);
}

/* A header ends at a blank line, or before a line that is not a field. */
void heading_read(struct heading *heading, const struct nest *nest, struct lines lines)
{
	struct field field;
	*heading = (struct heading){.encoding = ENCODING_7BIT};
	heading->is_empty = lines.at == lines.end || nest_at_delimiter(nest, &lines);
	while (lines.at < lines.end && !nest_at_delimiter(nest, &lines) && header_take_field(&lines, &field))
		read_field(heading, &field);
	heading->end = lines.at;
	if (lines.at < lines.end && lines_line_end(&lines) == lines.at)
		lines_skip(&lines);
	heading->body = lines;
	judge_type(heading, nest);
}
