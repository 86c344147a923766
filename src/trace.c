/* SPDX-License-Identifier: ISC */
/*
 * trace - the dialogue for a person to read
 *
 * session.c and transaction.c report to it what is said.  Each line is one write(2) to a descriptor in append mode, so
 * that many deliveries may share a file.
 */
#include "trace.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRACE_LINE_MAX = 5000 };

static bool is_same_file(int a, int b)
{
	struct stat first, second;
	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

struct trace trace_open(int reports)
{
	struct trace trace = {-1};
	const char *file = getenv("QREMOTE_TRACE");
	if (!file || !*file)
		return trace;
	/* Not blocking: a FIFO without a reader must not delay a mail. */
	trace.descriptor = open(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (trace.descriptor >= 0 && is_same_file(trace.descriptor, reports))
		trace_close(&trace);
	return trace;
}

static void write_line(const struct trace *trace, char who, struct span line)
{
	struct buf out = {0};
	struct timespec now;
	struct tm utc;
	char date[32] = "";
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc))
		strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	buf_format(&out, "%s.%03ldZ %ld %c ", date, now.tv_nsec / 1000000, (long)getpid(), who);
	text_printable(&out, line, false, TRACE_LINE_MAX);
	buf_octet(&out, '\n');
	ssize_t written = out.failed ? 0 : write(trace->descriptor, out.data, out.length);
	(void)written; /* the mail matters, the trace does not */
	buf_free(&out);
}

void trace_text(const struct trace *trace, char who, struct span text)
{
	if (trace->descriptor < 0)
		return;
	while (text.length > 0)
		write_line(trace, who, span_trim(span_split(text, '\n', &text)));
}

void trace_note(const struct trace *trace, char who, const char *format, ...)
{
	char text[501];
	va_list arguments;
	if (trace->descriptor < 0)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	trace_text(trace, who, span_of(text));
}

void trace_close(struct trace *trace)
{
	if (trace->descriptor >= 0)
		close(trace->descriptor);
	trace->descriptor = -1;
}
