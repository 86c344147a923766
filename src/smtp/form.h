/* SPDX-License-Identifier: ISC */
#ifndef FORM_H
#define FORM_H

#include "mime/mime.h"
#include "smtp/ehlo.h"
#include "smtp/encoder.h"

#include <stdbool.h>
#include <stdint.h>

/* The form in which a message is sent to one server. */
struct form {
	bool chunked; /* by BDAT (RFC 3030), else by DATA */
	bool recoded;
	bool smtputf8;    /* its header needs SMTPUTF8 there (RFC 6531) */
	uint64_t size;    /* number of octets to send, doubled dots not counted (RFC 1870 section 3) */
	const char *body; /* the BODY parameter of MAIL (RFC 6152, RFC 3030), with a space before it; or empty */
	const char *how;  /* a word for the report; or empty */
	struct recoding recoding;
};

/*
 * Chooses the form for a message with these `facts` from what the server offers.  Returns false if there is none;
 * `form->recoding.trouble` then says why.
 */
bool form_choose(struct form *form, const struct capabilities *offers, struct span message,
		 const struct line_facts *facts, const char *helohost);

/* Begins with the octets of the message in its form; `mime` is memory for the walk through a recoded one. */
void form_open(struct form *form, struct encoder *encoder, struct mime *mime);

#endif
