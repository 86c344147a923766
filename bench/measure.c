/* SPDX-License-Identifier: ISC */
/*
 * measure - times, and the machine they are from
 *
 * The best of several runs shows what the code can do; the median shows how quiet the machine was.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 51, ROUNDS_LEAST = 3, CONTENDERS_MAX = 4 };

static const double enough = 1; /* seconds */

double measure_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a;
	double second = *(const double *)b;
	return (first > second) - (first < second);
}

void measure(struct contender *contenders, size_t count)
{
	double times[CONTENDERS_MAX][ROUNDS];
	for (size_t i = 0; i < count; i++)
		contenders[i].run(contenders[i].context);
	size_t rounds = 0;
	double begun = measure_now();
	for (; rounds < ROUNDS && (rounds < ROUNDS_LEAST || measure_now() - begun < enough); rounds++) {
		for (size_t i = 0; i < count; i++) {
			double start = measure_now();
			contenders[i].run(contenders[i].context);
			times[i][rounds] = measure_now() - start;
		}
	}
	for (size_t i = 0; i < count; i++) {
		qsort(times[i], rounds, sizeof times[i][0], compare);
		contenders[i].best = times[i][0];
		contenders[i].median = times[i][rounds / 2];
	}
}

double measure_rate(const struct contender *contender, double unit)
{
	return (double)contender->octets / contender->best / unit;
}

/* The name of the processor in /proc/cpuinfo, if there is one. */
static void read_processor(char *name, int size)
{
	char line[200];
	FILE *file = fopen("/proc/cpuinfo", "r");
	snprintf(name, (size_t)size, "an unnamed processor");
	while (file && fgets(line, sizeof line, file)) {
		const char *value = strchr(line, ':');
		if (!value || strncmp(line, "model name", 10) != 0)
			continue;
		snprintf(name, (size_t)size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
		break;
	}
	if (file)
		fclose(file);
}

void measure_print_machine(void)
{
	char processor[100];
	struct utsname kernel;
	read_processor(processor, sizeof processor);
	uname(&kernel);
	printf("%s, %ld online, %s %s %s, compiler %s; best of %d to %d runs\n", processor,
	       sysconf(_SC_NPROCESSORS_ONLN), kernel.sysname, kernel.release, kernel.machine, __VERSION__, ROUNDS_LEAST,
	       ROUNDS);
}
