/* SPDX-License-Identifier: ISC */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "dns/exchangers.h"
#include "qmail/config.h"
#include "qmail/report.h"
#include "qmail/routes.h"
#include "trace.h"

/* Where a message is sent: the servers to try, and how. */
struct destination {
	struct exchangers exchangers;
	struct way way;
};

/* The host argument, parsed. */
struct host {
	char name[NAME_SIZE]; /* as the DNS knows it (ulabel.h); or the text of a literal */
	bool literal;
	struct address address; /* if it is a literal */
};

/* Reads the host argument; false, with D 5.1.2 in `failure`, if it is neither a literal nor a name, or with Z 4.3.0 if
 * a name beyond ASCII cannot be converted now. */
bool host_parse(struct host *host, const char *argument, struct report *failure);

/*
 * Finds the servers for a host, by smtproutes, DNS or its literal, and tells `trace` how.  After success there is at
 * least one address to try.  Otherwise returns false and says why in `failure`.
 */
bool resolve_host(struct destination *destination, const struct host *host, const struct config *config,
		  struct trace *trace, struct report *failure);

#endif
