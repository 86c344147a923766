/* SPDX-License-Identifier: ISC */
/*
 * stage - where whole deliveries take place, and what they cost there
 *
 * The program runs as qmail-rspawn would run it, with a home of its own, and smtproutes leads to a sink: a child of
 * ours that accepts every mail.  If a tool for counting is not installed, its counts are left out.
 */
#include "stage.h"

#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void stage_fail(const char *what)
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
		stage_fail("cannot write into a directory for temporary files");
}

void stage_open(struct stage *stage)
{
	char route[50];
	const char *directory = getenv("TMPDIR");
	/* cppcheck-suppress ctuuninitvar ; it is only written to */
	snprintf(stage->home, sizeof stage->home, "%.60s/qremote-bench-XXXXXX", directory ? directory : "/tmp");
	if (!mkdtemp(stage->home) || mkdir(path_of(stage, "/control"), 0700) != 0)
		stage_fail("cannot make a directory for temporary files");
	snprintf(stage->environment, sizeof stage->environment, "QMAILHOME=%s", stage->home);
	if (!sink_open(&stage->sink))
		stage_fail("cannot listen on 127.0.0.1, or make a certificate");
	snprintf(route, sizeof route, ":[127.0.0.1]:%u\n", stage->sink.port);
	write_file(stage, "/control/smtproutes", route);
	write_file(stage, "/control/me", "client.example\n");
	write_file(stage, "/control/timeoutremote", "20\n");
	stage->reports = memfd_create("reports", MFD_CLOEXEC);
}

void stage_close(struct stage *stage)
{
	static const char *const files[] = {"/control/smtproutes", "/control/me", "/control/timeoutremote", "/log"};
	sink_close(&stage->sink);
	close(stage->reports);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlink(path_of(stage, files[i]));
	rmdir(path_of(stage, "/control"));
	rmdir(stage->home);
}

/* Qremote sees a regular file. */
int stage_message(size_t size)
{
	struct span text = text_make("Subject: a benchmark\n\n", PROSE, "\n", size);
	int descriptor = memfd_create("message", MFD_CLOEXEC);
	for (size_t written = 0; written < text.length;) {
		ssize_t length = write(descriptor, text.data + written, text.length - written);
		if (length <= 0)
			stage_fail("cannot write a message");
		written += (size_t)length;
	}
	free((char *)text.data);
	return descriptor;
}

struct command stage_delivery(const struct stage *stage, const char *program)
{
	return (struct command){.stage = stage,
				.arguments = {program, "example.org", "alice@sender.example", "bob@example.org"},
				.delivers = true};
}

static bool was_delivered(const struct stage *stage)
{
	static const char success[] = "r\0K";
	char report[sizeof success] = "";
	return pread(stage->reports, report, 3, 0) == 3 && memcmp(report, success, 3) == 0;
}

/* Runs it to its end; false if there is no such program. */
static bool run_command(const struct command *command)
{
	const struct stage *stage = command->stage;
	char *environment[] = {(char *)stage->environment, NULL};
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status;
	if (lseek(command->input, 0, SEEK_SET) != 0 || ftruncate(stage->reports, 0) != 0 ||
	    lseek(stage->reports, 0, SEEK_SET) != 0)
		stage_fail("cannot rewind a file");
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
		stage_fail("a delivery failed");
	return true;
}

void stage_run(void *command)
{
	if (!run_command(command))
		stage_fail("cannot run the program");
}

/* The number that a tool writes about a command into the log, after `mark`; 0 if there is no such tool or no number. */
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

unsigned long stage_instructions(const struct command *command)
{
	char log[PATH_SIZE + sizeof "--log-file=/log"];
	snprintf(log, sizeof log, "--log-file=%s/log", command->stage->home);
	const char *tool[] = {"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", log, NULL};
	return count(command, tool, "Collected :");
}

unsigned long stage_calls(const struct command *command)
{
	char log[PATH_SIZE + sizeof "/log"];
	snprintf(log, sizeof log, "%s/log", command->stage->home);
	const char *tool[] = {"strace", "-f", "-c", "-U", "name,calls", "-o", log, NULL};
	return count(command, tool, "total ");
}
