/* SPDX-License-Identifier: ISC */
/*
 * header - header fields, and what Content-Type and Content-Transfer-Encoding say
 *
 * mime.c uses it for each entity of a message that must be recoded.  RFC 5322 section 2.2, RFC 2045 sections 5 and 6,
 * RFC 2231.  It accepts what real mail has: white space before a colon, unquoted parameters with characters that ought
 * to be quoted, quoted strings without an end.
 */
#include "mime/header.h"

#include <string.h>

static bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* RFC 5322 section 3.6.8 */
static bool is_name_octet(char octet)
{
	return octet > ' ' && octet <= '~' && octet != ':';
}

/* mbox, procmail and others leave such a line in a header, and qmail skips it. */
static struct span take_from(struct span line)
{
	static const char from[] = ">From ";
	const char *word = line.length > 0 && *line.data == '>' ? from : from + 1;
	bool found = line.length >= strlen(word) && memcmp(line.data, word, strlen(word)) == 0;
	return (struct span){line.data, found ? strlen(word) : 0};
}

bool header_take_field(struct lines *lines, struct field *field)
{
	const char *start = lines->at;
	const char *end = lines_line_end(lines);
	const char *at = start;
	while (at < end && is_name_octet(*at))
		at++;
	field->name = (struct span){start, (size_t)(at - start)};
	while (at < end && is_blank(*at)) /* obsolete, but seen: section 4.5 */
		at++;
	bool has_colon = field->name.length > 0 && at < end && *at == ':';
	if (!has_colon)
		field->name = take_from((struct span){start, (size_t)(end - start)});
	if (field->name.length == 0)
		return false;
	field->body.data = has_colon ? at + 1 : start + field->name.length;
	do
		lines_skip(lines);
	while (lines->at < lines->end && is_blank(*lines->at));
	field->octets = (struct span){start, (size_t)(lines->at - start)};
	field->body.length = (size_t)(lines->at - field->body.data);
	return true;
}

/* Whether there is only white space.  It is searched from the front: this runs for every piece of a line. */
static bool is_empty(struct span text)
{
	while (text.length > 0 && memchr(" \t\r\n\v\f", *text.data, 6)) {
		text.data++;
		text.length--;
	}
	return text.length == 0;
}

/*
 * Where to fold: at the last white space that leaves a piece of legal length.  The last of several in a row is best,
 * since it leaves the shortest rest; but if only some of them fit, one that fits must do.
 */
struct span header_fold(struct span *line, bool first)
{
	struct span piece = *line;
	size_t at = 0;
	size_t best = 0;
	size_t last_resort = 0;
	if (line->length <= LINE_MAX_TEXT) {
		*line = (struct span){line->data + line->length, 0};
		return piece;
	}
	if (first)
		while (at < LINE_MAX_TEXT && line->data[at] != ':')
			at++;
	for (; at < LINE_MAX_TEXT && is_blank(line->data[at]); at++)
		continue; /* the piece must not be only white space */
	for (at++; at <= LINE_MAX_TEXT; at++) {
		if (!is_blank(line->data[at]))
			continue;
		last_resort = at;
		if (at + 1 < line->length && !is_blank(line->data[at + 1]))
			best = at;
	}
	piece.length = best > 0 ? best : last_resort;
	*line = (struct span){line->data + piece.length, line->length - piece.length};
	return piece.length > 0 && !is_empty(*line) ? piece : (struct span){NULL, 0};
}

/* The functions below read the body of a field from its front: each takes something off `text`. */

static bool at_octet(const struct span *text, char octet)
{
	return text->length > 0 && *text->data == octet;
}

static char take_octet(struct span *text)
{
	text->length--;
	return *text->data++;
}

/* The comment that begins here, and the comments in it (RFC 5322 section 3.2.2); without an end, all. */
static void skip_comment(struct span *text)
{
	size_t depth = 0;
	do {
		char octet = take_octet(text);
		if (octet == '\\' && text->length > 0)
			take_octet(text);
		else if (octet == '(')
			depth++;
		else if (octet == ')')
			depth--;
	} while (depth > 0 && text->length > 0);
}

/* White space, line ends and comments. */
static void skip_cfws(struct span *text)
{
	while (text->length > 0) {
		if (at_octet(text, '('))
			skip_comment(text);
		else if (memchr(" \t\r\n", *text->data, 4))
			take_octet(text);
		else
			return;
	}
}

/* RFC 2045 section 5.1: everything before a character of `stop`, white space or a control character. */
static struct span take_until(struct span *text, const char *stop)
{
	struct span token = {text->data, 0};
	while (text->length > 0 && (unsigned char)*text->data > ' ' && !strchr(stop, *text->data)) {
		take_octet(text);
		token.length++;
	}
	return token;
}

static struct span take_token(struct span *text)
{
	skip_cfws(text);
	return take_until(text, "()<>@,;:\\\"/[]?=\x7f");
}

/* A parameter: its attribute, and its raw value without the quotes. */
struct parameter {
	struct span attribute;
	struct span value;
	bool quoted;
};

static struct span take_quoted(struct span *text)
{
	take_octet(text);
	struct span value = {text->data, 0};
	while (text->length > 0 && *text->data != '"') {
		if (take_octet(text) == '\\' && text->length > 0)
			take_octet(text);
	}
	value.length = (size_t)(text->data - value.data);
	if (text->length > 0)
		take_octet(text);
	return value;
}

/* The next parameter; false if there is none.  Malformed ones are skipped. */
static bool take_parameter(struct span *text, struct parameter *parameter)
{
	while (text->length > 0) {
		skip_cfws(text);
		if (at_octet(text, '"')) {
			take_quoted(text);
			continue;
		}
		if (text->length == 0 || take_octet(text) != ';')
			continue;
		parameter->attribute = take_token(text);
		skip_cfws(text);
		if (!at_octet(text, '='))
			continue;
		take_octet(text);
		skip_cfws(text);
		parameter->quoted = at_octet(text, '"');
		parameter->value = parameter->quoted ? take_quoted(text) : take_until(text, ";(");
		return true;
	}
	return false;
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Appends a value to the boundary; an overlong boundary counts as none. */
static void append(struct content_type *type, struct span value, bool quoted, bool extended)
{
	while (value.length > 0) {
		char octet = take_octet(&value);
		if (quoted && octet == '\\' && value.length > 0) {
			octet = take_octet(&value);
		} else if (extended && octet == '%' && value.length > 1 && digit_value(value.data[0]) >= 0 &&
			   digit_value(value.data[1]) >= 0) {
			octet = (char)(digit_value(value.data[0]) * 16 + digit_value(value.data[1]));
			value = (struct span){value.data + 2, value.length - 2};
		} else if (octet == '\r' || octet == '\n') {
			continue; /* unfolded */
		}
		if (type->boundary_length < BOUNDARY_MAX)
			type->boundary[type->boundary_length] = octet;
		type->boundary_length++;
	}
}

/* RFC 2231 section 4: an extended value begins with its charset and language. */
static struct span without_language(struct span value)
{
	struct span language, text;
	span_split(value, '\'', &language);
	if (!language.data)
		return value;
	span_split(language, '\'', &text);
	return text.data ? text : value;
}

/* How many sections of a parameter count (RFC 2231 section 3); one more place is for an unsectioned parameter. */
enum { SECTIONS_MAX = 100 };

/* Whether it is the boundary or a section of it, and which section. */
static bool is_boundary(const struct parameter *parameter, unsigned long *section)
{
	struct span number, star;
	struct span name = span_split(parameter->attribute, '*', &number);
	*section = SECTIONS_MAX;
	return span_equal(name, span_of("boundary")) &&
	       (number.length == 0 || span_number(span_split(number, '*', &star), 0, SECTIONS_MAX - 1, section));
}

static void append_section(struct content_type *type, const struct parameter *parameter, bool first)
{
	struct span attribute = parameter->attribute;
	bool extended = attribute.data[attribute.length - 1] == '*';
	append(type, extended && first ? without_language(parameter->value) : parameter->value, parameter->quoted,
	       extended);
}

/* The parameters are read once for all sections, since there may be megabytes of them. */
static void read_boundary(struct content_type *type, struct span parameters)
{
	struct parameter sections[SECTIONS_MAX + 1] = {0};
	const struct parameter *whole = &sections[SECTIONS_MAX];
	struct parameter parameter;
	unsigned long section;
	while (!whole->attribute.data && take_parameter(&parameters, &parameter))
		if (is_boundary(&parameter, &section) && !sections[section].attribute.data)
			sections[section] = parameter;
	if (whole->attribute.data)
		append_section(type, whole, true);
	else
		for (section = 0; section < SECTIONS_MAX && sections[section].attribute.data; section++)
			append_section(type, &sections[section], section == 0);
	if (type->boundary_length > BOUNDARY_MAX)
		type->boundary_length = 0;
	while (type->boundary_length > 0 && is_blank(type->boundary[type->boundary_length - 1]))
		type->boundary_length--; /* RFC 2046 section 5.1.1: it does not end with white space */
}

void header_read_type(struct span body, struct content_type *type)
{
	struct span main_type = take_token(&body);
	type->boundary_length = 0;
	skip_cfws(&body);
	if (!at_octet(&body, '/'))
		main_type.length = 0;
	else
		take_octet(&body);
	struct span subtype = take_token(&body);
	type->multipart = span_equal(main_type, span_of("multipart"));
	type->digest = type->multipart && span_equal(subtype, span_of("digest"));
	/* message/global and its relatives, such as message/global-headers, may be encoded: RFC 6532 section 3.7,
	 * RFC 6533. */
	struct span rest;
	bool global = span_equal(span_split(subtype, '-', &rest), span_of("global"));
	type->message = span_equal(main_type, span_of("message")) && !global;
	type->rfc822 = type->message && span_equal(subtype, span_of("rfc822"));
	if (type->multipart)
		read_boundary(type, body);
}

enum encoding header_read_encoding(struct span body)
{
	static const char *const names[] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};
	struct span name = take_token(&body);
	if (name.length == 0)
		return ENCODING_7BIT;
	for (int encoding = ENCODING_7BIT; encoding <= ENCODING_BASE64; encoding++)
		if (span_equal(name, span_of(names[encoding])))
			return (enum encoding)encoding;
	return ENCODING_BINARY;
}

bool header_is_identity(enum encoding encoding)
{
	return encoding <= ENCODING_BINARY;
}
