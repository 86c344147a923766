/* SPDX-License-Identifier: ISC */
/*
 * ehlo - a reply to EHLO to what the server offers
 *
 * RFC 5321 section 4.1.1.1: ehlo-line = keyword *( SP param ).  A keyword is matched as a whole word and without regard
 * to case; unexpected parameters are ignored.
 */
#include "smtp/ehlo.h"

#include <limits.h>

/* RFC 1870 section 4: no number and 0 both mean no limit; so does a number that is too large for any message. */
static uint64_t size_limit(struct span parameters)
{
	struct span rest;
	unsigned long limit;
	if (!parameters.data || !span_number(span_split(parameters, ' ', &rest), 0, ULONG_MAX, &limit))
		return 0;
	return limit;
}

static void take_keyword(struct capabilities *offers, struct span line)
{
	struct span parameters;
	struct span keyword = span_split(line, ' ', &parameters);
	if (span_equal(keyword, span_of("PIPELINING")))
		offers->pipelining = true;
	else if (span_equal(keyword, span_of("8BITMIME")))
		offers->eightbitmime = true;
	else if (span_equal(keyword, span_of("SMTPUTF8")))
		offers->smtputf8 = true;
	else if (span_equal(keyword, span_of("STARTTLS")))
		offers->starttls = true;
	else if (span_equal(keyword, span_of("CHUNKING")))
		offers->chunking = true;
	else if (span_equal(keyword, span_of("BINARYMIME")))
		offers->binarymime = true;
	else if (span_equal(keyword, span_of("SIZE"))) {
		offers->size = true;
		offers->size_limit = size_limit(parameters);
	}
}

struct capabilities ehlo_parse(const struct reply *reply)
{
	struct capabilities offers = {0};
	struct span rest = {reply->text, reply->length};
	span_split(rest, '\n', &rest); /* the first line holds the server's name */
	while (rest.length > 0) {
		struct span line = span_trim(span_split(rest, '\n', &rest));
		if (line.length > 4)
			take_keyword(&offers, (struct span){line.data + 4, line.length - 4});
	}
	return offers;
}
