/*
 * dns - MX, A and AAAA questions; the only user of c-ares
 *
 * resolve.c asks.  DNS means DNS here: no search list, no hosts file, no variable of the environment changes a
 * question. RFC 5321 section 5, RFC 7505.  All questions about one set of exchangers are in flight at once.
 */
#define CARES_NO_DEPRECATED 1 /* the calls of 1.18, which later versions keep */
#include "dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* One UDP and one TCP socket for each server: room for more servers than anybody has. */
enum { SOCKETS_MAX = 64, TIMEOUT_FIRST = 5000, TRIES = 3 };

struct dns {
	ares_channel channel;
	struct pollfd sockets[SOCKETS_MAX];
	/* The copy that poll(2) works on.  Allocated: fortification turns poll(2) into another function where it sees
	 * the size of the array, and libfaketime, which the tests of timeouts need, does not know that one. */
	struct pollfd *ready;
	nfds_t socket_count;
	size_t unanswered;
};

/* c-ares tells which of its sockets wait for what. */
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
		return; /* its questions run into their timeout */
	if (i == dns->socket_count)
		dns->socket_count++;
	short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	dns->sockets[i] = (struct pollfd){.fd = descriptor, .events = events};
}

static void release(struct dns *dns)
{
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

struct dns *dns_open(const char *servers, const char **why)
{
	char lookups[] = "b"; /* c-ares copies it */
	struct dns *dns = allocate();
	*why = "out of memory";
	if (!dns)
		return NULL;
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
				       .timeout = TIMEOUT_FIRST,
				       .tries = TRIES,
				       .lookups = lookups,
				       .sock_state_cb = note_socket,
				       .sock_state_cb_data = dns};
	unsetenv("LOCALDOMAIN");
	unsetenv("RES_OPTIONS");
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&dns->channel, &options,
					   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
						   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS) {
		*why = ares_strerror(status);
		release(dns);
		return NULL;
	}
	if (servers)
		status = ares_set_servers_ports_csv(dns->channel, servers);
	if (status != ARES_SUCCESS) {
		*why = ares_strerror(status);
		dns_close(dns);
		return NULL;
	}
	return dns;
}

/* Serves c-ares until every question is answered or given up. */
static void wait_for_answers(struct dns *dns)
{
	while (dns->unanswered > 0) {
		struct timeval until;
		struct pollfd *ready = dns->ready;
		nfds_t count = dns->socket_count;
		int timeout = -1;
		if (ares_timeout(dns->channel, NULL, &until))
			timeout = (int)(until.tv_sec * 1000 + until.tv_usec / 1000 + 1);
		memcpy(ready, dns->sockets, count * sizeof *ready); /* c-ares changes the list as it goes */
		int events = poll(ready, count, timeout);
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
}

/* A server that neither has authority nor asks others knows nothing: its empty answer is no answer. */
static bool is_lame(const unsigned char *answer, int length)
{
	enum { HEADER = 12, AUTHORITATIVE = 0x04, RECURSION = 0x80 };
	return length < HEADER || (!(answer[2] & AUTHORITATIVE) && !(answer[3] & RECURSION));
}

static enum dns_status status_of(int status, const unsigned char *answer, int length)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_FOUND;
	case ARES_ENODATA:
		return answer && !is_lame(answer, length) ? DNS_NO_DATA : DNS_TEMPORARY;
	case ARES_ENOTFOUND:
		return DNS_NO_NAME;
	case ARES_ENOMEM:
		return DNS_NO_MEMORY;
	default:
		return DNS_TEMPORARY;
	}
}

/* A question for MX records, and what becomes of it. */
struct mx_question {
	struct dns *dns;
	struct exchangers *exchangers;
	bool *null_mx;
	enum dns_status status;
};

static bool is_root(const char *name)
{
	return *name == '\0' || strcmp(name, ".") == 0;
}

static enum dns_status collect_exchangers(struct mx_question *question, const struct ares_mx_reply *list)
{
	struct exchangers *exchangers = question->exchangers;
	size_t count = 0;
	for (const struct ares_mx_reply *one = list; one; one = one->next)
		count++;
	exchangers->list = mem_array(count, sizeof *exchangers->list);
	if (!exchangers->list)
		return DNS_NO_MEMORY;
	*question->null_mx = count == 1 && is_root(list->host);
	for (const struct ares_mx_reply *one = list; one; one = one->next) {
		if (is_root(one->host))
			continue;
		struct exchanger *exchanger = &exchangers->list[exchangers->count++];
		exchanger->preference = one->priority;
		name_copy(span_of(one->host), exchanger->name);
	}
	return DNS_FOUND;
}

static void take_exchangers(void *context, int status, int timeouts, unsigned char *answer, int length)
{
	struct mx_question *question = context;
	struct ares_mx_reply *list = NULL;
	(void)timeouts;
	question->dns->unanswered--;
	if (status == ARES_SUCCESS)
		status = ares_parse_mx_reply(answer, length, &list);
	if (status == ARES_SUCCESS && !list)
		status = ARES_ENODATA; /* an alias whose target has no MX records */
	question->status = status_of(status, answer, length);
	if (question->status == DNS_FOUND)
		question->status = collect_exchangers(question, list);
	if (list)
		ares_free_data(list);
}

enum dns_status dns_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers, bool *null_mx)
{
	struct mx_question question = {dns, exchangers, null_mx, DNS_TEMPORARY};
	*null_mx = false;
	dns->unanswered++;
	ares_query(dns->channel, name, ns_c_in, ns_t_mx, take_exchangers, &question);
	wait_for_answers(dns);
	return question.status;
}

/* A question for the addresses of one exchanger in one family. */
struct address_question {
	struct dns *dns;
	struct exchanger *exchanger;
	int family;
};

/* Reads the addresses of an answer: ARES_SUCCESS, and how many in `count`, or what is wrong. */
static int parse_addresses(int family, const unsigned char *answer, int length, struct address found[CANDIDATES_MAX],
			   int *count)
{
	struct ares_addrttl ipv4[CANDIDATES_MAX];
	struct ares_addr6ttl ipv6[CANDIDATES_MAX];
	int status;
	*count = CANDIDATES_MAX;
	if (family == AF_INET)
		status = ares_parse_a_reply(answer, length, NULL, ipv4, count);
	else
		status = ares_parse_aaaa_reply(answer, length, NULL, ipv6, count);
	for (int i = 0; status == ARES_SUCCESS && i < *count; i++)
		found[i] = address_of(family, family == AF_INET ? (void *)&ipv4[i].ipaddr : (void *)&ipv6[i].ip6addr);
	return status;
}

static void take_addresses(void *context, int status, int timeouts, unsigned char *answer, int length)
{
	const struct address_question *question = context;
	struct exchanger *exchanger = question->exchanger;
	struct buf *addresses = question->family == AF_INET ? &exchanger->ipv4 : &exchanger->ipv6;
	struct address found[CANDIDATES_MAX];
	int count = 0;
	(void)timeouts;
	question->dns->unanswered--;
	if (status == ARES_SUCCESS)
		status = parse_addresses(question->family, answer, length, found, &count);
	enum dns_status end = status_of(status, answer, length);
	if (end == DNS_TEMPORARY)
		exchanger->unknown = true;
	if (end == DNS_NO_MEMORY)
		addresses->failed = true;
	if (end == DNS_FOUND)
		buf_add(addresses, found, (size_t)count * sizeof *found);
}

void dns_addresses(struct dns *dns, struct exchangers *exchangers)
{
	static const struct {
		int type;
		int family;
	} kinds[] = {{ns_t_aaaa, AF_INET6}, {ns_t_a, AF_INET}};
	struct address_question questions[EXCHANGERS_MAX][2];
	for (size_t i = 0; i < exchangers->count; i++) {
		struct exchanger *exchanger = &exchangers->list[i];
		for (size_t kind = 0; kind < 2 && *exchanger->name; kind++) {
			questions[i][kind] = (struct address_question){dns, exchanger, kinds[kind].family};
			dns->unanswered++;
			ares_query(dns->channel, exchanger->name, ns_c_in, kinds[kind].type, take_addresses,
				   &questions[i][kind]);
		}
	}
	wait_for_answers(dns);
}

void dns_close(struct dns *dns)
{
	if (!dns)
		return;
	ares_destroy(dns->channel);
	ares_library_cleanup();
	release(dns);
}
