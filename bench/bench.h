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
	ONE_LINE,   /* the same without a line end, but for the last */
	PROSE,      /* ASCII, short lines, some blank, some that begin with a dot or with hyphens */
	PARAGRAPHS, /* ASCII, some hundred octets a line */
	GERMAN,     /* UTF-8, 3 % of the octets are 8-bit */
	CYRILLIC,   /* UTF-8, nearly all of them are */
	HTML,       /* ASCII, tags with attributes, some thousand octets a line */
};

/* A message of about `size` octets: the header, and a text that is the same in each run of the program.  Lines end with
 * `line_end`, but for those of the header.  The caller frees its data. */
struct span text_make(const char *header, enum kind kind, const char *line_end, size_t size);

/* A text within that many multiparts, each of which has these fields besides its Content-Type. */
struct span text_nest(const char *fields, unsigned depth, size_t size);

/* That many small parts in one multipart. */
struct span text_parts(unsigned count);

/* A header field of one line, the second half of which is white space, so that it cannot be folded. */
struct span text_field(size_t size);

/* bytewise.c: what the program does, as a plain loop does it that looks at one octet after the other. */

struct bytewise {
	const char *at;
	const char *end;
	size_t column; /* octets of the line written so far */
	bool after_cr;
};

/* The first two begin with `column` and `after_cr` zeroed, write as much as fits, and return 0 when all was written. */
size_t bytewise_encode(struct bytewise *state, char *out, size_t room);
size_t bytewise_quote(struct bytewise *state, char *out, size_t room);

struct line_facts bytewise_examine(struct span octets);

/* job.c: ways to send a message on, and to look at one; run_ functions are for measure(). */

struct job;

/* Takes the message.  job_end() frees it, too. */
struct job *job_begin(struct span message);
void job_end(struct job *job);

size_t job_octets(const struct job *job);

void run_body(void *job);             /* encoder_write(), dots doubled */
void run_bytewise(void *job);         /* the same, as a byte loop does it */
void run_copy(void *job);             /* memcpy() through the same room */
void run_examine(void *job);          /* lines_examine() */
void run_bytewise_examine(void *job); /* the same, as a byte loop does it */
void run_recoded(void *job);          /* one walk, sent; job_survey() comes before it */
void run_bytewise_quoted(void *job);  /* what is behind the header, as quoted-printable, as a byte loop does it */
void run_survey(void *job);           /* the walk that finds out whether it can be sent; this one need not */
void run_three_walks(void *job);      /* all that form.c and body.c do: the survey, the size, sending */

/* Surveys the message; ends the program where it cannot be recoded. */
void job_survey(struct job *job);

/* Ends the program unless both write the same octets, but for a header that `ours` may write. */
void job_check(struct job *job, void ours(void *), void theirs(void *), bool header);

/* measure.c */

/* A piece of work, `octets` large, and what it took. */
struct contender {
	void (*run)(void *context);
	void *context;
	size_t octets;
	double best; /* seconds */
	double median;
};

/* Runs all of them in turn, several times after one that does not count: what slows the machine down slows down all.
 * Long ones are run less often, but three times. */
void measure(struct contender *contenders, size_t count);

/* Octets in a second, in units of `unit`. */
double measure_rate(const struct contender *contender, double unit);

/* Seconds, on the clock that measure() uses. */
double measure_now(void);

/* One line: the processor, the kernel, the compiler. */
void measure_print_machine(void);

/* delivery.c: whole deliveries by that program, next to one that does nothing. */
void delivery_bench(const char *program, const char *empty);

/* secure.c: the same within TLS, next to a bare GnuTLS loop.  `self` is this program, which main() lets shake hands,
 * and no more, where it is told to. */
void secure_bench(const char *program, const char *self);
#define BARE_HANDSHAKE "--handshake-with-port"

#endif
