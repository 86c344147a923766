/* SPDX-License-Identifier: ISC */
/*
 * answer - a DNS message: src/dns/answer.c
 *
 * The input is a digit, which says what was asked (1: A, 2: AAAA, 3: TLSA, else MX), the name that was looked up, the
 * octet 0xff, and the message.
 */
#include "common.h"

#include "dns/answer.h"
#include "dns/tlsa.h"

#include <stdlib.h>
#include <string.h>

static bool is_within(const struct record *record, struct span message)
{
	const char *data = (const char *)record->data;
	return data >= message.data && record->length <= (size_t)(message.data + message.length - data);
}

static void check_record(const struct answer *answer, const struct record *record, unsigned type)
{
	char name[NS_MAXDNAME];
	MUST(record->type == type);
	MUST(type != ns_t_a || record->length == 4);
	MUST(type != ns_t_aaaa || record->length == 16);
	if (type == ns_t_tlsa) {
		struct tlsa tlsa;
		char text[TLSA_TEXT_SIZE];
		MUST(tlsa_read((struct span){(const char *)record->data, record->length}, &tlsa));
		tlsa_print(&tlsa, text);
		MUST(memchr(text, '\0', sizeof text));
	}
	if (type == ns_t_mx) {
		memset(name, 'x', sizeof name);
		answer_name(answer, record, name);
		MUST(memchr(name, '\0', sizeof name));
	}
}

/* Each name of the chain is a host name, and is there once. */
static void check_chain(const struct chain *chain)
{
	MUST(chain->aliases <= ALIASES_MAX);
	for (size_t i = 1; i <= chain->aliases; i++) {
		MUST(name_is_valid(span_of(chain->names[i])));
		for (size_t j = 0; j < i; j++)
			MUST(strcmp(chain->names[i], chain->names[j]) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned types[] = {ns_t_mx, ns_t_a, ns_t_aaaa, ns_t_tlsa};
	struct input input = input_of(data, size);
	unsigned type = types[input_digit(&input) % 4];
	struct span name = input_octets(&input);
	struct span message = copy_of((struct span){input.at, input.left});
	struct chain chain = {.aliases = 0};
	struct answer answer;
	struct record record;
	size_t found = 0;
	name_copy(name, chain.names[0]);
	enum dns_status status = answer_read(&answer, message, type, &chain);
	check_chain(&chain);
	MUST(status != DNS_ALIAS || chain.aliases > 0);
	MUST(status <= DNS_NOWHERE || status == DNS_NO_ANSWER);
	for (; status == DNS_FOUND && answer_next(&answer, type, &chain, &record); found++) {
		MUST(is_within(&record, message));
		MUST(span_equal(span_of(record.owner), span_of(chain.names[chain.aliases])));
		check_record(&answer, &record, type);
	}
	MUST((status == DNS_FOUND) == (found > 0));
	free((void *)name.data);
	free((void *)message.data);
	return 0;
}
