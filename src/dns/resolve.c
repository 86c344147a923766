/* SPDX-License-Identifier: ISC */
/*
 * resolve - from the host argument to the servers that are tried
 *
 * main.c has it read the argument, deliver.c tries the result.  First the route, then the literal, then MX, then the
 * host's own addresses (RFC 5321 section 5.1).
 */
#include "dns/resolve.h"

#include "base/conn.h"
#include "base/module.h"
#include "dns/dns.h"
#include "dns/ulabel.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

bool host_parse(struct host *host, const char *argument, struct report *failure)
{
	struct span text = span_of(argument);
	struct ulabel_failure why;
	*host = (struct host){0};
	host->literal = address_parse_literal(text, &host->address);
	if (host->literal) {
		memcpy(host->name, text.data, text.length);
		return true;
	}
	if (ulabel_copy(text, host->name, &why))
		return true;
	if (why.local)
		report_write(failure, 'Z', "4.3.0", "Qremote", why.text);
	else
		report_write(failure, 'D', "5.1.2", *argument ? argument : "An empty host",
			     *why.text ? why.text : "is neither a domain name nor an address literal.");
	return false;
}

/* The state of one search. */
struct search {
	struct destination *destination;
	const struct host *host;
	const struct config *config;
	struct trace *trace;
	const struct dns_module *module; /* these two are for the first question */
	struct dns *dns;
	struct report *failure;
};

static bool fail(const struct search *search, char letter, const char *code, const char *what)
{
	report_write(search->failure, letter, code, search->host->name, what);
	return false;
}

/* In qmail-remote's phrases, which bounce parsers match: `phrase`, the host, and `rest`. */
static bool fail_to_find(const struct search *search, char letter, const char *code, const char *phrase,
			 const char *rest)
{
	char what[NAME_SIZE + 160];
	snprintf(what, sizeof what, "%s %s%s", phrase, search->host->name, rest);
	report_write(search->failure, letter, code, "Sorry,", what);
	return false;
}

static bool fail_locally(const struct search *search, const char *what)
{
	report_write(search->failure, 'Z', "4.3.0", "Qremote", what);
	return false;
}

static bool open_dns(struct search *search)
{
	const char *why;
	char what[300];
	if (search->dns)
		return true;
	search->module = module_load("qremote-dns.so", "DNS", what, sizeof what);
	if (!search->module)
		return fail_locally(search, what);
	search->dns = search->module->open(&search->config->dnsservers, search->trace, &why);
	if (search->dns)
		return true;
	snprintf(what, sizeof what, "cannot query the DNS: %s.", why);
	return fail_locally(search, what);
}

/* The host or the relay as the only exchanger. */
static bool use_single(struct search *search, const char *name, const struct address *literal)
{
	struct exchangers *exchangers = &search->destination->exchangers;
	exchangers->list = mem_array(1, sizeof *exchangers->list);
	if (!exchangers->list)
		return fail_locally(search, "is out of memory.");
	exchangers->count = 1;
	struct exchanger *exchanger = &exchangers->list[0];
	if (literal)
		buf_add(&exchanger->addresses, literal, sizeof *literal);
	else
		snprintf(exchanger->name, sizeof exchanger->name, "%s", name);
	return true;
}

/* A relay that leads nowhere is a mistake in the file, unless a lookup failed for now. */
static bool fail_relay(const struct search *search, const char *code, const char *why)
{
	enum { SHOWN = 300 };
	const struct way *way = &search->destination->way;
	const struct route *route = &way->route;
	char where[NAME_SIZE + 64];
	char what[500];
	snprintf(where, sizeof where, "control/%s line %zu", way->file, route->line);
	snprintf(what, sizeof what, "names the relay %.*s, which %s",
		 route->relay.length < SHOWN ? (int)route->relay.length : SHOWN, route->relay.data, why);
	report_write(search->failure, 'Z', code, where, what);
	return false;
}

static bool use_relay(struct search *search)
{
	struct span relay = search->destination->way.route.relay;
	struct address address;
	struct ulabel_failure why;
	char name[NAME_SIZE];
	if (address_parse(relay, &address) || address_parse_literal(relay, &address))
		return use_single(search, NULL, &address);
	if (ulabel_copy(relay, name, &why)) {
		struct exchangers *exchangers = &search->destination->exchangers;
		exchangers->authentic = true; /* the control file says so */
		memcpy(exchangers->domain, name, sizeof name);
		return use_single(search, name, NULL);
	}
	return why.local ? fail_locally(search, why.text)
			 : fail_relay(search, "4.3.0", *why.text ? why.text : "is not a domain name.");
}

/* Random numbers that order exchangers of equal preference. */
static void draw(struct exchangers *exchangers)
{
	for (size_t i = 0; i < exchangers->count; i++)
		if (getrandom(&exchangers->list[i].draw, sizeof exchangers->list[i].draw, 0) < 0)
			return; /* without random numbers the order of the DNS must do */
}

static bool use_mx(struct search *search)
{
	struct exchangers *exchangers = &search->destination->exchangers;
	if (!open_dns(search))
		return false;
	switch (search->module->exchangers(search->dns, search->host->name, exchangers)) {
	case DNS_FOUND:
		if (exchangers->count > EXCHANGERS_MAX)
			trace_note(search->trace, '*', "only the best %d of %zu exchangers are looked up",
				   EXCHANGERS_MAX, exchangers->count);
		draw(exchangers);
		exchangers_order(exchangers);
		return true;
	case DNS_NO_DATA:
		return use_single(search, search->host->name, NULL);
	case DNS_NO_NAME:
		return fail_to_find(search, 'D', "5.1.2", "I couldn't find any host named", ".");
	case DNS_NULL_MX:
		return fail(search, 'D', "5.1.10", "does not accept mail: its MX record says so.");
	case DNS_NOWHERE:
		return fail(
			search, 'Z', "4.4.3",
			"is a DNS alias that leads to no host: its CNAMEs form a loop, are too many, or name no host.");
	case DNS_NO_MEMORY:
		return fail_locally(search, "is out of memory.");
	default:
		return fail_to_find(search, 'Z', "4.4.3",
				    "I couldn't find any host by that name:", " cannot be looked up in the DNS now.");
	}
}

static bool look_up_addresses(struct search *search)
{
	struct exchangers *exchangers = &search->destination->exchangers;
	bool named = false;
	for (size_t i = 0; i < exchangers->count; i++)
		named = named || *exchangers->list[i].name;
	if (named && !open_dns(search))
		return false;
	if (named)
		search->module->addresses(search->dns, exchangers);
	return !exchangers_failed(exchangers) || fail_locally(search, "is out of memory.");
}

static bool look_up_tlsa(struct search *search)
{
	struct destination *destination = search->destination;
	if (search->dns)
		search->module->tlsa(search->dns, &destination->exchangers, destination->way.route.port);
	return !exchangers_failed(&destination->exchangers) || fail_locally(search, "is out of memory.");
}

/* Drops this machine with those that are no better, and tells so of each. */
static bool drop_any(const struct search *search, const struct buf *own)
{
	struct exchangers *exchangers = &search->destination->exchangers;
	size_t count = exchangers->count;
	const struct exchanger *self = exchangers_drop_self(exchangers, (const struct address *)(const void *)own->data,
							    own->length / sizeof(struct address));
	for (size_t i = exchangers->count; self && i < count; i++) {
		const struct exchanger *dropped = &exchangers->list[i];
		if (dropped == self)
			trace_note(search->trace, '*', "not tried: %s is this machine",
				   *self->name ? self->name : search->host->name);
		else
			trace_note(search->trace, '*', "not tried: %s is no better than %s, which is this machine",
				   dropped->name, self->name);
	}
	return self;
}

/* RFC 5321 section 5.1: mail must not loop through this machine. */
static bool drop_self(struct search *search, bool *dropped)
{
	const struct route *route = &search->destination->way.route;
	struct buf own = {0};
	*dropped = false;
	if (route->port != SMTP_PORT || route->relay.length > 0)
		return true;
	conn_own_addresses(&own);
	bool known = !own.failed;
	if (known)
		*dropped = drop_any(search, &own);
	buf_free(&own);
	return known || fail_locally(search, "cannot list the addresses of this machine.");
}

/* What is known of the exchangers that are left. */
struct prospect {
	bool found;     /* there is an address to try */
	bool unknown;   /* a lookup failed for now */
	bool ruled_out; /* there are addresses of a family that is not used */
	bool dropped;   /* one was this machine */
};

/* Looks at the addresses of the exchangers, and tells of those that are not tried. */
static void look_around(const struct search *search, struct prospect *prospect)
{
	const struct destination *destination = search->destination;
	const struct exchangers *exchangers = &destination->exchangers;
	for (size_t i = 0; i < exchangers->count; i++) {
		const struct exchanger *exchanger = &exchangers->list[i];
		bool any = exchanger->addresses.length > 0;
		prospect->unknown = prospect->unknown || exchanger->unknown;
		if (exchanger_has_address(exchanger, destination->way.route.families)) {
			prospect->found = true;
			continue;
		}
		prospect->ruled_out = prospect->ruled_out || any;
		if (*exchanger->name && any)
			trace_note(search->trace, '*', "not tried: %s has no address that control/%s allows",
				   exchanger->name, destination->way.families_file);
		else if (*exchanger->name)
			trace_note(search->trace, '*', "not tried: %s %s", exchanger->name,
				   exchanger->unknown ? "cannot be looked up now" : "has no address");
	}
}

/* Says why there is no address to try. */
static bool fail_without_address(const struct search *search, const struct prospect *prospect)
{
	const struct way *way = &search->destination->way;
	char what[2 * NAME_SIZE];
	snprintf(what, sizeof what, "has no address that control/%s allows.", way->families_file);
	if (way->route.relay.length > 0)
		return prospect->unknown     ? fail_relay(search, "4.4.3", "cannot be looked up now.")
		       : prospect->ruled_out ? fail_relay(search, "4.3.0", what)
					     : fail_relay(search, "4.3.0", "has no address.");
	if (prospect->unknown)
		return fail_to_find(search, 'Z', "4.4.3", "I couldn't find any host by that name: no mail server of",
				    " can be looked up in the DNS now.");
	if (prospect->ruled_out) {
		snprintf(what, sizeof what, "allows no address of %s.", search->host->name);
		return config_refuse(search->failure, way->families_file, 0, what);
	}
	if (prospect->dropped) {
		snprintf(what, sizeof what, "%s is not in control/locals, so I do not treat it as local.",
			 search->host->name);
		report_write(search->failure, 'D', "5.4.6",
			     "Sorry. Although I'm listed as a best-preference MX or A for that host,", what);
		return false;
	}
	return fail_to_find(search, 'D', "5.4.4", "I couldn't find a mail exchanger or IP address for", ".");
}

/* Tells which control file says where mail for the host goes. */
static void tell_way(const struct search *search)
{
	const struct way *way = &search->destination->way;
	const struct span relay = way->route.relay;
	if (*way->file)
		trace_note(search->trace, '*', "control/%s line %zu applies: %s%.*s, port %u", way->file,
			   way->route.line, relay.length > 0 ? "relay " : "no relay", (int)relay.length, relay.data,
			   way->route.port);
}

static bool run(struct search *search)
{
	struct way *way = &search->destination->way;
	struct prospect prospect = {0};
	bool found;
	if (!routes_find(way, search->host->name, search->config, search->failure))
		return false;
	tell_way(search);
	if (way->route.relay.length > 0)
		found = use_relay(search);
	else if (search->host->literal)
		found = use_single(search, NULL, &search->host->address);
	else
		found = use_mx(search);
	if (!found || !look_up_addresses(search) || !drop_self(search, &prospect.dropped) || !look_up_tlsa(search))
		return false;
	look_around(search, &prospect);
	return prospect.found || fail_without_address(search, &prospect);
}

bool resolve_host(struct destination *destination, const struct host *host, const struct config *config,
		  struct trace *trace, struct report *failure)
{
	struct search search = {
		.destination = destination, .host = host, .config = config, .trace = trace, .failure = failure};
	*destination = (struct destination){0};
	bool found = run(&search);
	if (search.dns)
		search.module->close(search.dns);
	return found;
}
