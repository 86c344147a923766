/* SPDX-License-Identifier: ISC */
/*
 * client - the plain loops that whole deliveries are compared with
 *
 * It sends only what the sink needs.
 */
#include "sink.h"
#include "wire.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { ROOM = 65536 };

/* Sends a line, if there is one, and waits for a reply of one line. */
static bool ask(struct wire *wire, const char *line)
{
	char reply[200];
	return wire_write(wire, line, strlen(line)) && wire_read(wire, reply, sizeof reply) > 0;
}

static bool dial(struct wire *wire, uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1; /* as Qremote does */
	wire->session = NULL;
	wire->connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return wire->connection >= 0 && setsockopt(wire->connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	       connect(wire->connection, (const struct sockaddr *)&address, sizeof address) == 0 && ask(wire, "");
}

bool sink_write(const struct sink *sink, size_t octets, bool secured)
{
	static char data[ROOM];
	size_t piece = secured ? WIRE_RECORD : sizeof data;
	struct wire wire;
	gnutls_certificate_credentials_t trust = NULL; /* in nobody */
	memset(data, 'x', sizeof data);
	bool well = dial(&wire, sink->port);
	if (secured)
		well = well && gnutls_certificate_allocate_credentials(&trust) == 0 && ask(&wire, "STARTTLS\r\n") &&
		       wire_secure(&wire, GNUTLS_CLIENT, trust);
	well = well && ask(&wire, "DATA\r\n");
	for (size_t length; well && octets > 0; octets -= length) {
		length = octets < piece ? octets : piece;
		well = wire_write(&wire, data, length);
	}
	well = well && ask(&wire, "\r\n.\r\n");
	wire_close(&wire);
	if (trust)
		gnutls_certificate_free_credentials(trust);
	return well;
}
