#ifndef MIME_H
#define MIME_H

#include "base/lines.h"
#include "mime/entity.h"
#include "mime/nest.h"
#include "mime/words.h"

#include <stdbool.h>

/*
 * Goes through the message and fills in the second half of the struct.  Where there is trouble, the message cannot be
 * made legal for this server and must not be sent.
 */
void mime_survey(struct recoding *recoding);

/* How the octets of a piece travel: as they are; as quoted-printable; as the quoted-printable that they are, mended. */
enum manner { MANNER_COPY, MANNER_QUOTE, MANNER_MEND };

/* Whole lines; the last gets a CR LF if it has no end.  The octets stay until the next piece is asked for. */
struct piece {
	struct span octets;
	enum manner manner;
};

/* A walk through a message; it needs no other memory, however large the message is. */
struct mime {
	struct recoding *recoding;
	struct lines rest; /* what no piece was made of yet */
	enum { AT_ENTITY, IN_HEADER, AFTER_HEADER, IN_BODY, BETWEEN_PARTS, AT_DELIMITER } place;
	struct entity entity;
	struct nest nest;
	struct field field; /* that was taken last */
	bool in_words;      /* it becomes encoded-words */
	struct words words;
	struct lines cut; /* the lines of what leaves line by line: a field that is folded, what cannot be encoded */
	struct span line; /* what is left of the one that is being cut */
	bool line_is_first;
	bool line_is_base64;
	char text[LINE_MAX_TEXT + 2]; /* a line that stands nowhere in the message */
};

/* Begins a walk through a message that was surveyed. */
void mime_open(struct mime *mime, struct recoding *recoding);

/* The next piece; false at the end. */
bool mime_next(struct mime *mime, struct piece *piece);

#endif
