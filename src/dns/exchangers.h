/* SPDX-License-Identifier: ISC */
#ifndef EXCHANGERS_H
#define EXCHANGERS_H

#include "base/address.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many exchangers are looked up, and how many of their addresses are tried (MX-5). */
enum { EXCHANGERS_MAX = 100, CANDIDATES_MAX = 100 };

/* What the DNS says about the certificates of a host whose addresses are authentic (RFC 7672). */
struct dane {
	bool unknown;         /* its TLSA records cannot be looked up now */
	char base[NAME_SIZE]; /* its TLSA base domain: the name that it goes by */
	struct buf records;   /* authentic ones (tlsa.h); if there are none, nothing is demanded */
};

/* A host that accepts mail for a domain (RFC 5321 section 5.1). */
struct exchanger {
	char name[NAME_SIZE]; /* empty for an address literal */
	uint16_t preference;
	uint32_t draw;        /* random: orders those of equal preference */
	struct buf addresses; /* an array of struct address, of both families */
	bool unknown;         /* a lookup of its addresses failed for now */
	struct dane *dane;    /* owned; NULL where the addresses are not authentic */
};

struct exchangers {
	struct exchanger *list; /* owned */
	size_t count;
	bool authentic;         /* how they were found is, as far as that was looked up */
	char domain[NAME_SIZE]; /* whose exchangers they are, */
	char alias[NAME_SIZE];  /* and what that is an alias for: the same if it is none */
};

/* One address to try. */
struct candidate {
	const char *name;        /* these two belong to the exchanger */
	const struct dane *dane; /* NULL: the DNS demands nothing of it */
	struct address address;
};

/* Sorts by preference, equal ones by `draw`, and keeps the first EXCHANGERS_MAX.  If there are more, one `unknown`
 * exchanger stands for them. */
void exchangers_order(struct exchangers *exchangers);

/*
 * Drops every exchanger that has one of the `count` addresses in `own`, or one that always means this machine, and with
 * it all of equal or worse preference (RFC 5321 section 5.1).  Returns the one that has such an address, or NULL.  It
 * and the others stay behind the last of the list, but only with their names.
 */
const struct exchanger *exchangers_drop_self(struct exchangers *exchangers, const struct address *own, size_t count);

/* The addresses in the order in which they are tried, for each exchanger by turns one of each family: fills at most
 * CANDIDATES_MAX and returns how many. */
size_t exchangers_candidates(const struct exchangers *exchangers, struct families families,
			     struct candidate candidates[CANDIDATES_MAX]);

/* Whether the exchanger has an address of these families. */
bool exchanger_has_address(const struct exchanger *exchanger, struct families families);

/* The name of the first exchanger with a lookup that failed for now; NULL if there is none. */
const char *exchangers_unknown(const struct exchangers *exchangers);

/* Whether memory ran out while addresses were collected. */
bool exchangers_failed(const struct exchangers *exchangers);

void exchangers_free(struct exchangers *exchangers);

#endif
