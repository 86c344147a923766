/* SPDX-License-Identifier: ISC */
/*
 * delivery - what a whole delivery costs
 *
 * No name is looked up, so this is the least that a delivery costs.  A program that does nothing shows the cost of the
 * kernel and the dynamic linker.
 */
#include "bench.h"
#include "stage.h"

#include <stdio.h>
#include <unistd.h>

static void print_counts(const char *what, unsigned long ours, unsigned long empty)
{
	if (ours > 0 && empty > 0)
		printf("  %-48s %11lu %17lu %9.1fx\n", what, ours, empty, (double)ours / (double)empty);
	else
		printf("  %-48s not counted: the tool for it is missing, or may not trace\n", what);
}

static void run_raw(void *context)
{
	const struct stage *stage = context;
	if (!sink_write(&stage->sink, LARGE, false))
		stage_fail("the sink does not take what it should");
}

static void bench_large(struct stage *stage, struct command *delivery)
{
	struct contender row[] = {{.run = stage_run, .context = delivery, .octets = LARGE},
				  {.run = run_raw, .context = stage, .octets = LARGE}};
	delivery->input = stage_message(LARGE);
	measure(row, 2);
	close(delivery->input);
	printf("\n%-50s   ms (median)   the same octets, only written   of it\n", "one delivery of 50 MB");
	printf("  %-48s %5.1f (%5.1f) %22.1f %15.2fx\n", "wall time", row[0].best * 1e3, row[0].median * 1e3,
	       row[1].best * 1e3, row[0].best / row[1].best);
}

void delivery_bench(const char *program, const char *empty)
{
	struct stage stage;
	stage_open(&stage);
	struct command delivery = stage_delivery(&stage, program);
	delivery.input = stage_message(SMALL);
	struct command nothing = {.stage = &stage, .arguments = {empty}, .input = delivery.input};
	struct contender row[] = {{.run = stage_run, .context = &delivery, .octets = SMALL},
				  {.run = stage_run, .context = &nothing, .octets = SMALL}};
	measure(row, 2);
	printf("\n%-50s  delivery     empty program     ratio\n", "one delivery of 2 KB, without DNS");
	printf("  %-48s %5.2f (%4.2f) %9.2f (%4.2f) %8.1fx\n", "wall time, ms (median)", row[0].best * 1e3,
	       row[0].median * 1e3, row[1].best * 1e3, row[1].median * 1e3, row[0].best / row[1].best);
	print_counts("instructions", stage_instructions(&delivery), stage_instructions(&nothing));
	print_counts("system calls", stage_calls(&delivery), stage_calls(&nothing));
	close(delivery.input);
	bench_large(&stage, &delivery);
	stage_close(&stage);
}
