/* SPDX-License-Identifier: ISC */
#ifndef HEADING_H
#define HEADING_H

#include "base/lines.h"
#include "mime/header.h"
#include "mime/nest.h"

#include <stdbool.h>

/* The header of an entity as a whole. */
struct heading {
	bool is_empty; /* no octets at all, neither header nor body */
	bool has_version;
	bool has_type;
	bool has_encoding;
	enum encoding encoding;
	struct content_type type;
	bool has_parts;    /* a multipart: each part is an entity */
	bool has_message;  /* message/rfc822: the body is an entity */
	const char *end;   /* after the last field */
	struct lines body; /* after the blank line, if there is one */
};

/* Reads the header of the entity that begins at `lines`, within the nest. */
void heading_read(struct heading *heading, const struct nest *nest, struct lines lines);

#endif
