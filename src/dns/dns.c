/* SPDX-License-Identifier: ISC */
/*
 * dns - MX, A and AAAA questions; the only user of c-ares
 *
 * The DNS module, which resolve.c loads and asks.  Only the DNS counts: no search list, hosts file or environment
 * variable changes a question.  RFC 5321 section 5, RFC 7505.  All questions about one set of exchangers are sent at
 * once.
 *
 * c-ares transports the octets, by datagrams or TCP, and matches answers to questions.  answer.c decides whether a
 * message is an answer, since c-ares accepts some that are not.  Therefore this file also walks over the servers: a
 * question that one server leaves open is put to the next.
 */
#define CARES_NO_DEPRECATED 1 /* the calls of 1.18, which later versions keep */
#include "dns/dns.h"

#include "base/module.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* c-ares uses one UDP and one TCP socket at a time, and replaces them now and then. */
enum { SOCKETS_MAX = 8 };

/* Times are in milliseconds.  A server has TIMEOUT in the first round, and twice as much in each further one; c-ares
 * itself, which would repeat a question and then take only the answer to that, never gives up first. */
enum { ROUNDS = 3, TIMEOUT = 5000, TIMEOUT_CARES = TIMEOUT << ROUNDS, TIMEOUT_SECOND_FAMILY = 3000 };

struct dns {
	struct trace *trace;
	ares_channel channel;
	struct ares_addr_port_node *servers; /* c-ares's list */
	size_t server_count;
	const struct ares_addr_port_node *server; /* the one that is asked now */
	int64_t patience;                         /* how long it is waited for */
	/* SOCKETS_MAX of them.  Where the compiler sees the size of an array, fortification replaces poll(2)
	 * with a function that libfaketime, which the tests of timeouts need, does not know. */
	struct pollfd sockets[];
};

/* Makes c-ares ask this server alone, and drops the questions that are open. */
static int use_server(struct dns *dns, const struct ares_addr_port_node *server)
{
	struct ares_addr_port_node alone = *server;
	alone.next = NULL;
	dns->server = server;
	ares_cancel(dns->channel); /* c-ares does not change its servers while a question is open */
	/* The only one stays: a list of addresses has no place for the interface of a link-local one. */
	return dns->server_count > 1 ? ares_set_servers_ports(dns->channel, &alone) : ARES_SUCCESS;
}

static void close_dns(struct dns *dns)
{
	ares_destroy(dns->channel);
	ares_free_data(dns->servers);
	ares_library_cleanup();
	mem_free(dns);
}

static struct dns *open_dns(const char *servers, struct trace *trace, const char **why)
{
	char lookups[] = "b"; /* c-ares copies it */
	struct dns *dns = mem_array(1, sizeof *dns + SOCKETS_MAX * sizeof *dns->sockets);
	*why = "out of memory";
	if (!dns)
		return NULL;
	dns->trace = trace;
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
	if (status == ARES_SUCCESS && servers)
		status = ares_set_servers_ports_csv(dns->channel, servers);
	if (status == ARES_SUCCESS)
		status = ares_get_servers_ports(dns->channel, &dns->servers);
	for (const struct ares_addr_port_node *one = dns->servers; one; one = one->next)
		dns->server_count++;
	if (status == ARES_SUCCESS && dns->servers)
		status = use_server(dns, dns->servers);
	if (status == ARES_SUCCESS)
		return dns;
	*why = ares_strerror(status);
	close_dns(dns);
	return NULL;
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
	enum dns_status status;   /* DNS_NO_ANSWER while it is open */
	bool silent;              /* a server did not answer at all */
	int64_t deadline;         /* until when a server is waited for; 0 while none is asked */
	int64_t end;              /* when the question is given up, whatever happens */
};

static struct question question_for(struct dns *dns, const char *name, unsigned type)
{
	struct question question = {.dns = dns, .type = type, .status = DNS_NO_ANSWER, .end = INT64_MAX};
	name_copy(span_of(name), question.chain.names[0]);
	return question;
}

static bool is_open(const struct question *question)
{
	return question->status == DNS_NO_ANSWER && now() < question->end;
}

static void ask(struct question *question);
static void send_query(struct question *question);

/* The name that is asked about: the end of the aliases that are known. */
static const char *name_of(const struct question *question)
{
	return question->chain.names[question->chain.aliases];
}

static const char *type_text(unsigned type)
{
	return type == ns_t_mx ? "MX" : type == ns_t_a ? "A" : "AAAA";
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
	dns->trace->note(dns->trace, '*', "DNS %s %s? %s %s", name, type_text(question->type), server, what);
}

/* The same for an answer to the question about the alias with this number. */
static void tell_answer(const struct question *question, size_t first, struct span message, enum dns_status said)
{
	const struct chain *chain = &question->chain;
	char what[ANSWER_TEXT_SIZE];
	if (!trace_is_on(question->dns->trace))
		return;
	answer_explain(message, said, what);
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
		tell(question, name_of(question), ares_strerror(status));
	if (said == DNS_FOUND)
		said = question->take(question, &answer);
	if (said == DNS_ALIAS)
		ask(question);
	else
		question->status = said;
	if (said == DNS_FOUND && question->sibling)
		question->sibling->end = now() + TIMEOUT_SECOND_FAMILY;
}

static void send_query(struct question *question)
{
	ares_query(question->dns->channel, name_of(question), ns_c_in, (int)question->type, take_answer, question);
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
			tell(question, name_of(question), "does not answer in time");
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
		if (is_left(&questions[i], again))
			ask(&questions[i]);
	while ((left = time_left(questions, count)) >= 0)
		serve(dns, left);
}

/*
 * Asks all servers in turn, starting with the one that answered last, until no question is left.  If a server does not
 * answer in time, the next one is asked; there are several rounds, since datagrams get lost.
 */
static void ask_all(struct dns *dns, struct question *questions, size_t count)
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
		bool valid = name_copy(span_of(name), exchanger->name);
		exchanger->preference = (uint16_t)(record.data[0] << 8 | record.data[1]);
		question->dns->trace->note(question->dns->trace, '*', "DNS %s MX %u %s%s", name_of(question),
					   exchanger->preference, *name ? name : ".",
					   valid || !*name ? "" : " (not used: not a host name)");
		if (!valid)
			continue;
		exchangers->count++;
	}
	return root && records == 1 ? DNS_NULL_MX : DNS_FOUND;
}

static enum dns_status ask_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers)
{
	struct question question = question_for(dns, name, ns_t_mx);
	question.take = take_exchangers;
	question.context = exchangers;
	ask_all(dns, &question, 1);
	return question.status;
}

static void tell_address(const struct question *question, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	if (!trace_is_on(question->dns->trace))
		return;
	address_print(address, text);
	question->dns->trace->note(question->dns->trace, '*', "DNS %s %s %s", name_of(question),
				   type_text(question->type), text);
}

static enum dns_status take_addresses(struct question *question, struct answer *answer)
{
	struct exchanger *exchanger = question->context;
	int family = question->type == ns_t_a ? AF_INET : AF_INET6;
	struct record record;
	size_t count = 0;
	while (count < CANDIDATES_MAX && answer_next(answer, question->type, &question->chain, &record)) {
		struct address address = address_of(family, record.data);
		buf_add(&exchanger->addresses, &address, sizeof address);
		tell_address(question, &address);
		count++;
	}
	return DNS_FOUND;
}

static void ask_addresses(struct dns *dns, struct exchangers *exchangers)
{
	static const unsigned types[] = {ns_t_aaaa, ns_t_a};
	size_t count = 0;
	struct question *questions = mem_array(2 * exchangers->count, sizeof *questions);
	for (size_t i = 0; i < exchangers->count; i++) {
		struct exchanger *exchanger = &exchangers->list[i];
		exchanger->addresses.failed = exchanger->addresses.failed || !questions;
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
			exchanger->addresses.failed = true;
		if (questions[i].status == DNS_NO_ANSWER || questions[i].status == DNS_NOWHERE)
			exchanger->unknown = true;
	}
	mem_free(questions);
}

const struct dns_module qremote_module = {
	.interface = MODULE_INTERFACE,
	.open = open_dns,
	.exchangers = ask_exchangers,
	.addresses = ask_addresses,
	.close = close_dns,
};
