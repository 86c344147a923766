/* SPDX-License-Identifier: ISC */
/*
 * trace - the dialogue for a person to read
 *
 * session.c and transaction.c report to it what is said, and others what they find.  Each line is one write(2) to a
 * descriptor in append mode, so that many deliveries may share a file.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Octets of text in a line: with what stands before it, a pipe takes it whole.  And how long a reader is waited for, in
 * milliseconds, in how many pieces a terminal may take a line. */
enum { TRACE_LINE_MAX = PIPE_BUF - 96, PATIENCE = 1000, PIECES_MAX = 10 };

static bool is_same_file(int a, int b)
{
	struct stat first, second;
	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

static void end(struct trace *trace)
{
	close(trace->descriptor);
	trace->descriptor = -1;
}

/* Not as one of the standard descriptors, which mean something else, even if they were closed. */
static int open_file(const char *file)
{
	/* A second look at a file by this name fails if another user opened it, or if it is a socket. */
	if (strcmp(file, "/dev/stderr") == 0)
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	/* Not blocking: a FIFO without a reader must not delay a mail. */
	int opened = open(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (opened < 0 || opened > STDERR_FILENO)
		return opened;
	int moved = fcntl(opened, F_DUPFD_CLOEXEC, 3);
	close(opened);
	return moved;
}

struct trace trace_open(int reports)
{
	struct trace trace = {.descriptor = -1, .note = trace_note};
	const char *file = getenv("QREMOTE_TRACE");
	if (!file || !*file)
		return trace;
	trace.descriptor = open_file(file);
	if (trace.descriptor >= 0 && is_same_file(trace.descriptor, reports))
		end(&trace);
	return trace;
}

/* Waits for a reader, but not for long. */
static bool is_writable(int descriptor)
{
	struct pollfd writable = {.fd = descriptor, .events = POLLOUT};
	int count;
	do
		count = poll(&writable, 1, PATIENCE);
	while (count < 0 && errno == EINTR);
	return count > 0;
}

static bool write_all(int descriptor, const char *data, size_t length)
{
	for (int i = 0; length > 0 && i < PIECES_MAX && is_writable(descriptor); i++) {
		ssize_t written = write(descriptor, data, length);
		if (written < 0 && errno != EAGAIN)
			return false;
		data += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return length == 0;
}

static void write_line(struct trace *trace, char who, struct span line)
{
	struct buf out = {0};
	struct timespec now;
	struct tm utc;
	char date[32] = "";
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc))
		strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	buf_format(&out, "%s.%03ldZ %ld %c ", date, now.tv_nsec / 1000000, (long)getpid(), who);
	buf_string(&out, text_printable(&out, line, false, TRACE_LINE_MAX) ? "\n" : "...\n");
	if (!out.failed && !write_all(trace->descriptor, out.data, out.length))
		end(trace); /* the mail matters, the trace does not */
	buf_free(&out);
}

void trace_text(struct trace *trace, char who, struct span text)
{
	while (trace_is_on(trace) && text.length > 0)
		write_line(trace, who, span_trim(span_split(text, '\n', &text)));
}

void trace_note(struct trace *trace, char who, const char *format, ...)
{
	char text[501];
	va_list arguments;
	if (!trace_is_on(trace))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	write_line(trace, who, span_of(text));
}
