/* SPDX-License-Identifier: ISC */
/*
 * ehlo - a reply to EHLO to what the server offers
 *
 * RFC 5321 section 4.1.1.1: ehlo-line = keyword *( SP param ).  A keyword is matched as a whole word and without regard
 * to case; unexpected parameters are ignored.
 */
#include "smtp/ehlo.h"

#include <limits.h>
#include <stddef.h>

/* RFC 1870 section 4: no number and 0 both mean no limit; so does a number that is too large for any message. */
static uint64_t size_limit(struct span parameters)
{
	struct span rest;
	unsigned long limit;
	if (!parameters.data || !span_number(span_split(parameters, ' ', &rest), 0, ULONG_MAX, &limit))
		return 0;
	return limit;
}

const char *const ehlo_mechanisms[EHLO_MECHANISMS] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"};

static const struct {
	const char *keyword;
	size_t member;
} extensions[] = {
	{"PIPELINING", offsetof(struct capabilities, pipelining)},
	{"8BITMIME", offsetof(struct capabilities, eightbitmime)},
	{"SMTPUTF8", offsetof(struct capabilities, smtputf8)},
	{"STARTTLS", offsetof(struct capabilities, starttls)},
	{"CHUNKING", offsetof(struct capabilities, chunking)},
	{"BINARYMIME", offsetof(struct capabilities, binarymime)},
	{"SIZE", offsetof(struct capabilities, size)},
};

enum { EXTENSIONS = sizeof extensions / sizeof *extensions };

/* Whether an extension is in the set. */
static bool *member(const struct capabilities *set, size_t extension)
{
	return (bool *)((uintptr_t)set + extensions[extension].member);
}

bool ehlo_add(struct capabilities *set, struct span keyword)
{
	for (size_t i = 0; i < EXTENSIONS; i++)
		if (span_equal(keyword, span_of(extensions[i].keyword)))
			return *member(set, i) = true;
	return false;
}

bool ehlo_add_mechanism(struct capabilities *set, struct span name)
{
	for (size_t i = 0; i < EHLO_MECHANISMS; i++)
		if (span_equal(name, span_of(ehlo_mechanisms[i])))
			return set->mechanisms[i] = true;
	return false;
}

void ehlo_ignore(struct capabilities *offers, const struct capabilities *ignored)
{
	for (size_t i = 0; i < EXTENSIONS; i++)
		*member(offers, i) = *member(offers, i) && !*member(ignored, i);
	for (size_t i = 0; i < EHLO_MECHANISMS; i++)
		offers->mechanisms[i] = offers->mechanisms[i] && !ignored->mechanisms[i];
	if (!offers->size)
		offers->size_limit = 0;
}

static void take_line(struct capabilities *offers, struct span line)
{
	struct span parameters;
	struct span keyword = span_split(line, ' ', &parameters);
	ehlo_add(offers, keyword);
	if (span_equal(keyword, span_of("SIZE")))
		offers->size_limit = size_limit(parameters);
	if (!span_equal(keyword, span_of("AUTH")))
		return;
	offers->auth = true;
	while (parameters.data)
		ehlo_add_mechanism(offers, span_split(parameters, ' ', &parameters));
}

struct capabilities ehlo_parse(const struct reply *reply)
{
	struct capabilities offers = {0};
	struct span rest = {reply->text, reply->length};
	span_split(rest, '\n', &rest); /* the first line holds the server's name */
	while (rest.length > 0) {
		struct span line = span_trim(span_split(rest, '\n', &rest));
		if (line.length > 4)
			take_line(&offers, (struct span){line.data + 4, line.length - 4});
	}
	return offers;
}
