/* SPDX-License-Identifier: ISC */
/*
 * dns - MX, A, AAAA and TLSA records
 *
 * The DNS module, which resolve.c loads and asks.  RFC 5321 section 5, RFC 7505, RFC 7672 section 2.2.  All questions
 * about one set of exchangers are sent at once.
 */
#include "dns/dns.h"

#include "base/module.h"
#include "dns/question.h"
#include "dns/tlsa.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static enum dns_status take_exchangers(struct question *question, struct answer *answer)
{
	struct exchangers *exchangers = question->context;
	struct record record;
	char name[NS_MAXDNAME];
	char told[NS_MAXDNAME + 40];
	size_t records = 0;
	bool root = false;
	exchangers->list = mem_array(answer->count, sizeof *exchangers->list);
	if (!exchangers->list)
		return DNS_NO_MEMORY;
	while (answer_next(answer, question->type, &question->chain, &record)) {
		struct exchanger *exchanger = &exchangers->list[exchangers->count];
		answer_name(answer, &record, name);
		records++;
		root = root || !*name;
		bool valid = name_copy(span_of(name), exchanger->name);
		exchanger->preference = (uint16_t)(record.data[0] << 8 | record.data[1]);
		snprintf(told, sizeof told, "%u %s%s", exchanger->preference, *name ? name : ".",
			 valid || !*name ? "" : " (not used: not a host name)");
		question_tell(question, told);
		if (!valid)
			continue;
		exchangers->count++;
	}
	return root && records == 1 ? DNS_NULL_MX : DNS_FOUND;
}

static enum dns_status ask_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers)
{
	struct question question = question_for(dns, name, ns_t_mx);
	question.take = take_exchangers;
	question.context = exchangers;
	question_ask_all(dns, &question, 1);
	exchangers->authentic = question.authentic;
	name_copy(span_of(name), exchangers->domain);
	name_copy(span_of(question_name(&question)), exchangers->alias);
	return question.status;
}

static void tell_address(const struct question *question, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	if (!trace_is_on(question->trace))
		return;
	address_print(address, text);
	question_tell(question, text);
}

static enum dns_status take_addresses(struct question *question, struct answer *answer)
{
	struct exchanger *exchanger = question->context;
	int family = question->type == ns_t_a ? AF_INET : AF_INET6;
	struct record record;
	size_t count = 0;
	while (count < CANDIDATES_MAX && answer_next(answer, question->type, &question->chain, &record)) {
		struct address address = address_of(family, record.data);
		buf_add(&exchanger->addresses, &address, sizeof address);
		tell_address(question, &address);
		count++;
	}
	return DNS_FOUND;
}

static bool is_answered(const struct question *question)
{
	return question->status == DNS_FOUND || question->status == DNS_NO_DATA || question->status == DNS_NO_NAME;
}

/* Whether all that is known of an exchanger's addresses is authentic (RFC 7672 section 2.2.2). */
static bool are_authentic(const struct question pair[2])
{
	bool found = false;
	for (size_t i = 0; i < 2; i++) {
		if (is_answered(&pair[i]) && !pair[i].authentic)
			return false;
		found = found || pair[i].status == DNS_FOUND;
	}
	return found;
}

/* Notes what the answers to both questions about an exchanger mean for it. */
static void settle_addresses(const struct exchangers *exchangers, const struct question pair[2])
{
	struct exchanger *exchanger = pair[0].context;
	for (size_t i = 0; i < 2; i++) {
		if (pair[i].status == DNS_NO_MEMORY)
			exchanger->addresses.failed = true;
		if (!is_answered(&pair[i]))
			exchanger->unknown = true;
	}
	if (!exchangers->authentic || !are_authentic(pair))
		return;
	exchanger->dane = mem_array(1, sizeof *exchanger->dane);
	if (exchanger->dane)
		name_copy(span_of(question_name(&pair[pair[0].status != DNS_FOUND])), exchanger->dane->base);
	else
		exchanger->addresses.failed = true;
}

static void ask_addresses(struct dns *dns, struct exchangers *exchangers)
{
	static const unsigned types[] = {ns_t_aaaa, ns_t_a};
	size_t count = 0;
	struct question *questions = mem_array(2 * exchangers->count, sizeof *questions);
	for (size_t i = 0; i < exchangers->count; i++) {
		struct exchanger *exchanger = &exchangers->list[i];
		exchanger->addresses.failed = exchanger->addresses.failed || !questions;
		for (size_t j = 0; j < 2 && questions && *exchanger->name && !exchanger->unknown; j++) {
			struct question *question = &questions[count++];
			*question = question_for(dns, exchanger->name, types[j]);
			question->take = take_addresses;
			question->context = exchanger;
			question->sibling = j == 0 ? question + 1 : question - 1;
		}
	}
	question_ask_all(dns, questions, count);
	for (size_t i = 0; i < count; i += 2)
		settle_addresses(exchangers, &questions[i]);
	mem_free(questions);
}

static void tell_tlsa(const struct question *question, const struct record *record)
{
	char text[TLSA_TEXT_SIZE];
	struct tlsa tlsa;
	if (!trace_is_on(question->trace) ||
	    !tlsa_read((struct span){(const char *)record->data, record->length}, &tlsa))
		return;
	tlsa_print(&tlsa, text);
	question_tell(question, text);
}

/* Unusable records are taken, too, since they demand TLS. */
static enum dns_status take_tlsa(struct question *question, struct answer *answer)
{
	enum { RECORDS_MAX = 100 };
	struct exchanger *exchanger = question->context;
	struct record record;
	for (int i = 0; i < RECORDS_MAX && answer_next(answer, question->type, &question->chain, &record); i++) {
		tlsa_add(&exchanger->dane->records, record.data, record.length);
		tell_tlsa(question, &record);
	}
	return DNS_FOUND;
}

/* RFC 7672 section 2.1: an answer that is not authentic means that there are no records, none that nothing is known. */
static void settle_tlsa(const struct question *question)
{
	const struct exchanger *exchanger = question->context;
	struct dane *dane = exchanger->dane;
	if (question->status == DNS_NO_ANSWER || question->status == DNS_NOWHERE)
		dane->unknown = true;
	if (question->status == DNS_NO_MEMORY)
		dane->records.failed = true;
	if (!question->authentic)
		dane->records.length = 0;
}

/* Asks for the records of the TLSA base domains (RFC 7672 section 2.2.2): of the hosts that the names are aliases for
 * or, with `original`, of these names, where they are others. */
static void ask_base_domains(struct dns *dns, struct exchangers *exchangers, uint16_t port, bool original)
{
	size_t count = 0;
	struct question *questions = mem_array(exchangers->count, sizeof *questions);
	for (size_t i = 0; i < exchangers->count; i++) {
		struct exchanger *exchanger = &exchangers->list[i];
		struct dane *dane = exchanger->dane;
		char name[NAME_SIZE + 16];
		if (!dane || dane->unknown || dane->records.length > 0 ||
		    (original && strcmp(dane->base, exchanger->name) == 0))
			continue;
		dane->records.failed = dane->records.failed || !questions;
		if (original)
			memcpy(dane->base, exchanger->name, sizeof dane->base);
		snprintf(name, sizeof name, "_%u._tcp.%s", port, dane->base);
		if (!questions || !name_is_valid(span_of(name))) /* such a name has no records if it is too long */
			continue;
		questions[count] = question_for(dns, name, ns_t_tlsa);
		questions[count].strict = true;
		questions[count].take = take_tlsa;
		questions[count].context = exchanger;
		count++;
	}
	question_ask_all(dns, questions, count);
	for (size_t i = 0; i < count; i++)
		settle_tlsa(&questions[i]);
	mem_free(questions);
}

static void ask_tlsa(struct dns *dns, struct exchangers *exchangers, uint16_t port)
{
	bool any = false;
	for (size_t i = 0; i < exchangers->count; i++)
		any = any || exchangers->list[i].dane;
	if (!any)
		return;
	ask_base_domains(dns, exchangers, port, false);
	ask_base_domains(dns, exchangers, port, true);
}

const struct dns_module qremote_module = {
	.interface = MODULE_INTERFACE,
	.open = question_open,
	.exchangers = ask_exchangers,
	.addresses = ask_addresses,
	.tlsa = ask_tlsa,
	.close = question_close,
};
