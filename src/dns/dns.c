/* SPDX-License-Identifier: ISC */
/*
 * dns - MX, A and AAAA questions; the only user of c-ares
 *
 * resolve.c asks.  Only the DNS counts: no search list, hosts file or environment variable changes a question.  RFC
 * 5321 section 5, RFC 7505.  All questions about one set of exchangers are sent at once.
 *
 * c-ares transports the octets, by datagrams or TCP, and matches answers to questions.  answer.c decides whether a
 * message is an answer, since c-ares accepts some that are not.  Therefore this file also walks over the servers: a
 * question that one server leaves open is put to the next.
 */
#define CARES_NO_DEPRECATED 1 /* the calls of 1.18, which later versions keep */
#include "dns/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* c-ares uses one UDP and one TCP socket at a time, and replaces them now and then. */
enum { SOCKETS_MAX = 64 };

/* Times are in milliseconds.  A server has TIMEOUT in the first round, and twice as much in each further one; c-ares
 * itself, which would repeat a question and then take only the answer to that, never gives up first. */
enum { ROUNDS = 3, TIMEOUT = 5000, TIMEOUT_CARES = TIMEOUT << ROUNDS, TIMEOUT_SECOND_FAMILY = 3000 };

struct dns {
	ares_channel channel;
	struct pollfd sockets[SOCKETS_MAX];
	/* A copy for poll(2), on the heap: where the compiler sees the size of an array, fortification replaces
	 * poll(2) with a function that libfaketime, which the tests of timeouts need, does not know. */
	struct pollfd *ready;
	nfds_t socket_count;
	struct ares_addr_port_node *servers; /* c-ares's list; `server` is the number of the one that is asked now */
	size_t server_count;
	size_t server;
};

/* c-ares calls this with a socket and the events that it waits for. */
static void note_socket(void *context, ares_socket_t descriptor, int readable, int writable)
{
	struct dns *dns = context;
	nfds_t i = 0;
	while (i < dns->socket_count && dns->sockets[i].fd != descriptor)
		i++;
	if (!readable && !writable) {
		if (i < dns->socket_count)
			dns->sockets[i] = dns->sockets[--dns->socket_count];
		return;
	}
	if (i == SOCKETS_MAX)
		return; /* its questions will time out */
	if (i == dns->socket_count)
		dns->socket_count++;
	short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	dns->sockets[i] = (struct pollfd){.fd = descriptor, .events = events};
}

static void release(struct dns *dns)
{
	if (dns->servers)
		ares_free_data(dns->servers);
	mem_free(dns->ready);
	mem_free(dns);
}

static struct dns *allocate(void)
{
	struct dns *dns = mem_array(1, sizeof *dns);
	if (!dns)
		return NULL;
	dns->ready = mem_array(SOCKETS_MAX, sizeof *dns->ready);
	if (dns->ready)
		return dns;
	release(dns);
	return NULL;
}

/*
 * Makes c-ares ask one of the servers, and drops the questions that are open.  The server is forgotten first, since
 * c-ares (1.34) expects one that was fast to stay so, and gives up after a fraction of a second.  The only one is kept
 * by a new channel: a list of addresses has no place for the interface of a link-local one.
 */
static int use_server(struct dns *dns, size_t number)
{
	dns->server = number;
	ares_cancel(dns->channel); /* c-ares does not change its servers while a question is open */
	if (dns->server_count < 2) {
		ares_channel fresh;
		int status = ares_dup(&fresh, dns->channel);
		if (status == ARES_SUCCESS) {
			ares_destroy(dns->channel);
			dns->channel = fresh;
		}
		return status;
	}
	ares_set_servers_ports(dns->channel, NULL);
	const struct ares_addr_port_node *server = dns->servers;
	while (number-- > 0)
		server = server->next;
	struct ares_addr_port_node alone = *server;
	alone.next = NULL;
	return ares_set_servers_ports(dns->channel, &alone);
}

struct dns *dns_open(const char *servers, const char **why)
{
	char lookups[] = "b"; /* c-ares copies it */
	struct dns *dns = allocate();
	*why = "out of memory";
	if (!dns)
		return NULL;
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
				       .timeout = TIMEOUT_CARES,
				       .tries = 1,
				       .lookups = lookups,
				       .sock_state_cb = note_socket,
				       .sock_state_cb_data = dns};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
		   ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_MAXTIMEOUTMS /* without it, versions that know it give up after 5 seconds */
	options.maxtimeout = TIMEOUT_CARES;
	mask |= ARES_OPT_MAXTIMEOUTMS;
#endif
	unsetenv("LOCALDOMAIN");
	unsetenv("RES_OPTIONS");
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&dns->channel, &options, mask);
	if (status != ARES_SUCCESS) {
		*why = ares_strerror(status);
		release(dns);
		return NULL;
	}
	if (servers)
		status = ares_set_servers_ports_csv(dns->channel, servers);
	if (status == ARES_SUCCESS)
		status = ares_get_servers_ports(dns->channel, &dns->servers);
	for (const struct ares_addr_port_node *one = dns->servers; one; one = one->next)
		dns->server_count++;
	if (status == ARES_SUCCESS && dns->server_count > 1)
		status = use_server(dns, 0);
	if (status != ARES_SUCCESS) {
		*why = ares_strerror(status);
		dns_close(dns);
		return NULL;
	}
	return dns;
}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A question for the records of one type, and its result. */
struct question {
	struct dns *dns;
	struct chain chain;
	unsigned type;
	/* Takes the records of an answer. */
	enum dns_status (*take)(struct question *question, struct answer *answer);
	void *context;
	struct question *sibling; /* the one for the other family of the same exchanger */
	enum dns_status status;
	bool open;
	bool silent;      /* a server did not answer at all */
	int64_t patience; /* how long to wait for a server */
	int64_t deadline; /* the end of that wait; 0 while no server is asked */
	int64_t end;      /* when the question is given up; 0: when all servers were asked */
};

static struct question question_for(struct dns *dns, const char *name, unsigned type)
{
	struct question question = {.dns = dns, .type = type, .open = true, .status = DNS_NO_ANSWER};
	name_copy(span_of(name), question.chain.names[0]);
	return question;
}

static void set_end(struct question *question, int64_t end)
{
	question->end = end;
	if (question->deadline > end)
		question->deadline = end;
}

static void finish(struct question *question, enum dns_status status)
{
	question->open = false;
	question->status = status;
	if (status == DNS_FOUND && question->sibling)
		set_end(question->sibling, now() + TIMEOUT_SECOND_FAMILY);
}

static void ask(struct question *question);

static void take_answer(void *context, int status, int timeouts, unsigned char *octets, int length)
{
	struct question *question = context;
	struct answer answer;
	enum dns_status said = status == ARES_ENOMEM ? DNS_NO_MEMORY : DNS_NO_ANSWER;
	(void)timeouts;
	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION || !question->open)
		return;
	question->deadline = 0;
	question->silent = question->silent || !octets;
	if (octets)
		said = answer_read(&answer, (struct span){(const char *)octets, (size_t)length}, question->type,
				   &question->chain);
	if (said == DNS_FOUND)
		said = question->take(question, &answer);
	if (said == DNS_ALIAS)
		ask(question);
	else if (said != DNS_NO_ANSWER)
		finish(question, said);
}

static void ask(struct question *question)
{
	question->deadline = now() + question->patience;
	if (question->end)
		set_end(question, question->end);
	ares_query(question->dns->channel, question->chain.names[question->chain.aliases], ns_c_in, (int)question->type,
		   take_answer, question);
}

/* The time until something must be done; -1 if no server is being asked. */
static int64_t time_left(struct question *questions, size_t count)
{
	int64_t time = now();
	int64_t left = -1;
	for (size_t i = 0; i < count; i++) {
		struct question *question = &questions[i];
		if (!question->open || !question->deadline)
			continue;
		if (question->deadline > time) {
			if (left < 0 || question->deadline - time < left)
				left = question->deadline - time;
			continue;
		}
		question->deadline = 0;
		question->silent = true;
		question->open = !question->end || question->end > time;
	}
	return left;
}

/* Lets c-ares work for at most `left` milliseconds. */
static void serve(struct dns *dns, int64_t left)
{
	struct timeval most = {left / 1000, left % 1000 * 1000};
	struct timeval until;
	struct pollfd *ready = dns->ready;
	nfds_t count = dns->socket_count;
	const struct timeval *timeout = ares_timeout(dns->channel, &most, &until);
	memcpy(ready, dns->sockets, count * sizeof *ready); /* c-ares may change the list meanwhile */
	int events = poll(ready, count, (int)(timeout->tv_sec * 1000 + timeout->tv_usec / 1000 + 1));
	if (events <= 0)
		ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (nfds_t i = 0; events > 0 && i < count; i++) {
		bool readable = ready[i].revents & (POLLIN | POLLERR | POLLHUP);
		bool writable = ready[i].revents & POLLOUT;
		if (readable || writable)
			ares_process_fd(dns->channel, readable ? ready[i].fd : ARES_SOCKET_BAD,
					writable ? ready[i].fd : ARES_SOCKET_BAD);
	}
}

/* Asks one server all open questions; with `again`, only those that a server did not answer.  Returns whether there
 * were any. */
static bool ask_server(struct question *questions, size_t count, int64_t patience, bool again)
{
	int64_t left;
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		struct question *question = &questions[i];
		if (!question->open || (again && !question->silent))
			continue;
		any = true;
		question->patience = patience;
		ask(question);
	}
	while ((left = time_left(questions, count)) >= 0)
		serve(questions->dns, left);
	return any;
}

/*
 * Asks all servers in turn, starting with the one that answered last, until no question is open.  If a server does not
 * answer in time, the next one is asked; there are several rounds, since datagrams get lost.
 */
static void ask_all(struct dns *dns, struct question *questions, size_t count)
{
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < dns->server_count; i++) {
			if (!ask_server(questions, count, TIMEOUT << round, round > 0))
				break;
			bool open = false;
			for (size_t j = 0; j < count; j++)
				open = open || questions[j].open;
			if (open && use_server(dns, (dns->server + 1) % dns->server_count) != ARES_SUCCESS)
				break;
		}
	}
	ares_cancel(dns->channel); /* the questions will be freed */
}

static enum dns_status take_exchangers(struct question *question, struct answer *answer)
{
	struct exchangers *exchangers = question->context;
	struct record record;
	char name[NS_MAXDNAME];
	size_t records = 0;
	bool root = false;
	exchangers->list = mem_array(answer->count, sizeof *exchangers->list);
	if (!exchangers->list)
		return DNS_NO_MEMORY;
	while (answer_next(answer, question->type, &question->chain, &record)) {
		struct exchanger *exchanger = &exchangers->list[exchangers->count];
		answer_name(answer, &record, name);
		records++;
		root = root || !*name;
		if (!name_copy(span_of(name), exchanger->name))
			continue;
		exchanger->preference = (uint16_t)(record.data[0] << 8 | record.data[1]);
		exchangers->count++;
	}
	return root && records == 1 ? DNS_NULL_MX : DNS_FOUND;
}

enum dns_status dns_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers)
{
	struct question question = question_for(dns, name, ns_t_mx);
	question.take = take_exchangers;
	question.context = exchangers;
	ask_all(dns, &question, 1);
	return question.status;
}

static enum dns_status take_addresses(struct question *question, struct answer *answer)
{
	struct exchanger *exchanger = question->context;
	bool ipv4 = question->type == ns_t_a;
	struct record record;
	size_t count = 0;
	while (count < CANDIDATES_MAX && answer_next(answer, question->type, &question->chain, &record)) {
		struct address address = address_of(ipv4 ? AF_INET : AF_INET6, record.data);
		buf_add(ipv4 ? &exchanger->ipv4 : &exchanger->ipv6, &address, sizeof address);
		count++;
	}
	return DNS_FOUND;
}

void dns_addresses(struct dns *dns, struct exchangers *exchangers)
{
	static const unsigned types[] = {ns_t_aaaa, ns_t_a};
	size_t count = 0;
	struct question *questions = mem_array(2 * exchangers->count, sizeof *questions);
	for (size_t i = 0; i < exchangers->count; i++) {
		struct exchanger *exchanger = &exchangers->list[i];
		exchanger->ipv4.failed = exchanger->ipv4.failed || !questions;
		for (size_t j = 0; j < 2 && questions && *exchanger->name && !exchanger->unknown; j++) {
			struct question *question = &questions[count++];
			*question = question_for(dns, exchanger->name, types[j]);
			question->take = take_addresses;
			question->context = exchanger;
			question->sibling = j == 0 ? question + 1 : question - 1;
		}
	}
	ask_all(dns, questions, count);
	for (size_t i = 0; i < count; i++) {
		struct exchanger *exchanger = questions[i].context;
		if (questions[i].status == DNS_NO_MEMORY)
			exchanger->ipv4.failed = true;
		if (questions[i].status == DNS_NO_ANSWER || questions[i].status == DNS_NOWHERE)
			exchanger->unknown = true;
	}
	mem_free(questions);
}

void dns_close(struct dns *dns)
{
	if (!dns)
		return;
	ares_destroy(dns->channel);
	ares_library_cleanup();
	release(dns);
}
