/* SPDX-License-Identifier: ISC */
/*
 * config - control files to one constant struct
 *
 * main.c loads it once.  One-line files are read as qmail reads them (control(5)): the first line counts, without
 * trailing white space.  Nothing is guessed: a malformed file delays the mail, and the report says where.
 */
#include "qmail/config.h"

#include "qmail/route.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef QMAIL_HOME
#define QMAIL_HOME "/var/qmail"
#endif

enum { DNS_PORT = 53, SECONDS_MAX = 999999999 };

/* The directory, and the report for failures. */
struct control {
	const char *home;
	struct report *failure;
};

static bool refuse(const struct control *control, const char *file, size_t line, const char *why)
{
	char who[NAME_SIZE + 64];
	int length = snprintf(who, sizeof who, "control/%s", file);
	if (line > 0 && length > 0 && (size_t)length < sizeof who)
		snprintf(who + length, sizeof who - (size_t)length, " line %zu", line);
	report_write(control->failure, 'Z', "4.3.0", who, why);
	return false;
}

static bool read_all(int descriptor, struct buf *contents)
{
	ssize_t length;
	do {
		if (!buf_reserve(contents, 4096)) {
			errno = ENOMEM;
			return false;
		}
		length = read(descriptor, contents->data + contents->length, contents->capacity - contents->length);
		if (length > 0)
			contents->length += (size_t)length;
	} while (length > 0 || (length < 0 && errno == EINTR));
	return length == 0;
}

static bool read_file(const struct control *control, const char *file, struct buf *contents, bool *present)
{
	char path[PATH_MAX];
	char why[128];
	struct stat status;
	int length = snprintf(path, sizeof path, "%s/control/%s", control->home, file);
	if (length < 0 || (size_t)length >= sizeof path)
		return refuse(control, file, 0, "cannot be read: the path of the qmail home is too long.");
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not hang us */
	/* A host's name may be too long for a file name (RFC 1035 section 2.3.4); then there is no file. */
	*present = descriptor >= 0 || (errno != ENOENT && errno != ENAMETOOLONG);
	if (!*present)
		return true;
	bool done = descriptor >= 0 && fstat(descriptor, &status) == 0;
	if (done && !S_ISREG(status.st_mode)) {
		close(descriptor);
		return refuse(control, file, 0, "cannot be read: it is not a regular file.");
	}
	done = done && read_all(descriptor, contents);
	if (!done)
		snprintf(why, sizeof why, "cannot be read: %s.", strerror(errno));
	if (descriptor >= 0)
		close(descriptor);
	return done || refuse(control, file, 0, why);
}

/* Reads a file; an absent one counts as empty. */
static bool read_optional(const struct control *control, const char *file, struct buf *contents)
{
	bool present;
	return read_file(control, file, contents, &present);
}

/* Reads the first line of a file; it points into `contents`. */
static bool read_line(const struct control *control, const char *file, struct buf *contents, struct span *line)
{
	struct span rest;
	contents->length = 0;
	if (!read_optional(control, file, contents))
		return false;
	*line = span_trim(span_split((struct span){contents->data, contents->length}, '\n', &rest));
	return true;
}

/* A domain name, which loses its final dot, or an address literal (RFC 5321 section 4.1.1.1), for EHLO. */
static bool take_helohost(struct config *config, const struct control *control, const char *file, struct span line)
{
	if (!address_is_smtp_literal(line))
		line = name_trim(line);
	if (!name_is_valid(line) && !address_is_smtp_literal(line))
		return refuse(control, file, 0, "is neither a domain name nor an address literal.");
	memcpy(config->helohost, line.data, line.length);
	config->helohost[line.length] = '\0';
	return true;
}

static bool load_helohost(struct config *config, const struct control *control, struct buf *contents)
{
	static const char *const files[] = {"helohost", "me"};
	struct span line;
	for (size_t i = 0; i < 2; i++) {
		if (!read_line(control, files[i], contents, &line))
			return false;
		if (line.length > 0)
			return take_helohost(config, control, files[i], line);
	}
	return refuse(control, "helohost", 0, "and control/me are missing or empty: there is no name for EHLO.");
}

static bool load_seconds(const struct control *control, const char *file, struct buf *contents, int64_t *milliseconds)
{
	struct span line;
	unsigned long seconds;
	if (!read_line(control, file, contents, &line))
		return false;
	if (line.length == 0)
		return true;
	if (!span_number(line, 1, SECONDS_MAX, &seconds))
		return refuse(control, file, 0, "must be a number of seconds from 1 to 999999999.");
	*milliseconds = (int64_t)seconds * 1000;
	return true;
}

/* qmail's limit for a number in a control file is that of unsigned long, too. */
static bool load_chunk_size(struct config *config, const struct control *control, struct buf *contents)
{
	struct span line;
	unsigned long octets;
	if (!read_line(control, "chunksizeremote", contents, &line))
		return false;
	if (line.length == 0)
		return true;
	if (!span_number(line, 1, ULONG_MAX, &octets))
		return refuse(control, "chunksizeremote", 0, "must be a number of octets, at least 1.");
	config->chunk_size = octets;
	return true;
}

static bool load_smtproutes(struct config *config, const struct control *control)
{
	struct route route;
	struct span nobody = {"", 0};
	if (!read_optional(control, "smtproutes", &config->smtproutes))
		return false;
	const char *wrong =
		route_find((struct span){config->smtproutes.data, config->smtproutes.length}, nobody, &route);
	return !wrong || refuse(control, "smtproutes", route.line, wrong);
}

/* An address in dnsservers: `192.0.2.53`, `2001:db8::53`, or in brackets, with or without a port after it. */
static bool parse_server(struct span line, struct address *address, unsigned long *port)
{
	struct span rest;
	*port = DNS_PORT;
	if (address_parse(line, address))
		return true;
	struct span host = name_split(line, &rest);
	if (rest.data && !span_number(rest, 1, UINT16_MAX, port))
		return false;
	return address_parse(host, address) || address_parse_literal(host, address);
}

static bool load_dnsservers(struct config *config, const struct control *control, struct buf *contents)
{
	contents->length = 0;
	if (!read_optional(control, "dnsservers", contents))
		return false;
	struct span rest = {contents->data, contents->length};
	for (size_t number = 1; rest.length > 0; number++) {
		struct span line = span_trim(span_split(rest, '\n', &rest));
		struct address address;
		unsigned long port;
		char text[ADDRESS_TEXT_SIZE];
		if (line.length == 0 || line.data[0] == '#')
			continue;
		if (!parse_server(line, &address, &port))
			return refuse(control, "dnsservers", number, "must be an address, or an address and a port.");
		address_print(&address, text);
		buf_format(&config->dnsservers, strchr(text, ':') ? "%s[%s]:%lu" : "%s%s:%lu",
			   config->dnsservers.length > 0 ? "," : "", text, port);
	}
	if (config->dnsservers.length > 0)
		buf_octet(&config->dnsservers, '\0');
	return !config->dnsservers.failed || refuse(control, "dnsservers", 0, "cannot be read: out of memory.");
}

bool config_load(struct config *config, const char *home, struct report *failure)
{
	struct control control = {home, failure};
	struct buf contents = {0};
	*config = (struct config){.home = home, .timeout_connect = 60 * 1000, .timeout_remote = 1200 * 1000};
	bool loaded = load_helohost(config, &control, &contents) &&
		      load_seconds(&control, "timeoutconnect", &contents, &config->timeout_connect) &&
		      load_seconds(&control, "timeoutremote", &contents, &config->timeout_remote) &&
		      load_chunk_size(config, &control, &contents) && load_smtproutes(config, &control) &&
		      load_dnsservers(config, &control, &contents);
	buf_free(&contents);
	return loaded;
}

bool config_read(const struct config *config, const char *file, struct buf *contents, bool *present,
		 struct report *failure)
{
	struct control control = {config->home, failure};
	return read_file(&control, file, contents, present);
}

const char *config_home(void)
{
	const char *home = getenv("QMAILHOME");
	return home && *home ? home : QMAIL_HOME;
}

void config_free(struct config *config)
{
	buf_free(&config->smtproutes);
	buf_free(&config->dnsservers);
}
