/* SPDX-License-Identifier: ISC */
/*
 * sink - the other side of each delivery, and the least that a client within TLS can do
 *
 * usage: sink [-h | -d MILLISECONDS] [-l MILLISECONDS] ADDRESS PORT [EXTENSION...]
 *
 * is a server that accepts every mail and keeps none.
 *
 * usage: sink -w OCTETS ADDRESS PORT
 *
 * sends a mail of that many octets within TLS; 0 is only the handshake.
 *
 * The server offers these extensions; it knows STARTTLS and CHUNKING.  Port 0 is one that the kernel chooses.  Before
 * it replies to a message it waits that long (-d), or says that it holds one and reads an octet from descriptor 0 (-h).
 * All replies are late by -l: what comes meanwhile was sent without waiting for them.  The greeting tells how many
 * connections there were before.
 *
 * It has a thread for each connection, and only looks for the end of a message, so that the measured time is that of
 * the client.  On descriptor 1 it says {"port": PORT}, {"held": 1} and, at the end of each connection, one line of
 * JSON:
 *
 * - messages: those that were accepted;
 * - octets: of them, as they came, without the dot that ends DATA;
 * - recipients;
 * - turns: writes of replies for which the client waited; each is a round trip, besides those of the handshake and of
 *   QUIT;
 * - begun, ended: CLOCK_MONOTONIC, in seconds;
 * - seconds: from the consent to a message to its last octet;
 * - suite: of TLS; empty in the clear;
 * - records, full: of TLS since the handshake, and those with 16384 octets.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What a client sends after a message without waiting for the reply, a QUIT, is shorter than the tail. */
enum { ROOM = 65536, TAIL = 64, LINE_LEAST = WIRE_RECORD, CONNECTIONS = 4096 };

static const char end_of_message[] = "\r\n.\r\n";

/* The command line. */
struct sink {
	char **extensions; /* NULL at their end */
	long delay;        /* milliseconds */
	long late;         /* milliseconds */
	bool holds;
	gnutls_certificate_credentials_t credentials;
};

/* A connection, its input, and what was seen on it. */
struct peer {
	const struct sink *sink;
	struct wire wire;
	double begun, consent, seconds;
	size_t before; /* connections */
	size_t messages, octets, recipients, turns, records, full;
	size_t start, end, replied;
	char suite[80];
	char replies[ROOM]; /* replies to all lines that came at once: they are sent with one write */
	char in[ROOM];
};

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void rest(long milliseconds)
{
	const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
	nanosleep(&time, NULL);
}

static bool say(struct peer *peer, const char *reply)
{
	size_t length = strlen(reply);
	if (length > sizeof peer->replies - peer->replied)
		return false;
	memcpy(peer->replies + peer->replied, reply, length);
	peer->replied += length;
	return true;
}

/* With -l, only when the client waits for them. */
static bool flush(struct peer *peer)
{
	struct pollfd more = {.fd = peer->wire.connection, .events = POLLIN};
	if (peer->replied == 0)
		return true;
	if (peer->sink->late > 0) {
		rest(peer->sink->late);
		if (poll(&more, 1, 0) != 0 ||
		    (peer->wire.session && gnutls_record_check_pending(peer->wire.session) > 0))
			return true;
	}
	bool well = wire_write(&peer->wire, peer->replies, peer->replied);
	peer->turns++;
	peer->replied = 0;
	return well;
}

/* Reads once, and adds to the input. */
static bool receive(struct peer *peer)
{
	if (peer->start == peer->end)
		peer->start = peer->end = 0;
	if (sizeof peer->in - peer->end < LINE_LEAST) {
		peer->end -= peer->start;
		memmove(peer->in, peer->in + peer->start, peer->end);
		peer->start = 0;
	}
	if (sizeof peer->in - peer->end < LINE_LEAST)
		return false; /* a line without an end */
	ssize_t length = wire_read(&peer->wire, peer->in + peer->end, sizeof peer->in - peer->end);
	if (length <= 0)
		return false;
	peer->end += (size_t)length;
	peer->records++;
	peer->full += length == WIRE_RECORD;
	return true;
}

/* The message is complete. */
static bool accept_message(struct peer *peer)
{
	const struct sink *sink = peer->sink;
	char order;
	peer->seconds += now() - peer->consent;
	peer->consent = 0;
	peer->messages++;
	if (sink->holds)
		dprintf(1, "{\"held\": 1}\n");
	rest(sink->delay);
	return (!sink->holds || read(0, &order, 1) == 1) && say(peer, "250 ok\r\n");
}

/* Reads a message to its dot, keeping only what may belong to the end. */
static bool swallow_data(struct peer *peer)
{
	if (!say(peer, "354 go\r\n") || !flush(peer))
		return false;
	peer->consent = now();
	/* The dot may be the first line. */
	memcpy(peer->in, "\r\n", 2);
	peer->start = 0;
	peer->end = 2;
	size_t counted = 2;
	for (;;) {
		size_t kept = peer->end < TAIL ? peer->end : TAIL;
		char *tail = peer->in + peer->end - kept;
		char *found = memmem(tail, kept, end_of_message, strlen(end_of_message));
		peer->octets += peer->end - counted;
		if (found) {
			peer->start = (size_t)(found - peer->in) + strlen(end_of_message);
			peer->octets -= peer->end - peer->start + strlen(".\r\n");
			return accept_message(peer);
		}
		memmove(peer->in, tail, kept);
		peer->end = counted = kept;
		if (!receive(peer))
			return false;
	}
}

/* Only the last chunk ends a message. */
static bool swallow_chunk(struct peer *peer, const char *command)
{
	char *rest;
	size_t left = strtoul(command + strlen("BDAT "), &rest, 10);
	bool last = strncasecmp(rest, " LAST", 5) == 0;
	if (peer->consent == 0)
		peer->consent = now();
	for (;;) {
		size_t length = peer->end - peer->start;
		size_t taken = length < left ? length : left;
		peer->start += taken;
		peer->octets += taken;
		left -= taken;
		if (left == 0)
			return last ? accept_message(peer) : say(peer, "250 ok\r\n");
		if (!receive(peer))
			return false;
	}
}

/* Data in the clear after STARTTLS is ignored. */
static bool secure(struct peer *peer)
{
	if (!say(peer, "220 go\r\n") || !flush(peer) ||
	    !wire_secure(&peer->wire, GNUTLS_SERVER, peer->sink->credentials))
		return false;
	peer->start = peer->end = peer->records = peer->full = 0;
	snprintf(peer->suite, sizeof peer->suite, "%s %s",
		 gnutls_protocol_get_name(gnutls_protocol_get_version(peer->wire.session)),
		 gnutls_ciphersuite_get(peer->wire.session));
	return true;
}

static bool greet(struct peer *peer)
{
	bool well = say(peer, "250-sink\r\n");
	for (char **one = peer->sink->extensions; *one; one++)
		if (!peer->wire.session || strcmp(*one, "STARTTLS") != 0)
			well = well && say(peer, "250-") && say(peer, *one) && say(peer, "\r\n");
	return well && say(peer, "250 SIZE\r\n");
}

static bool answer(struct peer *peer, const char *line)
{
	switch (*line & ~('a' - 'A')) {
	case 'E':
		return greet(peer);
	case 'S':
		return secure(peer);
	case 'D':
		return swallow_data(peer);
	case 'B':
		return swallow_chunk(peer, line);
	case 'R': /* not RSET */
		peer->recipients += line[1] == 'C' || line[1] == 'c';
		return say(peer, "250 ok\r\n");
	case 'Q':
		peer->turns += peer->replied > 0; /* the reply to QUIT alone delays no mail */
		say(peer, "221 bye\r\n");
		wire_write(&peer->wire, peer->replies, peer->replied);
		return false;
	default:
		return say(peer, "250 ok\r\n");
	}
}

static void *serve(void *context)
{
	struct peer *peer = context;
	char greeting[64];
	/* Of one length, since each octet costs the client instructions, and these are compared. */
	snprintf(greeting, sizeof greeting, "220 sink ESMTP %06zu\r\n", peer->before);
	bool going = say(peer, greeting) && flush(peer);
	while (going) {
		char *line = peer->in + peer->start;
		char *line_end = memchr(line, '\n', peer->end - peer->start);
		if (line_end) {
			peer->start = (size_t)(line_end + 1 - peer->in);
			going = answer(peer, line);
		} else {
			going = flush(peer) && receive(peer);
		}
	}
	dprintf(1,
		"{\"messages\": %zu, \"octets\": %zu, \"recipients\": %zu, \"turns\": %zu, \"begun\": %.6f, \"ended\": "
		"%.6f, "
		"\"seconds\": %.6f, \"suite\": \"%s\", \"records\": %zu, \"full\": %zu}\n",
		peer->messages, peer->octets, peer->recipients, peer->turns, peer->begun, now(), peer->seconds,
		peer->suite, peer->records, peer->full);
	wire_close(&peer->wire);
	free(peer);
	return NULL;
}

static struct sockaddr_in address_of(char **words)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = inet_addr(words[0]),
				    .sin_port = htons((uint16_t)atoi(words[1]))};
}

static int serve_all(const struct sink *sink, struct sockaddr_in address)
{
	socklen_t size = sizeof address;
	pthread_t thread;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, CONNECTIONS) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		return 1;
	dprintf(1, "{\"port\": %d}\n", ntohs(address.sin_port));
	for (size_t before = 0;; before++) {
		struct peer *peer = calloc(1, sizeof *peer);
		if (!peer)
			return 1;
		peer->sink = sink;
		peer->before = before;
		peer->wire.connection = accept(listener, NULL, NULL);
		peer->begun = now();
		setsockopt(peer->wire.connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (peer->wire.connection < 0 || pthread_create(&thread, NULL, serve, peer) != 0)
			return 1;
		pthread_detach(thread);
	}
}

/* Sends a line, if there is one, and waits for a reply of one line. */
static bool ask(struct wire *wire, const char *line)
{
	char reply[200];
	return wire_write(wire, line, strlen(line)) && wire_read(wire, reply, sizeof reply) > 0;
}

/* From one small buffer again and again, a full record at a time: nothing can be faster. */
static int write_all(size_t octets, struct sockaddr_in address)
{
	static char data[WIRE_RECORD];
	const int on = 1; /* as Qremote does */
	struct wire wire = {.connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	gnutls_certificate_credentials_t trust; /* in nobody */
	memset(data, 'x', sizeof data);
	bool well = gnutls_certificate_allocate_credentials(&trust) == 0 &&
		    setsockopt(wire.connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
		    connect(wire.connection, (const struct sockaddr *)&address, sizeof address) == 0 &&
		    ask(&wire, "") && ask(&wire, "STARTTLS\r\n") && wire_secure(&wire, GNUTLS_CLIENT, trust) &&
		    (octets == 0 || ask(&wire, "DATA\r\n"));
	for (size_t left = octets, length; well && left > 0; left -= length) {
		length = left < sizeof data ? left : sizeof data;
		well = wire_write(&wire, data, length);
	}
	well = well && (octets == 0 || ask(&wire, "\r\n.\r\n")) && ask(&wire, "QUIT\r\n");
	wire_close(&wire);
	gnutls_certificate_free_credentials(trust);
	return !well;
}

int main(int argc, char **argv)
{
	struct sink sink = {0};
	int option;
	while ((option = getopt(argc, argv, "hd:l:w:")) != -1) {
		if (option == 'h')
			sink.holds = true;
		else if (option == 'd')
			sink.delay = atol(optarg);
		else if (option == 'l')
			sink.late = atol(optarg);
		else if (option == 'w' && argc - optind == 2)
			return write_all(strtoul(optarg, NULL, 10), address_of(argv + optind));
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	sink.extensions = argv + optind + 2;
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* even if the benchmark is interrupted */
	return wire_mint(&sink.credentials) ? serve_all(&sink, address_of(argv + optind)) : 1;
}
