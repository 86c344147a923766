/* SPDX-License-Identifier: ISC */
/*
 * control - the control files: src/qmail/config.c, src/qmail/route.c, src/qmail/routefile.c
 *
 * The input is the files in the order below, a host that is looked up in smtproutes, and a file of smtproutes.d; the
 * octet 0xff ends each.
 */
#include "common.h"

#include "base/address.h"
#include "qmail/config.h"
#include "qmail/routefile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = {
	"helohost",   "me",         "timeoutconnect", "timeoutremote", "chunksizeremote",
	"dnsservers", "outgoingip", "outgoingip6",    "families",      "smtproutes",
};
enum { FILES = sizeof files / sizeof *files };

static char home[4096];
static int descriptors[FILES];

static void remove_home(void)
{
	char path[sizeof home + 64];
	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/control/%s", home, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/control", home);
	rmdir(path);
	rmdir(home);
}

/* A qmail home of this process. */
static void make_home(void)
{
	char path[sizeof home + 64];
	const char *directory = getenv("TMPDIR");
	snprintf(home, sizeof home, "%s/fuzz-control-XXXXXX", directory ? directory : "/tmp");
	MUST(mkdtemp(home));
	atexit(remove_home);
	snprintf(path, sizeof path, "%s/control", home);
	MUST(mkdir(path, 0700) == 0);
	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/control/%s", home, files[i]);
		descriptors[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		MUST(descriptors[i] >= 0);
	}
}

static void write_files(struct input *input)
{
	for (size_t i = 0; i < FILES; i++) {
		struct span contents = input_octets(input);
		MUST(ftruncate(descriptors[i], 0) == 0);
		MUST(pwrite(descriptors[i], contents.data, contents.length, 0) == (ssize_t)contents.length);
		free((void *)contents.data);
	}
}

static void check_servers(const struct buf *servers)
{
	const struct dns_server *list = (const struct dns_server *)(const void *)servers->data;
	for (size_t i = 0; i < servers->length / sizeof *list; i++) {
		MUST(list[i].address.family == AF_INET || list[i].address.family == AF_INET6);
		MUST(list[i].port > 0);
		MUST(list[i].trusted || !address_is_loopback(&list[i].address));
	}
}

static void check_config(const struct config *config)
{
	MUST(name_is_valid(span_of(config->helohost)) || address_is_smtp_literal(span_of(config->helohost)));
	MUST(config->timeout_connect >= 1000 && config->timeout_connect <= 999999999000);
	MUST(config->timeout_remote >= 1000 && config->timeout_remote <= 999999999000);
	MUST(config->sources.ipv4.family == 0 || config->sources.ipv4.family == AF_INET);
	MUST(config->sources.ipv6.family == 0 || config->sources.ipv6.family == AF_INET6);
	MUST(config->families.order[0] != config->families.order[1] && config->families.order[0] != 0);
	check_servers(&config->dnsservers);
}

/* Whether the line is for the host: its domain is the host, or a suffix of it that begins with a dot, or empty. */
static bool is_for(struct span line, struct span host)
{
	struct span rest;
	struct span domain = name_split(line, &rest);
	if (domain.length > 1 && *domain.data != '[' && domain.data[domain.length - 1] == '.')
		domain.length--;
	bool suffix = domain.length > 0 && *domain.data == '.' && host.length > domain.length;
	struct span tail = {suffix ? host.data + host.length - domain.length : host.data,
			    suffix ? domain.length : host.length};
	return domain.length == 0 || span_equal(domain, tail);
}

static bool is_within(struct span part, struct span whole)
{
	return part.length == 0 || (part.data > whole.data && part.data + part.length <= whole.data + whole.length);
}

/* Every line was read before, so that none is wrong now; and the route is a line for the host. */
static void check_route(struct span routes, struct span host)
{
	struct route route;
	char name[NAME_SIZE];
	if (!name_copy(host, name))
		return;
	MUST(route_find(routes, span_of(name), &route) == NULL);
	MUST(route.port > 0);
	struct span line = {NULL, 0};
	for (size_t number = 1; number <= route.line; number++)
		line = span_split(routes, '\n', &routes);
	MUST(route.line == 0 || is_for(line, span_of(name)));
	MUST(is_within(route.relay, line));
}

/* What it says points into it, and can be used. */
static void check_routefile(struct span file)
{
	struct route route;
	struct address address;
	const char *wrong = routefile_read(file, &route);
	MUST(route.line > 0);
	if (wrong) {
		MUST(strncmp(wrong, "is malformed: ", 14) == 0);
		return;
	}
	MUST(route.port > 0);
	MUST(is_within(route.relay, file) && is_within(route.clientcert, file));
	MUST(route.relay.length == 0 || route_relay_is_valid(route.relay) || address_parse(route.relay, &address));
	MUST(route.clientcert.length < NAME_SIZE && text_is_plain(route.clientcert));
	MUST(route.clientcert.length == 0 || !memmem(route.clientcert.data, route.clientcert.length, "..", 2));
	MUST(route.sources.ipv4.family == 0 || route.sources.ipv4.family == AF_INET);
	MUST(route.sources.ipv6.family == 0 || route.sources.ipv6.family == AF_INET6);
	MUST(!route.ignored.starttls);
	MUST(is_within(route.user, file) && is_within(route.password, file));
	MUST((route.user.length > 0) == (route.password.length > 0));
	MUST(route.password.length == 0 || (route.relay.length > 0 && route.tls != ROUTE_TLS_MAY));
}

static void check_failure(const struct report *failure)
{
	struct span text = {failure->text.data, failure->text.length};
	MUST(failure->letter == 'Z' && strcmp(failure->code, "4.3.0") == 0);
	MUST(text.length > 8 && memcmp(text.data, "control/", 8) == 0 && text.data[text.length - 1] == '\n');
	MUST(is_printable(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_of(data, size);
	struct config config;
	struct report failure = {0};
	if (!*home)
		make_home();
	write_files(&input);
	struct span host = input_octets(&input);
	struct span file = input_octets(&input);
	check_routefile(file);
	if (config_load(&config, home, &failure)) {
		struct span routes = copy_of((struct span){config.smtproutes.data, config.smtproutes.length});
		MUST(failure.letter == '\0');
		check_config(&config);
		check_route(routes, host);
		free((void *)routes.data);
	} else {
		check_failure(&failure);
	}
	free((void *)host.data);
	buf_free(&config.entries);
	free((void *)file.data);
	buf_free(&config.smtproutes);
	buf_free(&config.dnsservers);
	report_free(&failure);
	return 0;
}
