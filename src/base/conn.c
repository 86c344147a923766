/* SPDX-License-Identifier: ISC */
/*
 * conn - TCP connections, and the transport of a plain stream
 *
 * race.c opens them; resolve.c asks for this machine's own addresses.
 */
#include "base/conn.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t conn_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t transport_now(void *context)
{
	(void)context;
	return conn_now();
}

/* poll(2) until the deadline, even if signals interrupt it: 0 at the deadline, -1 with errno. */
static int poll_until(struct pollfd *list, size_t count, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - conn_now();
		if (left <= 0)
			left = 0;
		int ready = poll(list, count, left > INT_MAX ? INT_MAX : (int)left);
		if (ready > 0 || left == 0 || (ready < 0 && errno != EINTR))
			return ready;
	}
}

/* What recv(2) or send(2) came to. */
static ssize_t outcome(ssize_t length)
{
	if (length >= 0)
		return length;
	return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_AGAIN : STREAM_FAILED;
}

static ssize_t conn_read(void *context, char *data, size_t room)
{
	ssize_t length;
	do
		length = recv(*(const int *)context, data, room, MSG_DONTWAIT);
	while (length < 0 && errno == EINTR);
	return outcome(length);
}

static ssize_t conn_write(void *context, const char *data, size_t length)
{
	ssize_t written;
	do
		written = send(*(const int *)context, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (written < 0 && errno == EINTR);
	return outcome(written);
}

static int conn_wait(void *context, int want, int64_t deadline)
{
	short events = 0;
	if (want & STREAM_READABLE)
		events |= POLLIN;
	if (want & STREAM_WRITABLE)
		events |= POLLOUT;
	struct pollfd one = {.fd = *(const int *)context, .events = events};
	int got = poll_until(&one, 1, deadline) > 0 ? one.revents : 0;
	if (got & (POLLERR | POLLHUP | POLLNVAL))
		return want; /* the next call reports the error */
	return (got & POLLIN ? STREAM_READABLE : 0) | (got & POLLOUT ? STREAM_WRITABLE : 0);
}

const struct stream_transport conn_transport = {conn_read, conn_write, conn_wait, transport_now, true};

/* bind(2) or connect(2). */
typedef int address_call(int descriptor, const struct sockaddr *where, socklen_t length);

static int call_with(address_call *call, int descriptor, const struct address *address, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&v4.sin_addr, address->octets, sizeof v4.sin_addr);
	memcpy(&v6.sin6_addr, address->octets, sizeof v6.sin6_addr);
	if (address->family == AF_INET)
		return call(descriptor, (const struct sockaddr *)&v4, sizeof v4);
	return call(descriptor, (const struct sockaddr *)&v6, sizeof v6);
}

/* The port is chosen by connect(2), so that it may be one that is in use for another server. */
static bool bind_to(int descriptor, const struct address *source)
{
	int one = 1;
	setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (call_with(bind, descriptor, source, 0) == 0)
		return true;
	if (errno == EINVAL)
		errno = EADDRNOTAVAIL; /* a link-local address, which is none without its link */
	return false;
}

int conn_start(const struct address *address, uint16_t port, const struct address *source)
{
	int one = 1;
	/* Data counts as written when the kernel has it.  Megabytes that wait there for a slow line would use up the
	 * time in which the server has to answer (CTL-3). */
	int unsent = STREAM_OUT;
	int descriptor = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -1;
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	bool bound = source && bind_to(descriptor, source);
	if ((bound || !source) &&
	    (call_with(connect, descriptor, address, port) == 0 || errno == EINPROGRESS || errno == EINTR))
		return descriptor;
	/* The address is there, but no port is left. */
	int error = bound && errno == EADDRNOTAVAIL ? EADDRINUSE : errno;
	close(descriptor);
	errno = error;
	return -1;
}

/* What came of an attempt that poll(2) tells of: 0 or an errno. */
static int error_of(const struct pollfd *attempt)
{
	int error = 0;
	socklen_t length = sizeof error;
	/* Whatever else there is to say is an error. */
	if (attempt->revents != POLLOUT && getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return errno;
	return error;
}

size_t conn_await(struct pollfd *attempts, size_t count, int64_t deadline, int *error)
{
	int ready = poll_until(attempts, count, deadline);
	*error = errno;
	if (ready < 0)
		return 0;
	for (size_t i = 0; ready > 0 && i < count; i++) {
		if (!attempts[i].revents)
			continue;
		*error = error_of(&attempts[i]);
		return i;
	}
	return count;
}

void conn_own_addresses(struct buf *own)
{
	struct ifaddrs *list;
	if (getifaddrs(&list) != 0) {
		own->failed = true;
		return;
	}
	for (const struct ifaddrs *one = list; one; one = one->ifa_next) {
		const void *octets = NULL;
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET)
			octets = &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr;
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET6)
			octets = &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
		if (!octets)
			continue;
		struct address address = address_of(one->ifa_addr->sa_family, octets);
		buf_add(own, &address, sizeof address);
	}
	freeifaddrs(list);
}
