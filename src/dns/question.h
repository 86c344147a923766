/* SPDX-License-Identifier: ISC */
#ifndef QUESTION_H
#define QUESTION_H

#include "dns/answer.h"
#include "trace.h"

#include <stdint.h>

struct dns;

/* A question for the records of one type, and its result. */
struct question {
	struct dns *dns;
	struct trace *trace;
	struct chain chain;
	unsigned type;
	/* Takes the records of an answer. */
	enum dns_status (*take)(struct question *question, struct answer *answer);
	void *context;
	struct question *sibling; /* the one for the other family of the same exchanger */
	enum dns_status status;   /* DNS_NO_ANSWER while it is open */
	bool strict;              /* put to trusted servers only */
	bool authentic;           /* so are all answers so far, from alias to alias (RFC 4035 section 3.2.3) */
	bool silent;              /* a server did not answer at all */
	int64_t deadline;         /* until when a server is waited for; 0 while none is asked */
	int64_t end;              /* when the question is given up, whatever happens */
};

/* Prepares to ask, as `open` and `close` in dns.h say. */
struct dns *question_open(const struct buf *servers, struct trace *trace, const char **why);
void question_close(struct dns *dns);

/* A question about a name; the caller says what takes the answer. */
struct question question_for(struct dns *dns, const char *name, unsigned type);

/* The name that is asked about: the end of the aliases that are known. */
const char *question_name(const struct question *question);

/* Asks all servers in turn, starting with the one that answered last, until no question is left. */
void question_ask_all(struct dns *dns, struct question *questions, size_t count);

/* Tells the trace of a record that is used, or not; `data` is what it says. */
void question_tell(const struct question *question, const char *data);

#endif
