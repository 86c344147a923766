/* SPDX-License-Identifier: ISC */
/*
 * timeouts - qmail's table of hosts that timed out
 *
 * deliver.c asks it, so that mail to a host that never answers does not hold up the others.  qmail-remote uses the same
 * file, qmail-tcpto(8) shows it, and qmail-tcpok(8) clears it; all of them lock it.
 */
#include "qmail/timeouts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Opens and locks the file, and reads it; -1, with no records, if it cannot be used. */
static int open_table(struct tcpto *table, const char *home)
{
	char path[PATH_MAX];
	ssize_t length = 0;
	table->count = 0;
	if (snprintf(path, sizeof path, "%s/queue/lock/tcpto", home) >= (int)sizeof path)
		return -1;
	int file = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (file >= 0 && flock(file, LOCK_EX) == 0)
		length = read(file, table->records, sizeof table->records);
	if (length >= TCPTO_RECORD) {
		table->count = (size_t)length / TCPTO_RECORD;
		return file;
	}
	if (file >= 0)
		close(file);
	return -1;
}

void timeouts_read(struct tcpto *table, const char *home)
{
	int file = open_table(table, home);
	if (file >= 0)
		close(file);
}

bool timeouts_defer(const struct tcpto *table, const struct address *address)
{
	size_t record = tcpto_find(table, address);
	if (record == TCPTO_SIZE)
		return false;
	/* Not all processes try again at the same time. */
	uint32_t patience = (60 + ((uint32_t)getpid() & 31)) * 64;
	return tcpto_defers(table, record, (uint32_t)time(NULL), patience);
}

void timeouts_note(const struct tcpto *known, const char *home, const struct address *address, bool timed_out)
{
	struct tcpto table;
	if (known->count == 0 || (!timed_out && tcpto_find(known, address) == TCPTO_SIZE))
		return;
	int file = open_table(&table, home);
	if (file < 0)
		return;
	size_t record = tcpto_note(&table, address, timed_out, (uint32_t)time(NULL));
	ssize_t written = 0;
	if (record < TCPTO_SIZE)
		written = pwrite(file, &table.records[record], TCPTO_RECORD, (off_t)record);
	(void)written; /* the mail matters, the table does not */
	close(file);
}
