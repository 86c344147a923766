/* SPDX-License-Identifier: ISC */
#ifndef RACE_H
#define RACE_H

#include "dns/exchangers.h"
#include "qmail/config.h"
#include "qmail/report.h"
#include "qmail/route.h"
#include "qmail/timeouts.h"
#include "trace.h"

#include <stddef.h>
#include <stdint.h>

/* Candidates of one exchanger, and what is needed to connect to one of them. */
struct race {
	const struct config *config;
	struct trace *trace;
	const struct tcpto *timeouts; /* what is known of hosts that do not answer */
	const struct route *route;
	const char *how; /* follows their names in the trace */
	int64_t latest;  /* no attempt begins later, by conn_now() */
	/* Those that neither failed nor won, in the order in which they are tried. */
	size_t left;
	const struct candidate *candidates[CANDIDATES_MAX];
	struct report report; /* of the last failure; the caller may take it */
};

/*
 * Connects to one of the candidates: an attempt that takes long gets the next one beside it, and the first to connect
 * wins (RFC 8305).  Returns its descriptor and `winner`, after all other attempts were given up; those that had not
 * failed are still left.  -1, with a report, if none is left or it is too late to begin with those that are.
 */
int race_run(struct race *race, const struct candidate **winner);

/* The text of an address as reports have it: "[ADDRESS]", with ":PORT" if that is not 25. */
void race_where(const char *address, uint16_t port, char where[WHERE_SIZE]);

#endif
