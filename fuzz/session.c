/* SPDX-License-Identifier: ISC */
/*
 * session - a whole delivery to servers that say what the input says: src/deliver.c and src/smtp
 *
 * This file stands in place of src/base/conn.c and src/base/module.c: connections are memory, time passes only when the
 * client waits, and TLS sends clear text.  The input is a line of digits, the octet 0xff, what the servers say, the
 * octet 0xff, and the message.  The digits are, one each: the sender, plus 3 times what the route says of TLS; the
 * number of recipients; the chunk size; how many octets a server takes before it pauses (0: all); how often the message
 * is repeated; 1 if its file changes meanwhile, plus 2 if the route has a password.  What the servers say holds some
 * octets with a meaning, see `enum cue`.
 */
#include "audit.h"
#include "common.h"

#include "base/conn.h"
#include "base/module.h"
#include "deliver.h"
#include "smtp/sasl.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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

enum { CONNECTIONS_MOST = 8, DESCRIPTOR = 1 << 20, MESSAGE_MOST = 1 << 20 };

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

#define PASSWORD "correct horse"

static const char *const senders[] = {"alice@sender.example", "", "m\303\274ller@sender.example"};
static char *const recipients[RECIPIENTS] = {
	"bob@example.org",           "carol carol@example.org", "dave",
	"m\303\274ller@example.org", "not an address@",         "eve@[::1]",
};

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

extern const struct sasl_module qremote_module; /* the real one: no server can tell */

const void *module_load(const char *file, const char *name, char *why, size_t room)
{
	static const struct tls_module module = {MODULE_INTERFACE, open_tls,       handshake, suite, suite,
						 close_tls,        &conn_transport};
	(void)name, (void)why, (void)room;
	return strcmp(file, "qremote-sasl.so") == 0 ? (const void *)&qremote_module : &module;
}

/* Two servers with a name and one without, each with two addresses. */
static void make_destination(struct destination *destination, const struct route *route)
{
	static const char *const names[] = {"mx.example.org", "mx2.example.org", ""};
	struct exchangers *exchangers = &destination->exchangers;
	*destination = (struct destination){.way.route = *route};
	exchangers->list = mem_array(3, sizeof *exchangers->list);
	MUST(exchangers->list);
	for (; exchangers->count < 3; exchangers->count++) {
		struct exchanger *exchanger = &exchangers->list[exchangers->count];
		char octets[16] = {(char)192, 0, 2, (char)exchangers->count};
		const struct address addresses[] = {address_of(AF_INET6, octets), address_of(AF_INET, octets)};
		snprintf(exchanger->name, sizeof exchanger->name, "%s", names[exchangers->count]);
		buf_add(&exchanger->addresses, addresses, sizeof addresses);
	}
}

/* The octets, several times. */
static struct span repeated(struct span octets, size_t times)
{
	struct buf all = {0};
	while (times-- > 0 && all.length + octets.length < MESSAGE_MOST)
		buf_add(&all, octets.data, octets.length);
	struct span copy = copy_of((struct span){all.data, all.length});
	buf_free(&all);
	return copy;
}

/* The message as main.c would have it; it changed meanwhile if its file looks different now. */
static struct message make_message(struct span octets, bool changes)
{
	static int descriptor = -1;
	struct stat status;
	if (descriptor < 0)
		descriptor = memfd_create("message", MFD_CLOEXEC);
	MUST(descriptor >= 0 && fstat(descriptor, &status) == 0);
	return (struct message){
		.octets = octets,
		.facts = lines_examine(octets),
		.descriptor = descriptor,
		.file_size = status.st_size + changes,
		.modified = status.st_mtim,
	};
}

/* The recipients and the message are each reported once, in this order, and as qmail-rspawn reads it. */
static void check_results(const struct envelope *envelope, const struct report *result)
{
	struct span rest = {envelope->results.data, envelope->results.length};
	size_t decided = 0;
	MUST(rest.length > 1 && rest.data[rest.length - 1] == '\0' && strchr("KZD", result->letter) && result->letter);
	for (size_t i = 0; i < envelope->count; i++)
		decided += envelope->recipients[i].report.letter != '\0';
	for (rest.length--; rest.data; decided--) {
		struct span record = span_split(rest, '\0', &rest);
		MUST(record.length > 0 && strchr(rest.data ? "rhs" : "KZD", *record.data) && is_printable(record));
		MUST(*record.data == 'r' || record.data[record.length - 1] == '\n');
		if (!rest.data)
			break;
	}
	MUST(decided == 0);
}

/* No report has the password, which servers may repeat once they were told, nor the last response, if only one knows
 * it. */
static void check_secrets(const struct envelope *envelope, const struct finding *findings)
{
	const struct span reports = {envelope->results.data, envelope->results.length};
	bool told = true;
	for (size_t i = 0; i < world.connections; i++)
		told = told && findings[i].response.length > 0;
	MUST(!told || world.connections == 0 || !find(reports, PASSWORD));
	const struct span response = findings->response;
	if (told && world.connections == 1)
		MUST(!memmem(reports.data, reports.length, response.data, response.length));
}

/* Nothing follows a connection on which the message left; the reports say what the servers said. */
static void check_findings(const struct envelope *envelope, const struct report *result, const struct finding *findings)
{
	const struct finding *last = world.connections > 0 ? &findings[world.connections - 1] : findings;
	for (size_t i = 0; i + 1 < world.connections; i++)
		MUST(!findings[i].end_left && !findings[i].empty_taken);
	check_secrets(envelope, findings);
	bool accepted = last->end_left && last->code / 100 == 2;
	bool unsure = last->end_left && !accepted && last->code < 400; /* no reply, or one that says nothing */
	struct span reply;                                             /* and whatever else follows the first line */
	struct span text = span_split((struct span){result->text.data, result->text.length}, '\n', &reply);
	MUST((result->letter == 'K') == accepted);
	MUST((find(text, "Possible duplicate!") != NULL) == unsure);
	bool ended = false; /* with a recipient whose reply was none */
	for (size_t i = 0; i < envelope->count; i++) {
		char letter = envelope->recipients[i].report.letter;
		int class = last->recipient[i] / 100;
		MUST(letter || !accepted);
		MUST(letter != 'r' || class == 2 || !last->end_left); /* a server may answer half a command */
		MUST(class != 2 || letter == 'r' || ended);
		MUST(!letter || class < 4 || letter == (class == 5 && last->recipient[i] != 552 ? 'h' : 's'));
		ended = ended || !letter;
	}
}

static void check(const struct delivery *delivery, const struct report *result)
{
	struct envelope *envelope = delivery->envelope;
	const struct route *route = &delivery->destination->way.route;
	struct finding findings[CONNECTIONS_MOST] = {{0}};
	struct order order = {
		.helohost = delivery->config->helohost,
		.sender = {envelope->sender.data, envelope->sender.length},
		.count = envelope->count,
		.message = delivery->message->octets,
		.in_tls = route->tls == ROUTE_TLS_MUST || route->tls == ROUTE_TLS_VERIFY,
		.in_clear = route->tls == ROUTE_TLS_OFF,
		.authenticated = route->password.length > 0,
	};
	for (size_t i = 0; i < envelope->count; i++)
		order.recipients[i] =
			(struct span){envelope->recipients[i].path.data, envelope->recipients[i].path.length};
	for (size_t i = 0; i < world.connections; i++) {
		findings[i] = audit(&world.tapes[i], &order);
		MUST(!findings[i].end_left || message_is_unchanged(delivery->message));
	}
	MUST(!tls.open);
	check_results(envelope, result);
	check_findings(envelope, result, findings);
}

/* Delivers, and looks at all that was said. */
static void run(struct envelope *envelope, const struct config *config, const struct message *message,
		const struct route *route)
{
	struct destination destination;
	struct trace trace = {.descriptor = -1};
	struct report result = {0};
	make_destination(&destination, route);
	struct tcpto timeouts = {0};
	struct delivery delivery = {config, &trace, &destination, message, &timeouts, envelope, world.now};
	deliver(&delivery, &result);
	envelope_emit(envelope, &result);
	check(&delivery, &result);
	report_free(&result);
	exchangers_free(&destination.exchangers);
}

static void forget(void)
{
	for (size_t i = 0; i < world.connections; i++) {
		buf_free(&world.tapes[i].client);
		buf_free(&world.tapes[i].server);
		buf_free(&world.tapes[i].marks);
	}
	world = (struct world){.at = NULL};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_of(data, size);
	struct config config = {.home = "/nonexistent",
				.helohost = "client.example",
				.timeout_connect = 60000,
				.timeout_remote = 1200000};
	unsigned first = input_digit(&input);
	const char *sender = senders[first % 3];
	size_t count = 1 + input_digit(&input) % RECIPIENTS;
	config.chunk_size = input_digit(&input);
	world.pause = input_digit(&input);
	size_t times = 1 + input_digit(&input);
	unsigned last = input_digit(&input);
	struct route route = {.port = SMTP_PORT, .families = {{AF_INET6, AF_INET}}, .tls = first / 3 % 4};
	if (last & 2) {
		route.user = span_of("alice");
		route.password = span_of(PASSWORD);
		route.tls = route.tls == ROUTE_TLS_MAY ? ROUTE_TLS_MUST : route.tls; /* as routefile.c has it */
	}
	free((void *)input_octets(&input).data);
	struct span servers = input_octets(&input);
	struct span octets = repeated((struct span){input.at, input.left}, times);
	struct message message = make_message(octets, last & 1);
	struct report failure = {0};
	struct envelope envelope;
	world.at = servers.data;
	world.end = servers.data + servers.length;
	world.between = true;
	envelope_build(&envelope, sender, recipients, count);
	if (envelope_check(&envelope, sender, &failure))
		run(&envelope, &config, &message, &route);
	report_free(&failure);
	envelope_free(&envelope);
	forget();
	free((void *)servers.data);
	free((void *)octets.data);
	return 0;
}
