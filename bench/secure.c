/* SPDX-License-Identifier: ISC */
/*
 * secure - what TLS costs a delivery
 *
 * Next to each delivery stands what GnuTLS takes by itself, into the same sink: a loop that has nothing to do but to
 * send, in this process, where GnuTLS is loaded and its buffer is hot; and a program that shakes hands and no more.
 *
 * A whole delivery also starts a process, loads GnuTLS and looks at the message before anything is said.  What the sink
 * sees between its consent and the last octet is the throughput of TLS alone.
 */
#include "bench.h"
#include "stage.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A way to send a message to the sink, and what the sink saw of it. */
struct transfer {
	struct command *command; /* NULL: the bare loop */
	struct stage *stage;
	unsigned offers;
	double processor; /* seconds of processor time, ours and our children's, without the sink's; the least of all
			     runs */
	struct sink_view view; /* of the last run; its time is the best of all */
};

static double processor_time(void)
{
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	double seconds = 0;
	for (size_t i = 0; i < 2; i++) {
		struct rusage usage;
		getrusage(whose[i], &usage);
		seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
		seconds += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
	}
	return seconds;
}

static double least(double before, double now)
{
	return before > 0 && before < now ? before : now;
}

/* A delivery that fell back to the clear does not count. */
static void run_transfer(void *context)
{
	struct transfer *transfer = context;
	struct sink *sink = &transfer->stage->sink;
	double best = transfer->view.seconds;
	double begun = processor_time();
	sink->board->offers = transfer->offers;
	sink->board->view = (struct sink_view){0};
	if (transfer->command)
		stage_run(transfer->command);
	else if (!sink_write(sink, LARGE, true))
		stage_fail("the sink does not take what it should within TLS");
	transfer->processor = least(transfer->processor, processor_time() - begun);
	transfer->view = sink->board->view;
	if (transfer->view.seconds <= 0 || !(transfer->offers & SINK_STARTTLS) != !*transfer->view.suite)
		stage_fail("a message did not come as it should: within TLS, or in the clear");
	transfer->view.seconds = least(best, transfer->view.seconds);
}

static void run_handshake(void *context)
{
	const struct stage *stage = context;
	if (!sink_write(&stage->sink, 0, true))
		stage_fail("a handshake with the sink failed");
}

/* The rates, also relative to the bare loop; processor time; records. */
static void print_transfer(const char *what, const struct contender *row, const struct contender *bare)
{
	const struct transfer *transfer = row->context;
	const struct transfer *loop = bare->context;
	const struct sink_view *view = &transfer->view;
	printf("  %-22s %5.0f (%5.0f) %5.2f %11.0f %5.2f %7.1f", what, measure_rate(row, 1e6),
	       (double)row->octets / row->median / 1e6, bare->best / row->best, LARGE / view->seconds / 1e6,
	       loop->view.seconds / view->seconds, transfer->processor * 1e3);
	if (*view->suite)
		printf(" %8zu %5zu %8.1f", view->records, view->full, (double)view->octets / (double)view->records);
	putchar('\n');
}

static void bench_large(struct stage *stage, struct command *delivery)
{
	static const char *const names[] = {"a bare GnuTLS loop", "DATA", "BDAT", "DATA in the clear"};
	struct transfer ways[] = {
		{.stage = stage, .offers = SINK_STARTTLS},
		{.command = delivery, .stage = stage, .offers = SINK_STARTTLS},
		{.command = delivery, .stage = stage, .offers = SINK_STARTTLS | SINK_CHUNKING},
		{.command = delivery, .stage = stage},
	};
	struct contender row[4];
	for (size_t i = 0; i < 4; i++)
		row[i] = (struct contender){.run = run_transfer, .context = &ways[i], .octets = LARGE};
	delivery->input = stage_message(LARGE);
	measure(row, 4);
	close(delivery->input);
	for (size_t i = 1; i < 3; i++)
		if (strcmp(ways[i].view.suite, ways[0].view.suite) != 0)
			stage_fail("a delivery and the loop that it is compared with use different cipher suites");
	printf("\none delivery of 50 MB, %s; MB/s\n", ways[0].view.suite);
	printf("%-24s whole (median)  of it   handed over  of it  CPU ms  records  full  octets\n", "");
	for (size_t i = 0; i < 4; i++)
		print_transfer(names[i], &row[i], &row[0]);
}

static void print_instructions(const unsigned long *counts)
{
	if (counts[0] > 0 && counts[1] > 0 && counts[2] > 0)
		printf("  %-38s %13lu %15lu %20lu\n", "instructions", counts[0], counts[1], counts[2]);
	else
		printf("  %-38s not counted: the tool for it is missing, or may not trace\n", "instructions");
}

/* STARTTLS is offered, or not, for each delivery. */
static void bench_small(struct stage *stage, struct command *delivery, struct command *handshake)
{
	struct transfer ways[] = {{.command = delivery, .stage = stage, .offers = SINK_STARTTLS},
				  {.command = delivery, .stage = stage},
				  {.command = handshake, .stage = stage, .offers = SINK_STARTTLS}};
	struct contender row[3];
	struct contender alone = {.run = run_handshake, .context = stage};
	unsigned long counts[3];
	delivery->input = handshake->input = stage_message(SMALL);
	for (size_t i = 0; i < 3; i++)
		row[i] = (struct contender){.run = run_transfer, .context = &ways[i], .octets = SMALL};
	measure(row, 3);
	measure(&alone, 1);
	for (size_t i = 0; i < 3; i++) {
		stage->sink.board->offers = ways[i].offers;
		counts[i] = stage_instructions(ways[i].command);
	}
	close(delivery->input);
	printf("\n%-40s   within TLS    in the clear   a bare handshake\n", "one delivery of 2 KB, without DNS");
	printf("  %-38s", "wall time, ms (median)");
	for (size_t i = 0; i < 3; i++)
		printf("  %5.2f (%5.2f)", row[i].best * 1e3, row[i].median * 1e3);
	printf("\n  %-38s %43.2f (%5.2f)\n", "the same, with GnuTLS loaded", alone.best * 1e3, alone.median * 1e3);
	print_instructions(counts);
}

void secure_bench(const char *program, const char *self)
{
	struct stage stage;
	char port[8];
	stage_open(&stage);
	snprintf(port, sizeof port, "%u", stage.sink.port);
	struct command delivery = stage_delivery(&stage, program);
	struct command handshake = {.stage = &stage, .arguments = {self, BARE_HANDSHAKE, port}};
	bench_small(&stage, &delivery, &handshake);
	bench_large(&stage, &delivery);
	stage_close(&stage);
}
