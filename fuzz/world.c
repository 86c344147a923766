/* SPDX-License-Identifier: ISC */
/*
 * world - the servers of a session: connections in memory, and a clock that runs only while the client waits
 *
 * session.c begins and ends it; src/deliver.c and src/smtp do not notice: this file stands in place of src/base/conn.c
 * and src/base/module.c.  TLS sends clear text; the mechanisms of AUTH are the real ones.
 */
#include "world.h"

#include "common.h"

#include "base/conn.h"
#include "base/module.h"
#include "smtp/sasl.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What happens between the octets of a server. */
enum cue {
	CUE_WAIT,      /* what follows comes once the client waits for it, and has nothing left to write */
	CUE_SPLIT,     /* what follows comes in a read of its own */
	CUE_INTERRUPT, /* what follows comes when the client waits, though it may have something to write */
	CUE_END,       /* the server hangs up */
	CUE_RESET,     /* the connection breaks */
	CUE_STALL,     /* the server reads no more */
	CUE_NEXT,      /* the end of the connection; what follows is for the next one */
	CUE_NO_TLS,    /* the handshake fails */
	CUE_SLOW,      /* before anything else: no connection is made until the client is tired of waiting */
	CUES
};

enum { DESCRIPTOR = 1 << 20 };

/* All servers, and what was said. */
static struct world {
	const char *at; /* what they say next */
	const char *end;
	bool stalled;
	size_t pause; /* a server takes so many octets at a time; 0: all */
	size_t room;  /* left until the pause */
	int64_t now;
	struct tape tapes[CONNECTIONS_MOST];
	size_t connections;
	int attempts;   /* to connect */
	int descriptor; /* of the connection */
	bool between;   /* what they say next is the beginning of a connection */
} world;

static int cue(void)
{
	return world.at == world.end ? CUE_NEXT : (unsigned char)*world.at;
}

/* Passes those cues that end nothing but a read. */
static void pass_cues(void)
{
	while (cue() == CUE_SPLIT || cue() == CUE_STALL || cue() == CUE_NO_TLS || cue() == CUE_SLOW) {
		world.stalled = world.stalled || cue() == CUE_STALL;
		world.at++;
	}
}

static ssize_t say(void *context, char *data, size_t room)
{
	struct tape *tape = &world.tapes[world.connections - 1];
	size_t length = 0;
	(void)context;
	pass_cues();
	if (cue() == CUE_END)
		return 0;
	if (cue() == CUE_RESET)
		return STREAM_FAILED;
	for (; length < room && cue() >= CUES; length++)
		data[length] = *world.at++;
	if (length == 0)
		return STREAM_AGAIN;
	buf_add(&tape->server, data, length);
	struct mark mark = {tape->server.length, tape->client.length};
	buf_add(&tape->marks, &mark, sizeof mark);
	return (ssize_t)length;
}

static ssize_t hear(void *context, const char *data, size_t length)
{
	struct tape *tape = &world.tapes[world.connections - 1];
	(void)context;
	if (cue() == CUE_RESET)
		return STREAM_FAILED;
	if (world.pause > 0 && length > world.room)
		length = world.room;
	if (world.stalled || length == 0)
		return STREAM_AGAIN;
	world.room -= world.pause > 0 ? length : 0;
	buf_add(&tape->client, data, length);
	return (ssize_t)length;
}

static int wait_for(void *context, int want, int64_t deadline)
{
	bool writes = want & STREAM_WRITABLE;
	int can = writes && !world.stalled ? STREAM_WRITABLE : 0;
	(void)context;
	if ((cue() == CUE_WAIT && !writes) || cue() == CUE_INTERRUPT)
		world.at++;
	pass_cues();
	if ((want & STREAM_READABLE) && cue() != CUE_WAIT && cue() != CUE_INTERRUPT && cue() != CUE_NEXT)
		can |= STREAM_READABLE;
	world.room = world.pause;
	world.now = can ? world.now + 1 : deadline;
	return world.now < deadline ? can : 0;
}

static int64_t now(void *context)
{
	(void)context;
	return world.now;
}

const struct stream_transport conn_transport = {say, hear, wait_for, now, true};

int64_t conn_now(void)
{
	return world.now;
}

int conn_start(const struct address *address, uint16_t port, const struct address *source)
{
	(void)address, (void)port, (void)source;
	return DESCRIPTOR + world.attempts++;
}

/* Goes to what the next server says, which is what follows the last one's CUE_NEXT. */
static void go_to_next(void)
{
	while (!world.between && cue() != CUE_NEXT)
		world.at++;
	if (!world.between && world.at < world.end)
		world.at++;
	world.between = true;
}

/* The last attempt is the first to end: where the server says nothing, nobody listens. */
size_t conn_await(struct pollfd *attempts, size_t count, int64_t deadline, int *error)
{
	MUST(count > 0 && deadline >= world.now);
	go_to_next();
	if (cue() == CUE_SLOW) {
		world.at++;
		world.now = deadline;
		return count;
	}
	world.between = false;
	*error = ECONNREFUSED;
	if (cue() == CUE_NEXT || world.connections == CONNECTIONS_MOST)
		return count - 1;
	struct tape *tape = &world.tapes[world.connections++];
	MUST(buf_reserve(&tape->client, 1) && buf_reserve(&tape->server, 1)); /* so that they have data */
	world.descriptor = attempts[count - 1].fd;
	world.stalled = false;
	world.room = world.pause;
	*error = 0;
	return count - 1;
}

struct tls {
	bool open;
	bool verifies;
};

static struct tls tls;

static struct tls *open_tls(const struct tls_settings *settings, struct tls_failure *failure)
{
	(void)failure;
	MUST(settings->descriptor == world.descriptor && !tls.open);
	tls = (struct tls){true, settings->system_trust};
	return &tls;
}

static bool handshake(struct tls *session, int64_t deadline, struct tls_failure *failure)
{
	struct tape *tape = &world.tapes[world.connections - 1];
	MUST(session->open && deadline >= world.now);
	tape->in_clear = tape->server.length;
	if (cue() != CUE_NO_TLS)
		return true;
	*failure = (struct tls_failure){session->verifies ? TLS_UNTRUSTED : TLS_HANDSHAKE, "it was not to be"};
	return false;
}

/* And the version, which is only told. */
static const char *suite(const struct tls *session)
{
	return session->open ? "TLS_AES_256_GCM_SHA384" : NULL;
}

static void close_tls(struct tls *session, bool politely)
{
	(void)politely;
	MUST(session->open);
	session->open = false;
}

extern const struct sasl_module qremote_module;

const void *module_load(const char *file, const char *name, char *why, size_t room)
{
	static const struct tls_module module = {MODULE_INTERFACE, open_tls,       handshake, suite, suite,
						 close_tls,        &conn_transport};
	(void)name, (void)why, (void)room;
	return strcmp(file, "qremote-sasl.so") == 0 ? (const void *)&qremote_module : &module;
}

void world_begin(struct span servers, size_t pause)
{
	world = (struct world){
		.at = servers.data, .end = servers.data + servers.length, .pause = pause, .between = true};
}

size_t world_tapes(const struct tape **tapes)
{
	*tapes = world.tapes;
	return world.connections;
}

void world_end(void)
{
	MUST(!tls.open);
	for (size_t i = 0; i < world.connections; i++) {
		buf_free(&world.tapes[i].client);
		buf_free(&world.tapes[i].server);
		buf_free(&world.tapes[i].marks);
	}
}
