/* SPDX-License-Identifier: ISC */
#ifndef STAGE_H
#define STAGE_H

#include "sink.h"

#include <stdbool.h>
#include <stddef.h>

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

/* Makes the home and starts the sink. stage_close() undoes both. */
void stage_open(struct stage *stage);
void stage_close(struct stage *stage);

/* A delivery by that program; its input is not set yet. */
struct command stage_delivery(const struct stage *stage, const char *program);

/* A descriptor of a message of about that size; the caller closes it. */
int stage_message(size_t size);

/* Runs a struct command to its end, for measure(). */
void stage_run(void *command);

/* 0 if the tool for it is missing. */
unsigned long stage_instructions(const struct command *command);
unsigned long stage_calls(const struct command *command);

/* Ends the benchmark. */
void stage_fail(const char *what);

#endif
