/* SPDX-License-Identifier: ISC */
/*
 * question - from server to server, from alias to alias; the only user of c-ares
 *
 * dns.c asks with it, in the module.  Only the DNS counts: no search list, hosts file or environment variable changes a
 * question.
 *
 * c-ares transports the octets, by datagrams or TCP, and matches answers to questions.  answer.c decides whether a
 * message is an answer, since c-ares accepts some that are not.  Therefore this file also walks over the servers: a
 * question that one server leaves open is put to the next.
 */
#define CARES_NO_DEPRECATED 1 /* the calls of 1.18, which later versions keep */
#include "dns/question.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>

/* c-ares uses one UDP and one TCP socket at a time, and replaces them now and then. */
enum { SOCKETS_MAX = 8 };

/* Times are in milliseconds.  A server has TIMEOUT in the first round, and twice as much in each further one; c-ares
 * itself, which would repeat a question and then take only the answer to that, never gives up first. */
enum { ROUNDS = 3, TIMEOUT = 5000, TIMEOUT_CARES = TIMEOUT << ROUNDS, TIMEOUT_SECOND_FAMILY = 3000 };

struct dns {
	struct trace *trace;
	const struct dns_server *known; /* those of the control file */
	size_t known_count;
	ares_channel channel;
	struct ares_addr_port_node *servers; /* c-ares's list */
	size_t server_count;
	const struct ares_addr_port_node *server; /* the one that is asked now */
	bool trusted;                             /* whether it is */
	int64_t patience;                         /* how long it is waited for */
	/* SOCKETS_MAX of them.  Where the compiler sees the size of an array, fortification replaces poll(2)
	 * with a function that libfaketime, which the tests of timeouts need, does not know. */
	struct pollfd sockets[];
};

/* Whether the control file says so of the server. */
static bool is_trusted(const struct dns *dns, const struct ares_addr_port_node *server)
{
	struct address address = address_of(server->family, &server->addr);
	for (size_t i = 0; i < dns->known_count; i++) {
		const struct dns_server *known = &dns->known[i];
		if (known->trusted && known->port == server->udp_port && address_equal(&known->address, &address))
			return true;
	}
	return false;
}

/* Makes c-ares ask this server alone, and drops the questions that are open. */
static int use_server(struct dns *dns, const struct ares_addr_port_node *server)
{
	struct ares_addr_port_node alone = *server;
	alone.next = NULL;
	dns->server = server;
	dns->trusted = is_trusted(dns, server);
	ares_cancel(dns->channel); /* c-ares does not change its servers while a question is open */
	/* The only one stays: a list of addresses has no place for the interface of a link-local one. */
	return dns->server_count > 1 ? ares_set_servers_ports(dns->channel, &alone) : ARES_SUCCESS;
}

void question_close(struct dns *dns)
{
	ares_destroy(dns->channel);
	ares_free_data(dns->servers);
	ares_library_cleanup();
	mem_free(dns);
}

/* Gives c-ares the servers of the control file. */
static int set_servers(const struct dns *dns)
{
	struct ares_addr_port_node *nodes = mem_array(dns->known_count, sizeof *nodes);
	if (!nodes)
		return ARES_ENOMEM;
	for (size_t i = 0; i < dns->known_count; i++) {
		const struct dns_server *server = &dns->known[i];
		nodes[i].next = i + 1 < dns->known_count ? &nodes[i + 1] : NULL;
		nodes[i].family = server->address.family;
		memcpy(&nodes[i].addr, server->address.octets, sizeof nodes[i].addr);
		nodes[i].udp_port = nodes[i].tcp_port = server->port;
	}
	int status = ares_set_servers_ports(dns->channel, nodes);
	mem_free(nodes);
	return status;
}

struct dns *question_open(const struct buf *servers, struct trace *trace, const char **why)
{
	char lookups[] = "b"; /* c-ares copies it */
	struct dns *dns = mem_array(1, sizeof *dns + SOCKETS_MAX * sizeof *dns->sockets);
	*why = "out of memory";
	if (!dns)
		return NULL;
	dns->trace = trace;
	dns->known = (const struct dns_server *)(const void *)servers->data;
	dns->known_count = servers->length / sizeof *dns->known;
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
				       .timeout = TIMEOUT_CARES,
				       .tries = 1,
				       .lookups = lookups};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS;
#ifdef ARES_OPT_MAXTIMEOUTMS /* without it, versions that know it give up after 5 seconds */
	options.maxtimeout = TIMEOUT_CARES;
	mask |= ARES_OPT_MAXTIMEOUTMS;
#endif
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&dns->channel, &options, mask);
	if (status == ARES_SUCCESS && dns->known_count > 0)
		status = set_servers(dns);
	if (status == ARES_SUCCESS)
		status = ares_get_servers_ports(dns->channel, &dns->servers);
	for (const struct ares_addr_port_node *one = dns->servers; one; one = one->next)
		dns->server_count++;
	if (status == ARES_SUCCESS && dns->servers)
		status = use_server(dns, dns->servers);
	if (status == ARES_SUCCESS)
		return dns;
	*why = ares_strerror(status);
	question_close(dns);
	return NULL;
}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

struct question question_for(struct dns *dns, const char *name, unsigned type)
{
	struct question question = {.dns = dns,
				    .trace = dns->trace,
				    .type = type,
				    .authentic = true,
				    .status = DNS_NO_ANSWER,
				    .end = INT64_MAX};
	name_copy(span_of(name), question.chain.names[0]);
	return question;
}

static bool is_open(const struct question *question)
{
	return question->status == DNS_NO_ANSWER && now() < question->end;
}

static void ask(struct question *question);
static void send_query(struct question *question);

const char *question_name(const struct question *question)
{
	return question->chain.names[question->chain.aliases];
}

static const char *type_of(const struct question *question)
{
	switch (question->type) {
	case ns_t_mx:
		return "MX";
	case ns_t_a:
		return "A";
	case ns_t_tlsa:
		return "TLSA";
	default:
		return "AAAA";
	}
}

/* Tells what one server said to a question about `name`, or why it said nothing. */
static void tell(const struct question *question, const char *name, const char *what)
{
	char server[ADDRESS_TEXT_SIZE];
	struct dns *dns = question->dns;
	if (!trace_is_on(dns->trace))
		return;
	struct address address = address_of(dns->server->family, &dns->server->addr);
	address_print(&address, server);
	dns->trace->note(dns->trace, '*', "DNS %s %s? %s %s", name, type_of(question), server, what);
}

/* Whether the server says, and is trusted, that the answer is authentic (RFC 4035 section 3.2.3). */
static bool is_authentic(const struct dns *dns, struct span message)
{
	return dns->trusted && answer_is_authentic(message);
}

void question_tell(const struct question *question, const char *data)
{
	struct trace *trace = question->trace;
	if (trace_is_on(trace))
		trace->note(trace, '*', "DNS %s %s %s", question_name(question), type_of(question), data);
}

/* The same for an answer to the question about the alias with this number. */
static void tell_answer(const struct question *question, size_t first, struct span message, enum dns_status said)
{
	const struct chain *chain = &question->chain;
	char what[ANSWER_TEXT_SIZE];
	if (!trace_is_on(question->dns->trace))
		return;
	answer_explain(message, said, what);
	if (is_authentic(question->dns, message))
		snprintf(what + strlen(what), sizeof what - strlen(what), ", authenticated");
	tell(question, chain->names[first], what);
	for (size_t i = first; i < chain->aliases; i++)
		question->dns->trace->note(question->dns->trace, '*', "DNS %s CNAME %s", chain->names[i],
					   chain->names[i + 1]);
}

static void take_answer(void *context, int status, int timeouts, unsigned char *octets, int length)
{
	struct question *question = context;
	struct answer answer;
	struct span message = {(const char *)octets, (size_t)length};
	size_t aliases = question->chain.aliases;
	enum dns_status said = status == ARES_ENOMEM ? DNS_NO_MEMORY : DNS_NO_ANSWER;
	(void)timeouts;
	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION || !is_open(question))
		return;
	/* c-ares 1.34 expects a server that was fast to stay so.  Here it has its whole time. */
	if (status == ARES_ETIMEOUT && now() < question->deadline) {
		send_query(question);
		return;
	}
	question->deadline = 0;
	question->silent = question->silent || !octets;
	if (octets)
		said = answer_read(&answer, message, question->type, &question->chain);
	if (octets)
		tell_answer(question, aliases, message, said);
	else
		tell(question, question_name(question), ares_strerror(status));
	if (said != DNS_NO_ANSWER && said != DNS_NO_MEMORY)
		question->authentic = question->authentic && is_authentic(question->dns, message);
	if (said == DNS_FOUND)
		said = question->take(question, &answer);
	if (said == DNS_ALIAS)
		ask(question);
	else
		question->status = said;
	if (said == DNS_FOUND && question->sibling)
		question->sibling->end = now() + TIMEOUT_SECOND_FAMILY;
}

/* Asks as well whether the answer is authentic (RFC 6840 section 5.7), as no call of c-ares 1.18 does. */
static void send_authentic_query(struct question *question)
{
	enum { FLAGS = 3, AD = 0x20 };
	unsigned char *query = NULL;
	int length = 0;
	uint16_t id = (uint16_t)now();
	if (getrandom(&id, sizeof id, GRND_NONBLOCK) < 0)
		id ^= (uint16_t)(uintptr_t)question; /* better than no question */
	int status =
		ares_create_query(question_name(question), ns_c_in, (int)question->type, id, 1, &query, &length, 0);
	if (status == ARES_SUCCESS) {
		query[FLAGS] |= AD;
		ares_send(question->dns->channel, query, length, take_answer, question);
	} else {
		tell(question, question_name(question), ares_strerror(status));
		question->deadline = 0;
		question->silent = true;
		question->status = status == ARES_ENOMEM ? DNS_NO_MEMORY : DNS_NO_ANSWER;
	}
	ares_free_string(query);
}

static void send_query(struct question *question)
{
	if (question->dns->trusted)
		send_authentic_query(question);
	else
		ares_query(question->dns->channel, question_name(question), ns_c_in, (int)question->type, take_answer,
			   question);
}

static void ask(struct question *question)
{
	question->deadline = now() + question->dns->patience;
	send_query(question);
}

/* The time until something must be done; -1 if no server is being asked. */
static int64_t time_left(struct question *questions, size_t count)
{
	int64_t time = now();
	int64_t left = -1;
	for (size_t i = 0; i < count; i++) {
		struct question *question = &questions[i];
		int64_t end = question->deadline < question->end ? question->deadline : question->end;
		if (!question->deadline)
			continue;
		if (end <= time) {
			tell(question, question_name(question), "does not answer in time");
			question->deadline = 0;
			question->silent = true;
		} else if (left < 0 || end - time < left) {
			left = end - time;
		}
	}
	return left;
}

/* Lets c-ares work if something arrives within `left` milliseconds.  Nothing else is work for it, since this file keeps
 * the time. */
static void serve(struct dns *dns, int64_t left)
{
	ares_socket_t sockets[SOCKETS_MAX];
	int wanted = ares_getsock(dns->channel, sockets, SOCKETS_MAX);
	nfds_t count = 0;
	for (; count < SOCKETS_MAX && ARES_GETSOCK_READABLE(wanted, count); count++) {
		bool writes = ARES_GETSOCK_WRITABLE(wanted, count);
		dns->sockets[count] =
			(struct pollfd){.fd = sockets[count], .events = writes ? POLLIN | POLLOUT : POLLIN};
	}
	if (poll(dns->sockets, count, (int)left) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++) {
		const struct pollfd *ready = &dns->sockets[i];
		bool readable = ready->revents & (POLLIN | POLLERR | POLLHUP);
		bool writable = ready->revents & POLLOUT;
		if (readable || writable)
			ares_process_fd(dns->channel, readable ? ready->fd : ARES_SOCKET_BAD,
					writable ? ready->fd : ARES_SOCKET_BAD);
	}
}

/* Whether a question is still to be asked; `again`, only if a server did not answer it. */
static bool is_left(const struct question *question, bool again)
{
	return is_open(question) && (!again || question->silent);
}

static bool any_is_left(const struct question *questions, size_t count, bool again)
{
	for (size_t i = 0; i < count; i++)
		if (is_left(&questions[i], again))
			return true;
	return false;
}

/* Asks one server all questions that are left. */
static void ask_server(struct dns *dns, struct question *questions, size_t count, bool again)
{
	int64_t left;
	for (size_t i = 0; i < count; i++)
		if (is_left(&questions[i], again) && (dns->trusted || !questions[i].strict))
			ask(&questions[i]);
	while ((left = time_left(questions, count)) >= 0)
		serve(dns, left);
}

/* If a server does not answer in time, the next one is asked; there are several rounds, since datagrams get lost. */
void question_ask_all(struct dns *dns, struct question *questions, size_t count)
{
	for (size_t turn = 0; turn < ROUNDS * dns->server_count; turn++) {
		bool again = turn >= dns->server_count;
		dns->patience = TIMEOUT << turn / dns->server_count;
		if (!any_is_left(questions, count, again))
			break;
		if (turn > 0 && use_server(dns, dns->server->next ? dns->server->next : dns->servers) != ARES_SUCCESS)
			break;
		ask_server(dns, questions, count, again);
	}
	ares_cancel(dns->channel); /* the questions will be freed */
}
