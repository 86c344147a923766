#ifndef HEADER_H
#define HEADER_H

#include "lines.h"

#include <stdbool.h>
#include <stddef.h>

/* Octets of the longest boundary that a delimiter line has room for, with `--` at both ends. */
enum { BOUNDARY_MAX = LINE_MAX_TEXT - 4 };

/* One header field (RFC 5322 section 2.2), or a line that a mailbox had in front of the message: `From ` or `>From `.
 */
struct field {
	struct span octets; /* all of it, its line ends included */
	struct span name;   /* of such a line all up to its space, which no field's name has */
	struct span body;   /* what stands behind the colon, still folded */
};

/*
 * Takes the field that begins at the line where `lines` are, with its continuation lines.  Returns false, and moves
 * nothing, where no field begins: at a blank line, at the end, and at a line without a field's name and colon that is
 * no `From ` line either.
 */
bool header_take_field(struct lines *lines, struct field *field);

/*
 * Takes as much of a line as may stand in one: all of it, or up to a white space where it can be folded (RFC 5322
 * section 2.2.3), so that no piece is white space only.  `line` becomes what is left, and begins with white space then.
 * A line that cannot be folded gives a span whose data is NULL.  `first` says that the line begins a field, which is
 * not folded before its colon.
 */
struct span header_fold(struct span *line, bool first);

/* Takes the comment that a text begins with away from it, comments within it included (RFC 5322 section 3.2.2).  One
 * that has no end takes all of the text, and gives false. */
bool header_skip_comment(struct span *text);

/* What the body of a Content-Type field says, as far as it decides how an entity is to be read (RFC 2045 section 5). */
struct content_type {
	bool multipart;
	bool digest; /* multipart/digest, whose parts are messages unless they say otherwise (RFC 2046 section 5.1.5) */
	bool message;           /* a message of a kind that must not be encoded (RFC 2045 section 6.4) */
	bool rfc822;            /* message/rfc822 */
	size_t boundary_length; /* 0 where there is none, or none that a delimiter line has room for */
	char boundary[BOUNDARY_MAX];
};

/* Reads it: comments are passed over, parameters may be quoted, continued or extended (RFC 2231).  Of equal parameters
 * the first counts.  A field that says nothing understandable gives all false. */
void header_read_type(struct span body, struct content_type *type);

/* What a Content-Transfer-Encoding field says (RFC 2045 section 6).  An empty one is as none; so is an unknown one, but
 * it tells less about the octets, and counts as binary. */
enum encoding { ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64 };
enum encoding header_read_encoding(struct span body);

/* Whether it changes none of the octets of a body. */
bool header_is_identity(enum encoding encoding);

#endif
