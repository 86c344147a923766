/* SPDX-License-Identifier: ISC */
#ifndef DELIVER_H
#define DELIVER_H

#include "dns/resolve.h"
#include "qmail/config.h"
#include "qmail/envelope.h"
#include "qmail/message.h"
#include "qmail/timeouts.h"
#include "trace.h"

/* What goes out, and what is known about the world. */
struct delivery {
	const struct config *config;
	struct trace *trace;
	const struct destination *destination;
	const struct message *message;
	const struct tcpto *timeouts; /* what is known of hosts that do not answer */
	struct envelope *envelope;
	int64_t begun; /* when all this began, by conn_now() */
};

/*
 * Tries the servers of the destination, one after the other, until one settles the matter.  Decides the recipients that
 * were answered for, and always writes a message report.
 */
void deliver(const struct delivery *delivery, struct report *result);

#endif
