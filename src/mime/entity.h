#ifndef ENTITY_H
#define ENTITY_H

#include "base/lines.h"
#include "mime/nest.h"

#include <stdbool.h>
#include <stddef.h>

/* What a message has to become for one server, and what mime_survey() found out about that. */
struct recoding {
	struct span message;
	bool message_eightbit; /* it has 8-bit octets */
	bool eightbitmime;     /* what the server takes */
	bool smtputf8;
	const char *helohost; /* whom the top header names as the one who did it */

	bool needed;           /* something has to change; else the message goes as it is */
	bool quoted_printable; /* some part becomes quoted-printable, or is mended as such */
	bool utf8_header;  /* a header field has 8-bit octets that are UTF-8, and nothing but SMTPUTF8 makes them legal
			    */
	bool eightbit;     /* the result has 8-bit octets */
	char trouble[300]; /* why it cannot be made legal: a sentence whose subject is the server; else empty */
};

/* Notes what cannot be made legal, if it is the first. */
void recoding_give_up(struct recoding *recoding, const char *place, const char *what);

/* Notes that octets of which this is known are not encoded: what the server takes of them is in the result. */
void recoding_keep(struct recoding *recoding, const struct line_facts *facts);

/* What becomes of a body. */
enum treatment {
	TREATMENT_COPY,
	TREATMENT_QUOTE,   /* becomes quoted-printable */
	TREATMENT_MEND,    /* is quoted-printable, and breaks its rules */
	TREATMENT_WRAP,    /* is base64, in long lines or with what is none */
	TREATMENT_MASK,    /* must not be encoded: what cannot travel becomes `?`, and long lines are cut */
	TREATMENT_PARTS,   /* a multipart: each part is an entity */
	TREATMENT_MESSAGE, /* message/rfc822: the body is an entity */
};

/* An entity (RFC 2045 section 2.4): where it stands, and what becomes of it. */
struct entity {
	const char *header_end; /* behind the last field */
	const char *body;       /* behind the blank line; the same where there is none */
	const char *end;        /* of the body, if it has no parts */
	enum treatment treatment;
	size_t depth;         /* how many levels surround it */
	const char *encoding; /* the Content-Transfer-Encoding field that it gets instead of its own; NULL: none */
	size_t text_length;
	char text[800]; /* what is added behind the last field */
};

/*
 * Reads the header of the entity that begins where `lines` are, and decides, looking at its body if that has no parts.
 * What cannot be made legal is noted in `recoding`.  An entity with parts becomes the innermost level of the nest.
 */
void entity_enter(struct entity *entity, struct recoding *recoding, struct nest *nest, struct lines lines);

/* Notes that the entity cannot be made legal, with its place. */
void entity_give_up(const struct entity *entity, struct recoding *recoding, const struct nest *nest, const char *what);

/* Whether a line of a base64 body is base64, or white space (RFC 2045 section 6.8). */
bool entity_is_base64(struct span line);

/* Whether it has entities in its body. */
bool entity_has_parts(const struct entity *entity);

#endif
