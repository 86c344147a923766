#ifndef FORM_H
#define FORM_H

#include "mime/mime.h"
#include "smtp/ehlo.h"
#include "smtp/encoder.h"

#include <stdbool.h>
#include <stdint.h>

/* In which form a message goes to one server. */
struct form {
	bool chunked; /* by BDAT (RFC 3030), else by DATA */
	bool recoded;
	bool smtputf8;    /* its header needs SMTPUTF8 there (RFC 6531) */
	uint64_t size;    /* octets that are to be sent, doubled dots not counted (RFC 1870 section 3) */
	const char *body; /* the BODY parameter of MAIL (RFC 6152, RFC 3030), with a space before it; or empty */
	const char *how;  /* for the report; or empty */
	struct recoding recoding;
};

/*
 * Chooses the form for a message, of which `facts` are known, from what the server offers.  Returns false where there
 * is none; `form->recoding.trouble` then says why.
 */
bool form_choose(struct form *form, const struct capabilities *offers, struct span message,
		 const struct line_facts *facts, const char *helohost);

/* Begins with the octets of the message in its form; `mime` is room for the walk through one that is recoded. */
void form_open(struct form *form, struct encoder *encoder, struct mime *mime);

#endif
