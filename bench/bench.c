/* SPDX-License-Identifier: ISC */
/*
 * bench - how fast the octets of a message go through the pure floors, and what a delivery costs
 *
 * `make bench` runs it, with two arguments: the program, and one that does nothing.  It measures, but does not judge
 * times: a slow or busy machine is no failure.  It fails if the things that it compares do not write the same octets.
 * Each ratio compares things that were measured in turn.
 */
#include "bench.h"
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t mebibyte = (size_t)1 << 20;
static const size_t megabyte = 1000000;

static void print_head(const char *title, const char *unit, const char *others)
{
	printf("\n%-50s %6s (median)   %s\n", title, unit, others);
}

static void print_rate(const struct contender *contender, const char *what, double unit)
{
	int digits = unit > 1e6 ? 2 : 0;
	double median = (double)contender->octets / contender->median / unit;
	printf("  %-48s %6.*f (%6.*f)", what, digits, measure_rate(contender, unit), digits, median);
}

/* One message: the program, the byte loop, and memcpy() if that is the third. */
static void print_row(const char *what, const struct contender *row, size_t count, double unit)
{
	int digits = unit > 1e6 ? 2 : 0;
	double rate = measure_rate(&row[0], unit);
	print_rate(&row[0], what, unit);
	printf("   %9.*f %6.1fx", digits, measure_rate(&row[1], unit), rate / measure_rate(&row[1], unit));
	if (count > 2)
		printf("   %6.*f %3.0f %%", digits, measure_rate(&row[2], unit),
		       100 * rate / measure_rate(&row[2], unit));
	putchar('\n');
	fflush(stdout);
}

static void bench_body(const char *what, enum kind kind, const char *line_end)
{
	struct job *job = job_begin(text_make("", kind, line_end, 32 * mebibyte));
	size_t octets = job_octets(job);
	struct contender row[] = {{.run = run_body, .context = job, .octets = octets},
				  {.run = run_bytewise, .context = job, .octets = octets},
				  {.run = run_copy, .context = job, .octets = octets}};
	job_check(job, run_body, run_bytewise, false);
	measure(row, 3);
	print_row(what, row, 3, 1e9);
	job_end(job);
}

static void bench_bodies(void)
{
	print_head("encoder_write, 64 KiB at a time, dots doubled", "GB/s", "byte loop  ratio   memcpy  of it");
	bench_body("base64, LF", BASE64, "\n");
	bench_body("base64, CR LF", BASE64, "\r\n");
	bench_body("base64, CR", BASE64, "\r");
	bench_body("text, 40 to 75 octets a line, LF", PROSE, "\n");
	bench_body("text, 150 to 900 octets a line, LF", PARAGRAPHS, "\n");
	bench_body("UTF-8 text, 40 to 75 octets a line, CR LF", CYRILLIC, "\r\n");
}

static void bench_examine(const char *what, enum kind kind, const char *line_end)
{
	struct job *job = job_begin(text_make("", kind, line_end, 32 * mebibyte));
	size_t octets = job_octets(job);
	struct contender row[] = {{.run = run_examine, .context = job, .octets = octets},
				  {.run = run_bytewise_examine, .context = job, .octets = octets}};
	job_check(job, run_examine, run_bytewise_examine, false);
	measure(row, 2);
	print_row(what, row, 2, 1e9);
	job_end(job);
}

static void bench_examines(void)
{
	print_head("lines_examine", "GB/s", "byte loop  ratio");
	bench_examine("base64, LF", BASE64, "\n");
	bench_examine("base64, CR LF", BASE64, "\r\n");
	bench_examine("text, 40 to 75 octets a line, LF", PROSE, "\n");
	bench_examine("UTF-8 text, 40 to 75 octets a line, LF", CYRILLIC, "\n");
}

#define TEXT_HEADER "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
#define BASE64_HEADER "MIME-Version: 1.0\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n"
#define BARE_HEADER "Subject: no MIME here\n\n"

static void bench_recoding(const char *what, const char *header, enum kind kind, void run(void *))
{
	struct job *job = job_begin(text_make(header, kind, "\n", 8 * mebibyte));
	size_t octets = job_octets(job);
	struct contender row[] = {{.run = run, .context = job, .octets = octets},
				  {.run = run_bytewise_quoted, .context = job, .octets = octets}};
	job_survey(job);
	job_check(job, run_recoded, run_bytewise_quoted, true);
	measure(row, 2);
	print_row(what, row, 2, 1e6);
	job_end(job);
}

static void bench_recodings(void)
{
	print_head("quoted-printable: the walk that is sent", "MB/s", "byte loop  ratio");
	bench_recoding("UTF-8 text, 3 % of the octets 8-bit", TEXT_HEADER, GERMAN, run_recoded);
	bench_recoding("UTF-8 text, nearly all 8-bit", TEXT_HEADER, CYRILLIC, run_recoded);
	bench_recoding("ASCII, HTML in long lines", TEXT_HEADER, HTML, run_recoded);
	print_head("all three walks: survey, size, sending", "MB/s", "byte loop  ratio");
	bench_recoding("UTF-8 text, 3 % of the octets 8-bit", TEXT_HEADER, GERMAN, run_three_walks);
	bench_recoding("UTF-8 text, nearly all 8-bit", TEXT_HEADER, CYRILLIC, run_three_walks);
	bench_recoding("ASCII, HTML in long lines", TEXT_HEADER, HTML, run_three_walks);
	bench_recoding("UTF-8 text, 3 %, charset to be found out", BARE_HEADER, GERMAN, run_three_walks);
}

/* A message that may be hard for the program, compared with one that is not, done in the same way.  Takes both. */
static void bench_hard(const char *what, void run(void *), struct span hard, struct span plain)
{
	struct job *jobs[] = {job_begin(hard), job_begin(plain)};
	struct contender row[2];
	for (size_t i = 0; i < 2; i++) {
		row[i] = (struct contender){.run = run, .context = jobs[i], .octets = job_octets(jobs[i])};
		if (run == run_three_walks)
			job_survey(jobs[i]);
	}
	measure(row, 2);
	print_rate(&row[0], what, 1e6);
	double plain_rate = measure_rate(&row[1], 1e6);
	printf("   %9.0f %6.1fx\n", plain_rate, plain_rate / measure_rate(&row[0], 1e6));
	fflush(stdout);
	for (size_t i = 0; i < 2; i++)
		job_end(jobs[i]);
}

static struct span make(const char *header, enum kind kind, size_t megabytes)
{
	return text_make(header, kind, "\n", megabytes * megabyte);
}

/* Quadratic behaviour would cost ten times as much or more; text that exceeds a cache, twice as much. */
static void bench_hard_ones(void)
{
	static const char label[] = "Content-Transfer-Encoding: 8bit\n";
	print_head("hard messages, next to plain ones", "MB/s", "the other   cost of an octet");
	bench_hard("encoder_write, a line of 100 MB | of 76 octets", run_body, make("", ONE_LINE, 100),
		   make("", BASE64, 100));
	bench_hard("lines_examine, the same", run_examine, make("", ONE_LINE, 100), make("", BASE64, 100));
	bench_hard("base64 in a line of 100 MB | of 10 MB, wrapped", run_three_walks,
		   make(BASE64_HEADER, ONE_LINE, 100), make(BASE64_HEADER, ONE_LINE, 10));
	bench_hard("text in a line of 100 MB | of 10 MB, quoted", run_three_walks, make(TEXT_HEADER, ONE_LINE, 100),
		   make(TEXT_HEADER, ONE_LINE, 10));
	bench_hard("text in 100 multiparts | in none, quoted", run_three_walks, text_nest("", 100, 5 * megabyte),
		   make(TEXT_HEADER, GERMAN, 5));
	bench_hard("the same, each multipart labelled 8bit", run_three_walks, text_nest(label, 100, 5 * megabyte),
		   make(TEXT_HEADER, GERMAN, 5));
	bench_hard("text in 10,000 parts | in one, quoted", run_three_walks, text_parts(10000),
		   make(TEXT_HEADER, GERMAN, 8));
	bench_hard("a field that cannot be folded, of 1 MB | 100 KB", run_survey, text_field(megabyte),
		   text_field(megabyte / 10));
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], BARE_HANDSHAKE) == 0)
		return !sink_write(&(struct sink){.port = (uint16_t)atoi(argv[2])}, 0, true);
	measure_print_machine();
	bench_bodies();
	bench_examines();
	bench_recodings();
	bench_hard_ones();
	if (argc > 2) {
		delivery_bench(argv[1], argv[2]);
		secure_bench(argv[1], argv[0]);
	}
	return 0;
}
