/*
 * delivery - what a whole delivery costs
 *
 * The program runs as qmail-rspawn would run it, with a home of its own, and smtproutes leads to a sink: a child of
 * ours that takes every mail.  No name is looked up, so this is the least that a delivery costs.  Beside it stands a
 * program that does nothing, which shows what the kernel and the dynamic linker take.  Where a tool for counting is not
 * installed, what it counts is left out.
 */
#include "bench.h"
#include "sink.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16, PATH_SIZE = 100, SMALL = 2000, LARGE = 50000000 };

/* Where deliveries take place. */
struct stage {
	char home[PATH_SIZE];
	char environment[PATH_SIZE + sizeof "QMAILHOME="];
	struct sink sink;
	int reports;
};

/* A program with its arguments, and its input. */
struct command {
	const struct stage *stage;
	const char *arguments[ARGUMENTS_MAX];
	int input;
	bool delivers;
};

static void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* The path of a file in the home, or of the home itself. */
static const char *path_of(const struct stage *stage, const char *file)
{
	static char path[PATH_SIZE + 50];
	snprintf(path, sizeof path, "%s%s", stage->home, file);
	return path;
}

static void write_file(const struct stage *stage, const char *file, const char *text)
{
	FILE *stream = fopen(path_of(stage, file), "w");
	if (!stream || fputs(text, stream) < 0 || fclose(stream) != 0)
		fail("cannot write into a directory for temporary files");
}

static void open_stage(struct stage *stage)
{
	char route[50];
	const char *directory = getenv("TMPDIR");
	snprintf(stage->home, sizeof stage->home, "%.60s/qremote-bench-XXXXXX", directory ? directory : "/tmp");
	if (!mkdtemp(stage->home) || mkdir(path_of(stage, "/control"), 0700) != 0)
		fail("cannot make a directory for temporary files");
	snprintf(stage->environment, sizeof stage->environment, "QMAILHOME=%s", stage->home);
	if (!sink_open(&stage->sink))
		fail("cannot listen on 127.0.0.1");
	snprintf(route, sizeof route, ":[127.0.0.1]:%u\n", stage->sink.port);
	write_file(stage, "/control/smtproutes", route);
	write_file(stage, "/control/me", "client.example\n");
	write_file(stage, "/control/timeoutremote", "20\n");
	stage->reports = memfd_create("reports", MFD_CLOEXEC);
}

static void close_stage(struct stage *stage)
{
	static const char *const files[] = {"/control/smtproutes", "/control/me", "/control/timeoutremote", "/log"};
	sink_close(&stage->sink);
	close(stage->reports);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlink(path_of(stage, files[i]));
	rmdir(path_of(stage, "/control"));
	rmdir(stage->home);
}

/* Qremote takes it for a regular file. */
static int open_message(size_t size)
{
	struct span text = text_make("Subject: a benchmark\n\n", PROSE, "\n", size);
	int descriptor = memfd_create("message", MFD_CLOEXEC);
	for (size_t written = 0; written < text.length;) {
		ssize_t length = write(descriptor, text.data + written, text.length - written);
		if (length <= 0)
			fail("cannot write a message");
		written += (size_t)length;
	}
	free((char *)text.data);
	return descriptor;
}

static bool was_delivered(const struct stage *stage)
{
	static const char success[] = "r\0K";
	char report[sizeof success] = "";
	return pread(stage->reports, report, 3, 0) == 3 && memcmp(report, success, 3) == 0;
}

/* Runs it to its end; false where there is no such program. */
static bool run_command(const struct command *command)
{
	const struct stage *stage = command->stage;
	char *environment[] = {(char *)stage->environment, NULL};
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status;
	if (lseek(command->input, 0, SEEK_SET) != 0 || ftruncate(stage->reports, 0) != 0 ||
	    lseek(stage->reports, 0, SEEK_SET) != 0)
		fail("cannot rewind a file");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, command->input, 0);
	posix_spawn_file_actions_adddup2(&actions, stage->reports, 1);
	int error = posix_spawnp(&child, command->arguments[0], &actions, NULL, (char *const *)command->arguments,
				 environment);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0)
		return false;
	waitpid(child, &status, 0);
	if (command->delivers && !was_delivered(stage))
		fail("a delivery failed");
	return true;
}

static void run_it(void *context)
{
	if (!run_command(context))
		fail("cannot run the program");
}

/* What a tool writes about a command into the log, behind `mark`; 0 where there is no such tool, or it does not. */
static unsigned long count(const struct command *command, const char *const *tool, const char *mark)
{
	struct command traced = *command;
	char log[4096] = "";
	size_t length = 0;
	unlink(path_of(command->stage, "/log")); /* that of another tool */
	while (tool[length])
		length++;
	memcpy(traced.arguments, tool, length * sizeof *tool);
	memcpy(traced.arguments + length, command->arguments, (ARGUMENTS_MAX - length) * sizeof *tool);
	traced.delivers = false; /* the tool itself may fail */
	FILE *file = run_command(&traced) ? fopen(path_of(command->stage, "/log"), "r") : NULL;
	if (!file)
		return 0;
	log[fread(log, 1, sizeof log - 1, file)] = '\0';
	fclose(file);
	const char *found = strstr(log, mark);
	return found ? strtoul(found + strlen(mark), NULL, 10) : 0;
}

static unsigned long count_instructions(const struct command *command)
{
	char log[PATH_SIZE + sizeof "--log-file=/log"];
	snprintf(log, sizeof log, "--log-file=%s/log", command->stage->home);
	const char *tool[] = {"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", log, NULL};
	return count(command, tool, "Collected :");
}

static unsigned long count_calls(const struct command *command)
{
	char log[PATH_SIZE + sizeof "/log"];
	snprintf(log, sizeof log, "%s/log", command->stage->home);
	const char *tool[] = {"strace", "-f", "-c", "-U", "name,calls", "-o", log, NULL};
	return count(command, tool, "total ");
}

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
	if (!sink_write_raw(&stage->sink, LARGE))
		fail("the sink does not take what it should");
}

static void bench_large(struct stage *stage, struct command *delivery)
{
	struct contender row[] = {{.run = run_it, .context = delivery, .octets = LARGE},
				  {.run = run_raw, .context = stage, .octets = LARGE}};
	delivery->input = open_message(LARGE);
	measure(row, 2);
	close(delivery->input);
	printf("\n%-50s   ms (median)   the same octets, only written   of it\n", "one delivery of 50 MB");
	printf("  %-48s %5.1f (%5.1f) %22.1f %15.2fx\n", "wall time", row[0].best * 1e3, row[0].median * 1e3,
	       row[1].best * 1e3, row[0].best / row[1].best);
}

void delivery_bench(const char *program, const char *empty)
{
	struct stage stage;
	open_stage(&stage);
	struct command delivery = {.stage = &stage,
				   .arguments = {program, "example.org", "alice@sender.example", "bob@example.org"},
				   .input = open_message(SMALL),
				   .delivers = true};
	struct command nothing = {.stage = &stage, .arguments = {empty}, .input = delivery.input};
	struct contender row[] = {{.run = run_it, .context = &delivery, .octets = SMALL},
				  {.run = run_it, .context = &nothing, .octets = SMALL}};
	measure(row, 2);
	printf("\n%-50s  delivery     empty program     ratio\n", "one delivery of 2 KB, without DNS");
	printf("  %-48s %5.2f (%4.2f) %9.2f (%4.2f) %8.1fx\n", "wall time, ms (median)", row[0].best * 1e3,
	       row[0].median * 1e3, row[1].best * 1e3, row[1].median * 1e3, row[0].best / row[1].best);
	print_counts("instructions", count_instructions(&delivery), count_instructions(&nothing));
	print_counts("system calls", count_calls(&delivery), count_calls(&nothing));
	close(delivery.input);
	bench_large(&stage, &delivery);
	close_stage(&stage);
}
