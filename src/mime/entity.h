/* SPDX-License-Identifier: ISC */
#ifndef ENTITY_H
#define ENTITY_H

#include "base/lines.h"
#include "mime/nest.h"

#include <stdbool.h>
#include <stddef.h>

/* How a message must change for one server, and the results of mime_survey(). */
struct recoding {
	struct span message;
	bool message_eightbit; /* the message has 8-bit octets */
	bool eightbitmime;     /* what the server offers */
	bool smtputf8;
	const char *helohost; /* the name for X-MIME-Autoconverted */

	bool needed;           /* something must change; else the message is sent unchanged */
	bool quoted_printable; /* some body becomes quoted-printable, or is repaired quoted-printable */
	bool utf8_header;      /* a header field has 8-bit octets in UTF-8 that only SMTPUTF8 makes legal */
	bool eightbit;         /* the result has 8-bit octets */
	char trouble[300];     /* why the message cannot be made legal, as a sentence about the server; or empty */
};

/* Notes why the message cannot be made legal, unless a reason is noted already: something about a field of the entity
 * with `depth` levels around it, or about its body if the field has no name. */
void recoding_give_up(struct recoding *recoding, const struct nest *nest, size_t depth, struct span field,
		      const char *what);

/* What is done with a body, and how the octets of a piece are sent: in one of the first three manners. */
enum manner {
	MANNER_COPY,
	MANNER_QUOTE,   /* becomes quoted-printable */
	MANNER_MEND,    /* is quoted-printable, and must be repaired */
	MANNER_WRAP,    /* is base64, with long lines or lines that are not base64 */
	MANNER_MASK,    /* must not be encoded: illegal octets become `?`, and long lines are cut */
	MANNER_PARTS,   /* a multipart: each part is an entity */
	MANNER_MESSAGE, /* message/rfc822: the body is an entity */
};

/* An entity (RFC 2045 section 2.4): its place, and what is done with it. */
struct entity {
	const char *header_end; /* after the last field */
	const char *body;       /* after the blank line; the same if there is none */
	const char *end;        /* of the body, if it has no parts */
	enum manner manner;
	size_t depth;         /* the number of levels around it */
	const char *encoding; /* the Content-Transfer-Encoding field that replaces its own; NULL: none */
	size_t text_length;
	char text[800]; /* what is sent after the last field: what is added, and the blank line */
};

/*
 * Reads the header of the entity that begins at `lines`, and decides what is done with it; a body without parts is read
 * for that.  If it cannot be made legal, `recoding` says why.  An entity with parts becomes the innermost level of the
 * nest.
 */
void entity_enter(struct entity *entity, struct recoding *recoding, struct nest *nest, struct lines lines);

/* Whether a line of a base64 body is base64, or white space (RFC 2045 section 6.8). */
bool entity_is_base64(struct span line);

/* Whether its body consists of entities. */
bool entity_has_parts(const struct entity *entity);

#endif
