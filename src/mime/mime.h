/* SPDX-License-Identifier: ISC */
#ifndef MIME_H
#define MIME_H

#include "base/lines.h"
#include "mime/entity.h"
#include "mime/nest.h"
#include "mime/words.h"

#include <stdbool.h>

/*
 * Goes through the message and fills in the second half of the struct.  If `trouble` is set, the message cannot be made
 * legal for this server and must not be sent.
 */
void mime_survey(struct recoding *recoding);

/* Whole lines; the last gets a CR LF if it has no end.  The octets stay until the next call. */
struct piece {
	struct span octets;
	enum manner manner;
};

/* A walk through a message; it needs no other memory, whatever the size of the message. */
struct mime {
	struct recoding *recoding;
	struct lines rest; /* not in any piece yet */
	enum { AT_ENTITY, IN_HEADER, IN_BODY, BETWEEN_PARTS, AT_DELIMITER } place;
	struct entity entity;
	struct nest nest;
	struct field field; /* the last one taken */
	bool in_words;      /* its encoded-words */
	struct words words;
	struct lines cut; /* the lines of a folded field or of text that cannot be encoded */
	struct span line; /* the rest of the line that is being cut */
	bool line_is_first;
	bool line_is_base64;
	char text[LINE_MAX_TEXT + 2]; /* a line that is not in the message */
};

/* Begins a walk through a message that was surveyed. */
void mime_open(struct mime *mime, struct recoding *recoding);

/* The next piece; false at the end. */
bool mime_next(struct mime *mime, struct piece *piece);

#endif
