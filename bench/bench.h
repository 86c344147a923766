/* SPDX-License-Identifier: ISC */
#ifndef BENCH_H
#define BENCH_H

#include "base/lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* texts.c */

/* What a text is made of. */
enum kind {
	BASE64,     /* 76 columns */
	ONE_LINE,   /* the same without line ends, except the last */
	PROSE,      /* ASCII, short lines, some blank, some that begin with a dot or with hyphens */
	PARAGRAPHS, /* ASCII, some hundred octets a line */
	GERMAN,     /* UTF-8, 3 % of the octets are 8-bit */
	CYRILLIC,   /* UTF-8, nearly all of them are */
	HTML,       /* ASCII, tags with attributes, some thousand octets a line */
};

/* A message of about `size` octets: the header, and a text that is the same in each run of the program.  Lines end
 * with `line_end`, except those of the header.  The caller frees its data. */
struct span text_make(const char *header, enum kind kind, const char *line_end, size_t size);

/* A text within that many multiparts; each has these fields besides its Content-Type. */
struct span text_nest(const char *fields, unsigned depth, size_t size);

/* That many small parts in one multipart. */
struct span text_parts(unsigned count);

/* A header field of one line whose second half is white space, so that it cannot be folded. */
struct span text_field(size_t size);

/* bytewise.c: the same as the program, as a plain loop over single octets. */

struct bytewise {
	const char *at;
	const char *end;
	size_t column; /* octets of the current line so far */
	bool after_cr;
};

/* The first two begin with `column` and `after_cr` zeroed, write as much as fits, and return 0 when all is written. */
size_t bytewise_encode(struct bytewise *state, char *out, size_t room);
size_t bytewise_quote(struct bytewise *state, char *out, size_t room);

struct line_facts bytewise_examine(struct span octets);

/* job.c: ways to send and to examine a message; the run_ functions are for measure(). */

struct job;

/* Takes the message; job_end() frees it, too. */
struct job *job_begin(struct span message);
void job_end(struct job *job);

size_t job_octets(const struct job *job);

void run_body(void *job);             /* encoder_write(), dots doubled */
void run_bytewise(void *job);         /* the same, as a byte loop does it */
void run_copy(void *job);             /* memcpy() through the same room */
void run_examine(void *job);          /* lines_examine() */
void run_bytewise_examine(void *job); /* the same, as a byte loop does it */
void run_recoded(void *job);          /* one walk, with sending; job_survey() comes first */
void run_bytewise_quoted(void *job);  /* the body, as quoted-printable, by a byte loop */
void run_survey(void *job);           /* the walk that finds out whether the message can be sent; it may fail */
void run_three_walks(void *job);      /* all of form.c and encoder.c: the survey, the size, sending */

/* Surveys the message; ends the program if it cannot be recoded. */
void job_survey(struct job *job);

/* Ends the program unless both write the same octets, except for a header that `ours` may write. */
void job_check(struct job *job, void ours(void *), void theirs(void *), bool header);

/* measure.c */

/* A job with `octets` of input, and its times. */
struct contender {
	void (*run)(void *context);
	void *context;
	size_t octets;
	double best; /* seconds */
	double median;
};

/* Runs all of them in turn, several times, after one run that does not count: what slows down the machine slows down
 * all of them.  Long ones are run less often, but at least three times. */
void measure(struct contender *contenders, size_t count);

/* Octets per second, in units of `unit`. */
double measure_rate(const struct contender *contender, double unit);

/* Seconds, on the clock that measure() uses. */
double measure_now(void);

/* One line: the processor, the kernel, the compiler. */
void measure_print_machine(void);

/* delivery.c: whole deliveries by the program, compared with one that does nothing. */
void delivery_bench(const char *program, const char *empty);

/* secure.c: the same within TLS, compared with a bare GnuTLS loop.  `self` is this program, which main() lets do
 * only a handshake if it is told to. */
void secure_bench(const char *program, const char *self);
#define BARE_HANDSHAKE "--handshake-with-port"

#endif
