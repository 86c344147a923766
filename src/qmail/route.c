/* SPDX-License-Identifier: ISC */
/*
 * route - smtproutes
 *
 * config.c checks the file with it, routes.c finds routes.  A line is `domain:relay`, `domain:relay:port` or
 * `domain:relay:port:user:password`; the text after the third colon is ignored.
 */
#include "qmail/route.h"

#include <string.h>

static bool is_literal(struct span text)
{
	struct address address;
	return address_parse_literal(text, &address);
}

struct span route_trim(struct span name)
{
	if (name.length > 1 && name.data[0] != '[' && name.data[name.length - 1] == '.')
		name.length--;
	return name;
}

/* A name beyond ASCII is judged when it is looked up. */
bool route_relay_is_valid(struct span relay)
{
	return (text_is_ascii(relay) ? name_is_valid(relay) : name_is_well_formed(relay)) || is_literal(relay);
}

static const char *check_domain(struct span domain)
{
	bool suffix = domain.length > 0 && domain.data[0] == '.';
	struct span name = {domain.data + suffix, domain.length - suffix};
	if (domain.length == 0 || name_is_valid(name) || (!suffix && is_literal(domain)))
		return NULL;
	if (!text_is_ascii(name))
		return "is malformed: its domain is not in its ASCII form, which begins with xn--.";
	return "is malformed: its domain is not a domain name.";
}

/* Reads one line into the domain and the route; returns what is wrong, or NULL. */
static const char *parse_line(struct span line, struct span *domain, struct route *route)
{
	struct span rest;
	unsigned long port = SMTP_PORT;
	*domain = route_trim(name_split(line, &rest));
	const char *wrong = check_domain(*domain);
	if (wrong)
		return wrong;
	if (!rest.data)
		return "is malformed: it has no colon.";
	route->relay = route_trim(name_split(rest, &rest));
	if (route->relay.length > 0 && !route_relay_is_valid(route->relay))
		return "is malformed: its relay is neither a name nor an address.";
	struct span port_text = span_split(rest, ':', &rest);
	if (port_text.length > 0 && !span_number(port_text, 1, UINT16_MAX, &port))
		return "is malformed: its port is not a number from 1 to 65535.";
	route->port = (uint16_t)port;
	return NULL;
}

/* Whether the domain of a line matches the host. */
static bool matches(struct span domain, struct span host)
{
	if (host.length == 0)
		return false;
	if (domain.length == 0)
		return true;
	if (domain.data[0] != '.')
		return span_equal(domain, host);
	if (host.length <= domain.length)
		return false;
	return span_equal(domain, (struct span){host.data + host.length - domain.length, domain.length});
}

const char *route_find(struct span text, struct span host, struct route *route)
{
	size_t best_length = 0;
	size_t number = 0;
	*route = (struct route){.port = SMTP_PORT};
	while (text.data && text.length > 0) {
		struct span line = span_trim(span_split(text, '\n', &text));
		struct span domain;
		struct route found = {.line = ++number};
		if (line.length == 0 || line.data[0] == '#')
			continue;
		const char *wrong = parse_line(line, &domain, &found);
		if (wrong) {
			route->line = number;
			return wrong;
		}
		/* The whole host is longer than any suffix of it, and any suffix is longer than the empty domain. */
		if (matches(domain, host) && domain.length >= best_length) {
			*route = found;
			best_length = domain.length;
		}
	}
	return NULL;
}
