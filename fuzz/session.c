/* SPDX-License-Identifier: ISC */
/*
 * session - a whole delivery to servers that say what the input says: src/deliver.c and src/smtp
 *
 * The servers are those of world.c.  The input is a line of digits, the octet 0xff, what the servers say, the
 * octet 0xff, and the message.  The digits are, one each: the sender, plus 3 times what the route says of TLS; the
 * number of recipients; the chunk size; how many octets a server takes before it pauses (0: all); how often the message
 * is repeated; 1 if its file changes meanwhile, plus 2 if the route has a password.  What the servers say holds some
 * octets with a meaning, see `enum cue` there.
 */
#include "common.h"
#include "world.h"

#include "base/conn.h"
#include "deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { MESSAGE_MOST = 1 << 20 };

#define PASSWORD "correct horse"

static const char *const senders[] = {"alice@sender.example", "", "m\303\274ller@sender.example"};
static char *const recipients[RECIPIENTS] = {
	"bob@example.org",           "carol carol@example.org", "dave",
	"m\303\274ller@example.org", "not an address@",         "eve@[::1]",
};

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
static void check_secrets(const struct envelope *envelope, const struct finding *findings, size_t connections)
{
	const struct span reports = {envelope->results.data, envelope->results.length};
	bool told = true;
	for (size_t i = 0; i < connections; i++)
		told = told && findings[i].response.length > 0;
	MUST(!told || connections == 0 || !find(reports, PASSWORD));
	const struct span response = findings->response;
	if (told && connections == 1)
		MUST(!memmem(reports.data, reports.length, response.data, response.length));
}

/* Nothing follows a connection on which the message left; the reports say what the servers said. */
static void check_findings(const struct envelope *envelope, const struct report *result, const struct finding *findings,
			   size_t connections)
{
	const struct finding *last = connections > 0 ? &findings[connections - 1] : findings;
	for (size_t i = 0; i + 1 < connections; i++)
		MUST(!findings[i].end_left && !findings[i].empty_taken);
	check_secrets(envelope, findings, connections);
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
	const struct tape *tapes;
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
	size_t connections = world_tapes(&tapes);
	for (size_t i = 0; i < connections; i++) {
		findings[i] = audit(&tapes[i], &order);
		MUST(!findings[i].end_left || message_is_unchanged(delivery->message));
	}
	check_results(envelope, result);
	check_findings(envelope, result, findings, connections);
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
	struct delivery delivery = {config, &trace, &destination, message, &timeouts, envelope, conn_now()};
	deliver(&delivery, &result);
	envelope_emit(envelope, &result);
	check(&delivery, &result);
	report_free(&result);
	exchangers_free(&destination.exchangers);
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
	size_t pause = input_digit(&input);
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
	world_begin(servers, pause);
	envelope_build(&envelope, sender, recipients, count);
	if (envelope_check(&envelope, sender, &failure))
		run(&envelope, &config, &message, &route);
	report_free(&failure);
	envelope_free(&envelope);
	world_end();
	free((void *)servers.data);
	free((void *)octets.data);
	return 0;
}
