/* SPDX-License-Identifier: ISC */
/*
 * main - arguments, descriptors, and the stages in their order
 *
 * qmail-rspawn runs it for each mail: descriptor 0 is the message, descriptor 1 a pipe for the reports, and descriptor
 * 2 a copy of that pipe.  A library that writes to 1 or 2 would turn a success into a bounce, so both become /dev/null
 * before anything else happens, and the reports are written to a private descriptor, in one write at the end.  Only a
 * trace, if one is asked for, may go to what was descriptor 2.
 */
#include "base/conn.h"
#include "deliver.h"
#include "dns/resolve.h"
#include "dns/ulabel.h"
#include "qmail/config.h"
#include "qmail/envelope.h"
#include "qmail/message.h"
#include "qmail/report.h"
#include "qmail/timeouts.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_LEAST = 4 };

/* Puts /dev/null in place of 1 and 2. */
static void fall_silent(void)
{
	close(1);
	int null = open("/dev/null", O_RDWR);
	if (null < 0)
		null = open("/", O_RDONLY); /* no /dev here: any descriptor that cannot be written to will do */
	for (int descriptor = 1; descriptor <= 2; descriptor++)
		if (null != descriptor && dup2(null, descriptor) < 0)
			close(descriptor);
}

/* Writes all of it, in one write(2) if the other side allows. */
static void write_reports(int descriptor, struct span reports)
{
	while (reports.length > 0) {
		ssize_t length = write(descriptor, reports.data, reports.length);
		if (length < 0 && errno == EAGAIN) {
			struct pollfd writable = {.fd = descriptor, .events = POLLOUT};
			poll(&writable, 1, -1);
		} else if (length < 0 && errno != EINTR) {
			return; /* nobody reads it; the caller takes silence for a temporary failure */
		}
		if (length > 0) {
			reports.data += length;
			reports.length -= (size_t)length;
		}
	}
}

static volatile sig_atomic_t reports_of_last_resort = -1;

/* The server gets no end of the message, and the caller gets this report, with the NUL that ends its record. */
static void give_up(int signal)
{
	static const char cut_short[] = "ZThe message file was cut short while it was sent. (#4.3.0)\n";
	static const char crashed[] = "ZQremote or a library crashed: memory may be short. (#4.3.0)\n";
	ssize_t written = signal == SIGBUS ? write(reports_of_last_resort, cut_short, sizeof cut_short)
					   : write(reports_of_last_resort, crashed, sizeof crashed);
	(void)written;
	_exit(0);
}

/* Whatever the caller did about signals: these are ignored, or end the process so. */
static void set_signals(int reports)
{
	static const struct {
		int number;
		void (*handler)(int);
	} signals[] = {
		{SIGPIPE, SIG_IGN}, /* a write says so, too */
		{SIGXFSZ, SIG_IGN},
		{SIGBUS, give_up}, /* the message file was cut short, and a page of it no longer exists */
	};
	sigset_t unblocked;
	reports_of_last_resort = reports;
	sigemptyset(&unblocked);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = {.sa_handler = signals[i].handler};
		sigaction(signals[i].number, &action, NULL);
		sigaddset(&unblocked, signals[i].number);
	}
	sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
}

/* The state of one run.  Its memory is given back with the process. */
struct run {
	struct message message;
	struct config config;
	struct envelope envelope;
	struct host host;
	struct destination destination;
	struct tcpto timeouts;
	struct report result;
	struct trace trace;
};

/* The stages; each runs only if the one before succeeded. */
static void run_stages(struct run *run, int argc, char **argv)
{
	struct report *failure = &run->result;
	int64_t begun = conn_now();
	bool trying = argc > ARGUMENTS_LEAST && strcmp(argv[1], "--try") == 0;
	argc -= trying;
	argv += trying;
	if (argc < ARGUMENTS_LEAST) {
		report_write(failure, 'D', "5.3.5", "Qremote", "needs a host, a sender and at least one recipient.");
		return;
	}
	if (!message_open(&run->message, 0, failure) || !config_load(&run->config, config_home(), failure))
		return;
	envelope_build(&run->envelope, argv[2], argv + 3, (size_t)argc - 3);
	if (!ulabel_envelope(&run->envelope, argv[2], failure) || !envelope_check(&run->envelope, argv[2], failure) ||
	    !host_parse(&run->host, argv[1], failure) ||
	    !resolve_host(&run->destination, &run->host, &run->config, &run->trace, failure))
		return;
	run->message.withheld = trying;
	timeouts_read(&run->timeouts, run->config.home);
	struct delivery delivery = {
		.config = &run->config,
		.trace = &run->trace,
		.destination = &run->destination,
		.message = &run->message,
		.timeouts = &run->timeouts,
		.envelope = &run->envelope,
		.begun = begun,
	};
	deliver(&delivery, failure);
}

static void tell_report(struct run *run, const char *about, const struct report *report)
{
	if (report->letter)
		trace_note(&run->trace, '*', "report on %s: %c", about, report->letter);
	trace_text(&run->trace, '*', (struct span){report->text.data, report->text.length});
}

static void tell_reports(struct run *run)
{
	for (size_t i = 0; i < run->envelope.count && trace_is_on(&run->trace); i++)
		tell_report(run, run->envelope.recipients[i].argument, &run->envelope.recipients[i].report);
	tell_report(run, "the message", &run->result);
}

int main(int argc, char **argv)
{
	static const char no_memory[] = "ZQremote is out of memory. (#4.3.0)\n";
	static const char no_descriptor[] = "ZQremote is out of file descriptors. (#4.3.0)\n";
	static const char version[] = "Qremote " VERSION "\n";
	struct run run = {0};
	int reports = fcntl(1, F_DUPFD_CLOEXEC, 3);
	bool lost = reports < 0 && errno != EBADF; /* else 1 was closed, and nobody wants them */
	set_signals(reports);
	if (lost) {
		write_reports(1, (struct span){no_descriptor, sizeof no_descriptor}); /* its NUL ends the record */
		return 0;
	}
	run.trace = trace_open(reports); /* may be descriptor 2 */
	fall_silent();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		write_reports(reports, (struct span){version, sizeof version - 1});
		return 0;
	}
	run_stages(&run, argc, argv);
	tell_reports(&run);
	envelope_emit(&run.envelope, &run.result);
	struct span octets = {run.envelope.results.data, run.envelope.results.length};
	if (run.envelope.results.failed)
		octets = (struct span){no_memory, sizeof no_memory};
	write_reports(reports, octets);
	reports_of_last_resort = -1; /* a library that crashes at its end adds nothing */
	exit(0);                     /* while the run is on the stack: for checkers of leaks nothing is lost */
}
