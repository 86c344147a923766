/* SPDX-License-Identifier: ISC */
#ifndef HEADER_H
#define HEADER_H

#include "base/lines.h"

#include <stdbool.h>
#include <stddef.h>

/* The longest boundary, in octets, that fits into a delimiter line with `--` at both ends. */
enum { BOUNDARY_MAX = LINE_MAX_TEXT - 4 };

/* One header field (RFC 5322 section 2.2), or a line that a mailbox file had before the message: `From ` or `>From
 * `. */
struct field {
	struct span octets; /* all of it, its line ends included */
	struct span name;   /* of such a line all up to its space, which no field name has */
	struct span body;   /* the text after the colon, still folded */
};

/*
 * Takes the field that begins at `lines`, with its continuation lines.  Returns false, and moves nothing, if no field
 * begins there: at a blank line, at the end, and at a line that has no field name and colon and is not a `From ` line.
 */
bool header_take_field(struct lines *lines, struct field *field);

/*
 * Takes as much of a line as is legal in one: all of it, or up to a white space where it can be folded (RFC 5322
 * section 2.2.3), so that no piece is only white space.  `line` becomes the rest, which then begins with white space.
 * If it cannot be folded, the data of the result is NULL.  `first` says that the line begins a field, which is not
 * folded before its colon.
 */
struct span header_fold(struct span *line, bool first);

/* What the body of a Content-Type field says, as far as it decides how an entity is to be read (RFC 2045 section 5). */
struct content_type {
	bool multipart;
	bool digest;            /* multipart/digest, whose parts are messages by default (RFC 2046 section 5.1.5) */
	bool message;           /* a message type that must not be encoded (RFC 2045 section 6.4) */
	bool rfc822;            /* message/rfc822 */
	size_t boundary_length; /* 0 if there is none, or one that does not fit into a delimiter line */
	char boundary[BOUNDARY_MAX];
};

/* Reads it: comments are skipped, parameters may be quoted, continued or extended (RFC 2231).  Of equal parameters
 * the first counts.  A malformed field gives all false. */
void header_read_type(struct span body, struct content_type *type);

/* What a Content-Transfer-Encoding field says (RFC 2045 section 6).  An empty one counts as absent; an unknown one
 * as binary, since it promises nothing about the octets. */
enum encoding { ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64 };
enum encoding header_read_encoding(struct span body);

/* Whether it leaves the octets of a body unchanged. */
bool header_is_identity(enum encoding encoding);

#endif
