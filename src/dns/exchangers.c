/* SPDX-License-Identifier: ISC */
/*
 * exchangers - the order in which the hosts of a domain are tried
 *
 * resolve.c fills the list from DNS and asks for the candidates.  RFC 5321 section 5.1.
 */
#include "dns/exchangers.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
	const struct exchanger *a = left;
	const struct exchanger *b = right;
	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->draw != b->draw)
		return a->draw < b->draw ? -1 : 1;
	return 0;
}

static void release(struct exchanger *exchanger)
{
	buf_free(&exchanger->addresses);
	if (exchanger->dane)
		buf_free(&exchanger->dane->records);
	mem_free(exchanger->dane);
	exchanger->dane = NULL;
}

static void truncate_to(struct exchangers *exchangers, size_t count)
{
	while (exchangers->count > count)
		release(&exchangers->list[--exchangers->count]);
}

void exchangers_order(struct exchangers *exchangers)
{
	if (exchangers->count > 1)
		qsort(exchangers->list, exchangers->count, sizeof *exchangers->list, compare);
	if (exchangers->count <= EXCHANGERS_MAX)
		return;
	truncate_to(exchangers, EXCHANGERS_MAX + 1);
	exchangers->list[EXCHANGERS_MAX].unknown = true;
}

static const struct address *addresses_of(const struct exchanger *exchanger, size_t *count)
{
	*count = exchanger->addresses.length / sizeof(struct address);
	return (const struct address *)(const void *)exchanger->addresses.data;
}

static bool is_own(const struct exchanger *exchanger, const struct address *own, size_t own_count)
{
	size_t count;
	const struct address *list = addresses_of(exchanger, &count);
	for (size_t i = 0; i < count; i++) {
		if (address_is_self(&list[i]))
			return true;
		for (size_t j = 0; j < own_count; j++)
			if (address_equal(&list[i], &own[j]))
				return true;
	}
	return false;
}

const struct exchanger *exchangers_drop_self(struct exchangers *exchangers, const struct address *own, size_t count)
{
	for (size_t i = 0; i < exchangers->count; i++) {
		const struct exchanger *exchanger = &exchangers->list[i];
		if (!is_own(exchanger, own, count))
			continue;
		while (i > 0 && exchangers->list[i - 1].preference == exchanger->preference)
			i--;
		truncate_to(exchangers, i);
		return exchanger;
	}
	return NULL;
}

/* The next address of a family from a place in a list on, which moves behind it; NULL: there is none. */
static const struct address *next_of(const struct exchanger *exchanger, int family, size_t *place)
{
	size_t count;
	const struct address *list = addresses_of(exchanger, &count);
	while (*place < count && list[*place].family != family)
		++*place;
	return *place < count ? &list[(*place)++] : NULL;
}

/* Those of one exchanger: by turns one of each family (RFC 8305 section 4). */
static size_t take_by_turns(const struct exchanger *exchanger, struct families families, struct candidate *candidates,
			    size_t room)
{
	size_t places[2] = {0};
	size_t filled = 0;
	size_t before;
	do {
		before = filled;
		for (size_t turn = 0; turn < 2 && filled < room; turn++) {
			const struct address *address = next_of(exchanger, families.order[turn], &places[turn]);
			if (address)
				candidates[filled++] = (struct candidate){exchanger->name, exchanger->dane, *address};
		}
	} while (filled > before);
	return filled;
}

size_t exchangers_candidates(const struct exchangers *exchangers, struct families families,
			     struct candidate candidates[CANDIDATES_MAX])
{
	size_t filled = 0;
	for (size_t i = 0; i < exchangers->count; i++)
		filled += take_by_turns(&exchangers->list[i], families, &candidates[filled], CANDIDATES_MAX - filled);
	return filled;
}

bool exchanger_has_address(const struct exchanger *exchanger, struct families families)
{
	size_t count;
	const struct address *list = addresses_of(exchanger, &count);
	for (size_t i = 0; i < count; i++)
		if (list[i].family == families.order[0] || list[i].family == families.order[1])
			return true;
	return false;
}

const char *exchangers_unknown(const struct exchangers *exchangers)
{
	for (size_t i = 0; i < exchangers->count; i++)
		if (exchangers->list[i].unknown)
			return exchangers->list[i].name;
	return NULL;
}

bool exchangers_failed(const struct exchangers *exchangers)
{
	for (size_t i = 0; i < exchangers->count; i++)
		if (exchangers->list[i].addresses.failed ||
		    (exchangers->list[i].dane && exchangers->list[i].dane->records.failed))
			return true;
	return false;
}

void exchangers_free(struct exchangers *exchangers)
{
	truncate_to(exchangers, 0);
	mem_free(exchangers->list);
	exchangers->list = NULL;
}
