/* SPDX-License-Identifier: ISC */
/*
 * config - control files to one constant struct
 *
 * main.c loads it once.  One-line files are read as qmail reads them (control(5)): the first line counts, without
 * trailing white space.  Nothing is guessed: a malformed file delays the mail, and the report says where.
 */
#include "qmail/config.h"

#include "qmail/route.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef QMAIL_HOME
#define QMAIL_HOME "/var/qmail"
#endif

enum { DNS_PORT = 53, SECONDS_MAX = 999999999 };

/* The state of loading. */
struct load {
	struct config *config;
	struct report *failure;
	struct buf contents; /* of the file that is read */
};

bool config_refuse(struct report *failure, const char *file, size_t line, const char *why)
{
	char who[NAME_SIZE + 64];
	snprintf(who, sizeof who, line > 0 ? "control/%s line %zu" : "control/%s", file, line);
	report_write(failure, 'Z', "4.3.0", who, why);
	return false;
}

/* Reads until there are as many octets as fstat(2) said, or to the end: the files of proc(5) have size 0, and content.
 */
static bool read_all(int descriptor, off_t size, struct buf *contents)
{
	ssize_t length;
	do {
		if (!buf_reserve(contents, size > 0 ? (size_t)size : 4096)) {
			errno = ENOMEM;
			return false;
		}
		length = read(descriptor, contents->data + contents->length, contents->capacity - contents->length);
		if (length > 0)
			contents->length += (size_t)length;
	} while ((length > 0 && (uintmax_t)size != contents->length) || (length < 0 && errno == EINTR));
	return length >= 0;
}

/* The path of a control file, or of their directory for "". */
static bool put_path(const struct config *config, const char *file, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "%s/control/%s", config->home, file);
	return length >= 0 && length < PATH_MAX;
}

/*
 * Lists the directory of the control files: most of them are absent, and then need not be looked for.  A file that is
 * renamed meanwhile may be missing, even if it takes the place of another (btrfs); such a list is worth nothing.  In a
 * directory that changed just before, that would not show: it could change again in one tick of the clock.
 */
static void list_files(struct config *config)
{
	enum { ROOM = 4096 };
	struct buf *entries = &config->entries;
	struct stat before;
	struct stat after;
	char path[PATH_MAX];
	ssize_t length = -1;
	bool steady = put_path(config, "", path) && stat(path, &before) == 0 && before.st_mtim.tv_sec < time(NULL) - 1;
	int descriptor = steady ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (descriptor < 0)
		return;
	while (buf_reserve(entries, ROOM) &&
	       (length = getdents64(descriptor, entries->data + entries->length, ROOM)) > 0)
		entries->length += (size_t)length;
	config->listed = length == 0 && fstat(descriptor, &after) == 0 &&
			 before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
			 before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
	close(descriptor);
}

bool config_may_have(const struct config *config, const char *file)
{
	size_t length = strcspn(file, "/");
	for (size_t at = 0; at < config->entries.length;) {
		const struct dirent64 *entry = (const struct dirent64 *)(const void *)(config->entries.data + at);
		if (strncmp(entry->d_name, file, length) == 0 && !entry->d_name[length])
			return true;
		at += entry->d_reclen;
	}
	return !config->listed;
}

/* Whether open(2) says that there is no such file.  A host's name may be too long for a file name (RFC 1035 section
 * 2.3.4). */
static bool says_absent(int error)
{
	return error == ENOENT || error == ENAMETOOLONG;
}

/* Whether there is no file by a name that open(2) did not find.  If it, or its directory, is a link that leads nowhere,
 * the file is wanted, and missing: without one in tlshosts nothing would be verified.  Changes the path. */
static bool is_absent(char path[PATH_MAX])
{
	struct stat status;
	if (lstat(path, &status) == 0 || !says_absent(errno))
		return false;
	*strrchr(path, '/') = '\0';
	return stat(path, &status) == 0 || (lstat(path, &status) < 0 && errno == ENOENT);
}

bool config_read(const struct config *config, const char *file, struct buf *contents, mode_t *mode,
		 struct report *failure)
{
	char path[PATH_MAX];
	char why[128];
	struct stat status;
	if (!config_may_have(config, file))
		return true;
	if (!put_path(config, file, path))
		return config_refuse(failure, file, 0, "cannot be read: the path of the qmail home is too long.");
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not hang us */
	if (descriptor < 0 && says_absent(errno) && is_absent(path))
		return true;
	bool done = descriptor >= 0 && fstat(descriptor, &status) == 0;
	if (done && !S_ISREG(status.st_mode)) {
		close(descriptor);
		return config_refuse(failure, file, 0, "cannot be read: it is not a regular file.");
	}
	done = done && read_all(descriptor, status.st_size, contents);
	if (done && mode)
		*mode = status.st_mode;
	if (!done)
		snprintf(why, sizeof why, "cannot be read: %s.", strerror(errno));
	if (descriptor >= 0)
		close(descriptor);
	return done || config_refuse(failure, file, 0, why);
}

/* Reads the first line of a file, which is empty if there is none. */
static bool read_line(struct load *load, const char *file, struct span *line)
{
	struct span rest;
	load->contents.length = 0;
	if (!config_read(load->config, file, &load->contents, NULL, load->failure))
		return false;
	*line = span_trim(span_split((struct span){load->contents.data, load->contents.length}, '\n', &rest));
	return true;
}

/* A domain name, which loses its final dot, or an address literal (RFC 5321 section 4.1.1.1), for EHLO. */
static bool take_helohost(const struct load *load, const char *file, struct span line)
{
	char *helohost = load->config->helohost;
	if (!address_is_smtp_literal(line))
		line = name_trim(line);
	if (!name_is_valid(line) && !address_is_smtp_literal(line))
		return config_refuse(load->failure, file, 0, "is neither a domain name nor an address literal.");
	memcpy(helohost, line.data, line.length);
	helohost[line.length] = '\0';
	return true;
}

static bool load_helohost(struct load *load)
{
	static const char *const files[] = {"helohost", "me"};
	struct span line;
	for (size_t i = 0; i < 2; i++) {
		if (!read_line(load, files[i], &line))
			return false;
		if (line.length > 0)
			return take_helohost(load, files[i], line);
	}
	return config_refuse(load->failure, "helohost", 0,
			     "and control/me are missing or empty: there is no name for EHLO.");
}

/* Reads a number from 1 to `most`, which stays as it is where the file is absent or empty. */
static bool load_number(struct load *load, const char *file, unsigned long most, const char *wrong,
			unsigned long *number)
{
	struct span line;
	if (!read_line(load, file, &line))
		return false;
	return line.length == 0 || span_number(line, 1, most, number) || config_refuse(load->failure, file, 0, wrong);
}

static bool load_seconds(struct load *load, const char *file, int64_t *milliseconds)
{
	unsigned long seconds = (unsigned long)(*milliseconds / 1000);
	bool loaded =
		load_number(load, file, SECONDS_MAX, "must be a number of seconds from 1 to 999999999.", &seconds);
	*milliseconds = (int64_t)seconds * 1000;
	return loaded;
}

/* qmail's limit for a number in a control file is that of unsigned long, too. */
static bool load_chunk_size(struct load *load)
{
	unsigned long octets = 0;
	bool loaded =
		load_number(load, "chunksizeremote", ULONG_MAX, "must be a number of octets, at least 1.", &octets);
	load->config->chunk_size = octets;
	return loaded;
}

static bool load_source(struct load *load, const char *file, int family, struct address *source)
{
	struct span line;
	if (!read_line(load, file, &line))
		return false;
	return line.length == 0 || address_parse_family(line, family, source) ||
	       config_refuse(load->failure, file, 0,
			     family == AF_INET ? "must be an IPv4 address." : "must be an IPv6 address.");
}

static bool load_sources(struct load *load)
{
	struct sources *sources = &load->config->sources;
	return load_source(load, "outgoingip", AF_INET, &sources->ipv4) &&
	       load_source(load, "outgoingip6", AF_INET6, &sources->ipv6);
}

static bool load_families(struct load *load)
{
	struct span line;
	if (!read_line(load, "families", &line))
		return false;
	return line.length == 0 || families_parse(line, &load->config->families) ||
	       config_refuse(load->failure, "families", 0, "must be ipv4, ipv6, ipv4,ipv6 or ipv6,ipv4.");
}

static bool load_smtproutes(struct load *load)
{
	struct buf *routes = &load->config->smtproutes;
	struct route route;
	struct span nobody = {"", 0};
	if (!config_read(load->config, "smtproutes", routes, NULL, load->failure))
		return false;
	const char *wrong = route_find((struct span){routes->data, routes->length}, nobody, &route);
	return !wrong || config_refuse(load->failure, "smtproutes", route.line, wrong);
}

/* A line of dnsservers: `192.0.2.53`, `2001:db8::53`, or in brackets, with or without a port after it, and `trust-ad`;
 * returns what is wrong with it, or NULL. */
static const char *parse_server(struct span line, struct dns_server *server)
{
	static const char malformed[] = "must be an address, or an address and a port.";
	struct span rest;
	struct span mark;
	unsigned long port = DNS_PORT;
	line = span_split(line, ' ', &mark);
	if (!address_parse(line, &server->address)) {
		struct span host = name_split(line, &rest);
		if (rest.data && !span_number(rest, 1, UINT16_MAX, &port))
			return malformed;
		if (!address_parse(host, &server->address) && !address_parse_literal(host, &server->address))
			return malformed;
	}
	server->port = (uint16_t)port;
	server->trusted = mark.data || address_is_loopback(&server->address);
	return !mark.data || span_is(mark, "trust-ad") ? NULL : "may have nothing but trust-ad after its address.";
}

static bool load_dnsservers(struct load *load)
{
	struct buf *servers = &load->config->dnsservers;
	load->contents.length = 0;
	if (!config_read(load->config, "dnsservers", &load->contents, NULL, load->failure))
		return false;
	struct span rest = {load->contents.data, load->contents.length};
	for (size_t number = 1; rest.length > 0; number++) {
		struct span line = span_trim(span_split(rest, '\n', &rest));
		struct dns_server server = {0};
		if (line.length == 0 || line.data[0] == '#')
			continue;
		const char *wrong = parse_server(line, &server);
		if (wrong)
			return config_refuse(load->failure, "dnsservers", number, wrong);
		buf_add(servers, &server, sizeof server);
	}
	return !servers->failed || config_refuse(load->failure, "dnsservers", 0, "cannot be read: out of memory.");
}

bool config_load(struct config *config, const char *home, struct report *failure)
{
	struct load load = {.config = config, .failure = failure};
	*config = (struct config){.home = home,
				  .timeout_connect = 60 * 1000,
				  .timeout_remote = 1200 * 1000,
				  .families = {{AF_INET6, AF_INET}}};
	list_files(config);
	bool loaded = load_helohost(&load) && load_seconds(&load, "timeoutconnect", &config->timeout_connect) &&
		      load_seconds(&load, "timeoutremote", &config->timeout_remote) && load_chunk_size(&load) &&
		      load_families(&load) && load_sources(&load) && load_smtproutes(&load) && load_dnsservers(&load);
	buf_free(&load.contents);
	return loaded;
}

const char *config_home(void)
{
	const char *home = getenv("QMAILHOME");
	return home && *home ? home : QMAIL_HOME;
}
