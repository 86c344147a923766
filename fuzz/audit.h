/* SPDX-License-Identifier: ISC */
#ifndef AUDIT_H
#define AUDIT_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { RECIPIENTS = 6 };

/* When the client read: how many octets it had read then, and how many it had written. */
struct mark {
	size_t read;
	size_t written;
};

/* All that was said on one connection. */
struct tape {
	struct buf client;
	struct buf server; /* as far as the client read it */
	struct buf marks;  /* an array of struct mark, one for each read */
	size_t in_clear;   /* how much of `server` came before the TLS handshake */
};

/* What the client was to deliver. */
struct order {
	const char *helohost;
	struct span sender; /* the paths of MAIL and RCPT */
	struct span recipients[RECIPIENTS];
	size_t count;
	struct span message;
	bool in_tls;        /* nothing may be sent in the clear */
	bool in_clear;      /* STARTTLS may not be used */
	bool authenticated; /* AUTH comes before MAIL */
};

/* What a connection came to. */
struct finding {
	bool end_left;             /* the server has the whole message, for at least one recipient */
	bool empty_taken;          /* the server accepted an end without a message */
	struct span response;      /* the last of AUTH that was not empty; part of the tape */
	int code;                  /* its reply to the end of the message; 0 if none was read */
	int recipient[RECIPIENTS]; /* its replies to RCPT in an accepted transaction; 0 if none was read */
};

/* Ends the process where the client broke a rule of SMTP (RFC 5321, RFC 2920, RFC 3030, RFC 3207, RFC 4954). */
struct finding audit(const struct tape *tape, const struct order *order);

#endif
