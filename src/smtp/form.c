/* SPDX-License-Identifier: ISC */
/*
 * form - how a message is sent to one server: by DATA or BDAT, unchanged or recoded
 *
 * transaction.c asks it once it knows what the server offers.  RFC 1870, RFC 3030, RFC 6152, RFC 6531.  CHUNKING is
 * preferred, since BDAT sends every message unchanged (TR-6); without it a message is recoded where necessary (TR-4,
 * TR-5, TR-7).
 */
#include "smtp/form.h"

static bool has_binary(const struct line_facts *facts)
{
	return facts->nul || facts->long_line;
}

static const char *body_parameter(const struct form *form, const struct capabilities *offers,
				  const struct line_facts *facts)
{
	bool eightbit = form->recoded ? form->recoding.eightbit : facts->eightbit;
	if (form->chunked && offers->binarymime && has_binary(facts))
		return " BODY=BINARYMIME";
	return eightbit && offers->eightbitmime ? " BODY=8BITMIME" : "";
}

bool form_choose(struct form *form, const struct capabilities *offers, struct span message,
		 const struct line_facts *facts, const char *helohost)
{
	*form = (struct form){.chunked = offers->chunking, .size = facts->size, .how = ""};
	form->recoding = (struct recoding){.message = message,
					   .message_eightbit = facts->eightbit,
					   .eightbitmime = offers->eightbitmime,
					   .smtputf8 = offers->smtputf8,
					   .helohost = helohost};
	form->recoded = !form->chunked && (has_binary(facts) || (facts->eightbit && !offers->eightbitmime));
	/* With 8BITMIME there is no need for SMTPUTF8, which the next server may lack (EXT-7). */
	if (form->recoded || (facts->eightbit && offers->smtputf8 && !offers->eightbitmime))
		mime_survey(&form->recoding);
	form->smtputf8 = form->recoding.utf8_header;
	form->body = body_parameter(form, offers, facts);
	if (form->chunked)
		form->how = "chunked";
	if (!form->recoded)
		return true;
	if (*form->recoding.trouble)
		return false;
	form->recoded = form->recoding.needed;
	if (!form->recoded)
		return true;
	form->size = encoder_recoded_size(&form->recoding);
	if (form->recoding.quoted_printable)
		form->how = "quoted-printable";
	return true;
}

void form_open(struct form *form, struct encoder *encoder, struct mime *mime)
{
	if (form->recoded)
		encoder_open_recoded(encoder, mime, &form->recoding);
	else
		encoder_open(encoder, form->recoding.message, !form->chunked);
}
