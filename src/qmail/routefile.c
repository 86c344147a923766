/* SPDX-License-Identifier: ISC */
/*
 * routefile - a file of smtproutes.d: lines of `key=value`
 *
 * routes.c reads the one that is for the host.  What is said about a malformed line never holds anything of it.
 */
#include "qmail/routefile.h"

#include <string.h>
#include <sys/socket.h>

static const char *take_relay(struct route *route, struct span value)
{
	struct address address;
	route->relay = route_trim(value);
	return route_relay_is_valid(route->relay) || address_parse(value, &address)
		       ? NULL
		       : "is malformed: the relay is neither a name nor an address.";
}

static const char *take_port(struct route *route, struct span value)
{
	unsigned long port;
	if (!span_number(value, 1, UINT16_MAX, &port))
		return "is malformed: the port is not a number from 1 to 65535.";
	route->port = (uint16_t)port;
	return NULL;
}

static const char *take_clientcert(struct route *route, struct span value)
{
	route->clientcert = value;
	if (value.length >= NAME_SIZE || *value.data == '/' || memmem(value.data, value.length, "..", 2))
		return "is malformed: clientcert is not the name of a file in the directory of the control files.";
	return NULL;
}

static const char *take_outgoingip(struct route *route, struct span value)
{
	return address_parse_family(value, AF_INET, &route->sources.ipv4)
		       ? NULL
		       : "is malformed: outgoingip must be an IPv4 address.";
}

static const char *take_outgoingip6(struct route *route, struct span value)
{
	return address_parse_family(value, AF_INET6, &route->sources.ipv6)
		       ? NULL
		       : "is malformed: outgoingip6 must be an IPv6 address.";
}

static const char *take_families(struct route *route, struct span value)
{
	return families_parse(value, &route->families)
		       ? NULL
		       : "is malformed: families must be ipv4, ipv6, ipv4,ipv6 or ipv6,ipv4.";
}

static const char *take_tls(struct route *route, struct span value)
{
	static const char *const words[] = {"may", "must", "verify", "off"};
	for (int i = 0; i < 4; i++) {
		route->tls = (enum route_tls)i;
		if (span_is(value, words[i]))
			return NULL;
	}
	return "is malformed: tls must be may, must, verify or off.";
}

static const char *take_ignore(struct route *route, struct span value)
{
	while (value.data) {
		struct span word = span_split(value, ',', &value);
		if (!ehlo_add(&route->ignored, word) && !ehlo_add_mechanism(&route->ignored, word))
			return "is malformed: it ignores what is no known extension or mechanism.";
	}
	return NULL;
}

static const char *take_secret(struct span *secret, struct span value)
{
	enum { SECRET_MAX = 1000 }; /* octets, so that responses have less than the 12,288 of RFC 4954 section 4 */
	*secret = value;
	return value.length > SECRET_MAX ? "is malformed: it is longer than 1000 octets." : NULL;
}

static const char *take_user(struct route *route, struct span value)
{
	return take_secret(&route->user, value);
}

static const char *take_password(struct route *route, struct span value)
{
	return take_secret(&route->password, value);
}

static const struct {
	const char *name;
	/* Takes the value; returns what is wrong with it, or NULL. */
	const char *(*take)(struct route *route, struct span value);
} keys[] = {
	{"relay", take_relay},
	{"port", take_port},
	{"clientcert", take_clientcert},
	{"outgoingip", take_outgoingip},
	{"outgoingip6", take_outgoingip6},
	{"families", take_families},
	{"tls", take_tls},
	{"ignore", take_ignore},
	{"user", take_user},
	{"password", take_password},
};

enum { RELAY, KEYS = sizeof keys / sizeof *keys, IGNORE = KEYS - 3, USER, PASSWORD };

/* Reads one line; `lines` has the number of each key's line, 0 where there was none before. */
static const char *take_line(struct route *route, struct span line, size_t lines[KEYS])
{
	struct span value;
	struct span name = span_split(line, '=', &value);
	size_t key = 0;
	if (!text_is_plain(line))
		return "is malformed: it has control characters, or is not UTF-8.";
	if (!value.data)
		return "is malformed: it has no equals sign.";
	while (key < KEYS && !span_is(name, keys[key].name))
		key++;
	if (key == KEYS)
		return "is malformed: the key is unknown.";
	if (lines[key] > 0)
		return "is malformed: the key occurs for the second time.";
	if (value.length == 0)
		return "is malformed: the key has no value.";
	lines[key] = route->line;
	return keys[key].take(route, value);
}

/* What the keys mean together; what is wrong is told of the line that `route` is left at. */
static const char *conclude(struct route *route, const size_t lines[KEYS])
{
	bool secret = lines[PASSWORD] > 0;
	route->line = lines[USER] + lines[PASSWORD];
	if (secret != (lines[USER] > 0))
		return "is malformed: neither user nor password can be without the other.";
	route->line = lines[PASSWORD];
	if (secret && lines[RELAY] == 0)
		return "is malformed: a password is for a relay, and none is named.";
	route->line = lines[IGNORE];
	if (route->ignored.starttls && (route->tls == ROUTE_TLS_MUST || route->tls == ROUTE_TLS_VERIFY))
		return "is malformed: it ignores STARTTLS, without which nothing may be sent.";
	if (route->ignored.starttls && secret && route->tls != ROUTE_TLS_OFF)
		return "is malformed: it ignores STARTTLS, and only tls=off lets a password go in the clear.";
	if (route->ignored.starttls)
		route->tls = ROUTE_TLS_OFF;
	if (secret && route->tls == ROUTE_TLS_MAY)
		route->tls = ROUTE_TLS_MUST;
	route->ignored.starttls = false; /* a file in tlshosts counts more than this one */
	route->line = lines[RELAY] > 0 ? lines[RELAY] : 1;
	return NULL;
}

const char *routefile_read(struct span text, struct route *route)
{
	size_t lines[KEYS] = {0};
	*route = (struct route){.port = SMTP_PORT};
	while (text.data && text.length > 0) {
		struct span line = span_trim(span_split(text, '\n', &text));
		route->line++;
		const char *wrong = line.length == 0 || line.data[0] == '#' ? NULL : take_line(route, line, lines);
		if (wrong)
			return wrong;
	}
	return conclude(route, lines);
}
