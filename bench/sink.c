/*
 * sink - the other side of a delivery
 *
 * One process, one connection at a time, one reply for each line, and of a message only its end is looked at: so that
 * the time that is measured is that of the client.
 */
#include "sink.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 65536, END_LENGTH = 5 };

static const char end_of_message[] = "\r\n.\r\n";

static bool write_all(int connection, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = send(connection, data, length, MSG_NOSIGNAL);
		if (written <= 0)
			return false;
		data += written;
		length -= (size_t)written;
	}
	return true;
}

static bool say(int connection, const char *reply)
{
	return write_all(connection, reply, strlen(reply));
}

/* Reads a message to its end. */
static bool swallow(int connection)
{
	static char data[ROOM];
	size_t kept = 0;
	for (;;) {
		ssize_t length = read(connection, data + kept, sizeof data - kept);
		if (length <= 0)
			return false;
		size_t end = kept + (size_t)length;
		kept = end < END_LENGTH ? end : END_LENGTH;
		memmove(data, data + end - kept, kept);
		if (kept == END_LENGTH && memcmp(data, end_of_message, END_LENGTH) == 0)
			return true;
	}
}

/* Answers all lines that came at once with one write, as its client sends them with one. */
static bool answer(int connection, const char *line)
{
	char replies[4096] = "";
	for (; *line && strlen(replies) < sizeof replies - 100; line = strchr(line, '\n') + 1) {
		if (*line == 'E')
			strcat(replies, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n");
		else if (*line == 'D')
			strcat(replies, "354 go\r\n");
		else
			strcat(replies, "250 ok\r\n");
		if (!strchr(line, '\n'))
			return false; /* a line in pieces: not from this client, over this network */
	}
	return say(connection, replies);
}

static void serve(int connection)
{
	char lines[4096];
	ssize_t length;
	bool going = say(connection, "220 sink\r\n");
	while (going && (length = read(connection, lines, sizeof lines - 1)) > 0) {
		lines[length] = '\0';
		going = answer(connection, lines);
		if (going && (*lines == 'D' || strstr(lines, "\nDATA\r\n")))
			going = swallow(connection) && say(connection, "250 ok\r\n");
		if (*lines == 'Q')
			return;
	}
}

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

bool sink_open(struct sink *sink)
{
	struct sockaddr_in address = address_of(0);
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 10) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		return false;
	sink->port = ntohs(address.sin_port);
	sink->child = fork();
	if (sink->child != 0) {
		close(listener);
		return sink->child > 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* also if the benchmark is interrupted */
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		serve(connection);
		close(connection);
	}
}

void sink_close(struct sink *sink)
{
	kill(sink->child, SIGKILL);
	waitpid(sink->child, NULL, 0);
}

/* Waits for a reply, of one line. */
static bool hear(int connection)
{
	char reply[200];
	return read(connection, reply, sizeof reply) > 0;
}

bool sink_write_raw(const struct sink *sink, size_t octets)
{
	static char data[ROOM];
	struct sockaddr_in address = address_of(sink->port);
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(data, 'x', sizeof data);
	bool well = connect(connection, (struct sockaddr *)&address, sizeof address) == 0 && hear(connection) &&
		    say(connection, "DATA\r\n") && hear(connection);
	for (size_t length; well && octets > 0; octets -= length) {
		length = octets < sizeof data ? octets : sizeof data;
		well = write_all(connection, data, length);
	}
	well = well && say(connection, end_of_message) && hear(connection);
	close(connection);
	return well;
}
