/* SPDX-License-Identifier: ISC */
/*
 * sink - the other side of a delivery
 *
 * One process, one connection at a time, one reply per line; it only looks for the end of a message, so that the
 * measured time is that of the client.  Within TLS it must decrypt what it gets, as any server does; the same is true
 * for the plain loop in client.c.  RFC 3207 and RFC 3030, as far as Qremote uses them.
 */
#include "sink.h"

#include "bench.h"
#include "wire.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 65536, END_LENGTH = 5, LINE_LEAST = WIRE_RECORD };

static const char end_of_message[] = "\r\n.\r\n";

/* A connection, and its input. */
struct peer {
	struct wire wire;
	gnutls_certificate_credentials_t credentials;
	struct sink_board *board;
	struct sink_view view; /* what is shown on the board when a message ends */
	double begun;
	size_t start, end;
	char replies[4096]; /* replies to all lines that came at once: they are sent with one write */
	char in[ROOM];
};

static bool say(struct peer *peer, const char *reply)
{
	if (strlen(peer->replies) + strlen(reply) >= sizeof peer->replies)
		return false;
	strcat(peer->replies, reply);
	return true;
}

static bool flush(struct peer *peer)
{
	bool well = wire_write(&peer->wire, peer->replies, strlen(peer->replies));
	*peer->replies = '\0';
	return well;
}

/* Reads once, and adds to the input. */
static bool receive(struct peer *peer)
{
	if (peer->start == peer->end)
		peer->start = peer->end = 0;
	if (sizeof peer->in - peer->end < LINE_LEAST)
		return false; /* a line without an end */
	ssize_t length = wire_read(&peer->wire, peer->in + peer->end, sizeof peer->in - peer->end);
	if (length <= 0)
		return false;
	peer->end += (size_t)length;
	peer->view.records++;
	peer->view.full += length == WIRE_RECORD;
	peer->view.octets += (size_t)length;
	return true;
}

/* The message is complete. */
static bool accept_message(struct peer *peer)
{
	peer->view.seconds = measure_now() - peer->begun;
	peer->board->view = peer->view;
	return say(peer, "250 ok\r\n");
}

/* Reads a message to its dot, keeping only what may belong to the end. */
static bool swallow_data(struct peer *peer)
{
	if (!say(peer, "354 go\r\n") || !flush(peer))
		return false;
	peer->begun = measure_now();
	for (;;) {
		size_t length = peer->end - peer->start;
		size_t kept = length < END_LENGTH ? length : END_LENGTH;
		memmove(peer->in, peer->in + peer->end - kept, kept);
		peer->start = 0;
		peer->end = kept;
		if (kept == END_LENGTH && memcmp(peer->in, end_of_message, END_LENGTH) == 0)
			break;
		if (!receive(peer))
			return false;
	}
	peer->end = 0;
	return accept_message(peer);
}

/* Only the last chunk ends a message; all of them are sent together. */
static bool swallow_chunk(struct peer *peer, const char *command)
{
	char *rest;
	size_t left = strtoul(command + strlen("BDAT "), &rest, 10);
	bool last = strncmp(rest, " LAST", 5) == 0;
	if (peer->begun == 0)
		peer->begun = measure_now();
	for (;;) {
		size_t length = peer->end - peer->start;
		size_t taken = length < left ? length : left;
		peer->start += taken;
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
	if (!say(peer, "220 go\r\n") || !flush(peer) || !wire_secure(&peer->wire, GNUTLS_SERVER, peer->credentials))
		return false;
	peer->start = peer->end = 0;
	peer->view = (struct sink_view){0};
	snprintf(peer->view.suite, sizeof peer->view.suite, "%s %s",
		 gnutls_protocol_get_name(gnutls_protocol_get_version(peer->wire.session)),
		 gnutls_ciphersuite_get(peer->wire.session));
	return true;
}

static bool greet(struct peer *peer)
{
	unsigned offers = peer->board->offers;
	return say(peer, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n") &&
	       (!(offers & SINK_STARTTLS) || peer->wire.session || say(peer, "250-STARTTLS\r\n")) &&
	       (!(offers & SINK_CHUNKING) || say(peer, "250-CHUNKING\r\n")) && say(peer, "250 SIZE\r\n");
}

static bool answer(struct peer *peer, const char *line)
{
	switch (*line) {
	case 'E':
		return greet(peer);
	case 'S':
		return secure(peer);
	case 'D':
		return swallow_data(peer);
	case 'B':
		return swallow_chunk(peer, line);
	case 'Q':
		say(peer, "221 bye\r\n");
		flush(peer);
		return false;
	default:
		return say(peer, "250 ok\r\n");
	}
}

static void serve(struct peer *peer)
{
	bool going = say(peer, "220 sink\r\n") && flush(peer);
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
}

static void serve_all(int listener, struct sink_board *board, gnutls_certificate_credentials_t credentials)
{
	static struct peer peer;
	for (;;) {
		peer.wire = (struct wire){.connection = accept(listener, NULL, NULL)};
		peer.credentials = credentials;
		peer.board = board;
		peer.view = (struct sink_view){0};
		peer.begun = 0;
		peer.start = peer.end = 0;
		*peer.replies = '\0';
		serve(&peer);
		wire_close(&peer.wire);
	}
}

/* A listening socket on a port of the kernel's choice; -1 if there is none. */
static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 10) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		return -1;
	*port = ntohs(address.sin_port);
	return listener;
}

bool sink_open(struct sink *sink)
{
	gnutls_certificate_credentials_t credentials;
	int listener = listen_somewhere(&sink->port);
	sink->board = mmap(NULL, sizeof *sink->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (listener < 0 || sink->board == MAP_FAILED || !wire_mint(&credentials))
		return false;
	sink->child = fork();
	if (sink->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* even if the benchmark is interrupted */
		serve_all(listener, sink->board, credentials);
	}
	gnutls_certificate_free_credentials(credentials);
	close(listener);
	return sink->child > 0;
}

void sink_close(struct sink *sink)
{
	kill(sink->child, SIGKILL);
	waitpid(sink->child, NULL, 0);
	munmap(sink->board, sizeof *sink->board);
}
