/* SPDX-License-Identifier: ISC */
/*
 * race - connects to one of the addresses of an exchanger
 *
 * deliver.c calls it for each exchanger.  RFC 8305 section 5: an address where packets get lost costs two seconds, not
 * timeoutconnect.  Exchangers of another preference are never tried beside it (RFC 5321 section 5.1), and nothing is
 * said to a server before there is only one (RES-7).
 */
#include "race.h"

#include "base/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long an attempt is alone, in milliseconds, and how many there are at a time. */
enum { HEAD_START = 2000, ABREAST_MAX = 8 };

/* Room for texts. */
enum { WHO_SIZE = NAME_SIZE + WHERE_SIZE, WHY_SIZE = 160 };

/* The attempts that are under way: those to the first candidates that are left, in the order in which they began. */
struct heat {
	struct race *race;
	size_t count;
	int64_t next; /* when another one may begin */
	int64_t deadlines[ABREAST_MAX];
	struct pollfd attempts[ABREAST_MAX];
};

void race_where(const char *address, uint16_t port, char where[WHERE_SIZE])
{
	snprintf(where, WHERE_SIZE, port == SMTP_PORT ? "[%s]" : "[%s]:%u", address, port);
}

/* The address that connections to the candidate come from; NULL: the kernel chooses. */
static const struct address *source_for(const struct race *race, const struct candidate *candidate)
{
	const struct sources *sources = &race->route->sources;
	const struct address *source = candidate->address.family == AF_INET ? &sources->ipv4 : &sources->ipv6;
	return source->family ? source : NULL;
}

/* Whether something was short that an attempt gives back when it ends. */
static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == EADDRINUSE;
}

/* Whether the trouble says nothing about the server. */
static bool is_local(const struct race *race, const struct candidate *candidate, int error)
{
	return is_shortage(error) || (error == EADDRNOTAVAIL && source_for(race, candidate));
}

/* A candidate's name and address, as a text. */
static void print_who(const struct race *race, const struct candidate *candidate, char who[WHO_SIZE])
{
	char address[ADDRESS_TEXT_SIZE];
	char where[WHERE_SIZE];
	address_print(&candidate->address, address);
	race_where(address, race->route->port, where);
	snprintf(who, WHO_SIZE, "%s%s", candidate->name, where);
}

static void report_unconnected(struct race *race, const char *who, const char *code, const char *why)
{
	char what[WHO_SIZE + WHY_SIZE + 64];
	snprintf(what, sizeof what, "I wasn't able to establish an SMTP connection to %s: %s.", who, why);
	report_write(&race->report, 'Z', code, "Sorry,", what);
}

/* The candidate at this place is left no more, and its attempt, if there is one, is not under way. */
static void leave(struct heat *heat, size_t place)
{
	struct race *race = heat->race;
	size_t after = place + 1;
	race->left--;
	for (size_t i = place; i < race->left; i++)
		race->candidates[i] = race->candidates[i + 1];
	if (place >= heat->count)
		return;
	memmove(&heat->attempts[place], &heat->attempts[after], (heat->count - after) * sizeof *heat->attempts);
	memmove(&heat->deadlines[place], &heat->deadlines[after], (heat->count - after) * sizeof *heat->deadlines);
	heat->count--;
}

/* Why there is no connection, as a text. */
static void explain(const struct race *race, const struct candidate *candidate, int error, char why[WHY_SIZE])
{
	const struct address *source = source_for(race, candidate);
	char address[ADDRESS_TEXT_SIZE];
	snprintf(why, WHY_SIZE, "%s", strerror(error));
	if (error != EADDRNOTAVAIL || !source)
		return;
	address_print(source, address);
	snprintf(why, WHY_SIZE, "%s names %s, which is no address of this machine",
		 source->family == AF_INET ? "outgoingip" : "outgoingip6", address);
}

/* An attempt failed, and the next one begins at once. */
static void fail(struct heat *heat, size_t place, int error)
{
	struct race *race = heat->race;
	const struct candidate *candidate = race->candidates[place];
	bool local = is_local(race, candidate, error);
	bool begun = place < heat->count;
	char who[WHO_SIZE];
	char why[WHY_SIZE];
	print_who(race, candidate, who);
	explain(race, candidate, error, why);
	if (!local)
		timeouts_note(race->timeouts, race->config->home, &candidate->address, error == ETIMEDOUT);
	bool alone = heat->count == (size_t)begun;
	trace_note(race->trace, '*', "not connected%s%s: %s", alone ? "" : " to ", alone ? "" : who, why);
	report_unconnected(race, who, local ? "4.3.0" : "4.4.1", why);
	if (begun)
		close(heat->attempts[place].fd);
	leave(heat, place);
	heat->next = 0;
}

/* Whether another attempt may begin, now or later. */
static bool has_more(const struct heat *heat)
{
	const struct race *race = heat->race;
	return heat->count < race->left && heat->count < ABREAST_MAX && conn_now() <= race->latest;
}

/* Begins with the next candidate, unless it timed out before. */
static void begin(struct heat *heat)
{
	struct race *race = heat->race;
	size_t place = heat->count;
	const struct candidate *candidate = race->candidates[place];
	char who[WHO_SIZE] = "";
	bool deferred = timeouts_defer(race->timeouts, &candidate->address);
	if (deferred || trace_is_on(race->trace))
		print_who(race, candidate, who);
	if (deferred) {
		trace_note(race->trace, '*', "not tried: %s timed out before, says queue/lock/tcpto", who);
		report_unconnected(race, who, "4.4.1", "it timed out before, and is not tried now");
		leave(heat, place);
		return;
	}
	trace_note(race->trace, '*', "connecting to %s%s", who, place > 0 ? " as well" : race->how);
	int descriptor = conn_start(&candidate->address, race->route->port, source_for(race, candidate));
	if (descriptor < 0 && place > 0 && is_shortage(errno)) {
		trace_note(race->trace, '*', "not connected to %s yet: %s", who, strerror(errno));
		heat->next = INT64_MAX; /* when another attempt has ended */
		return;
	}
	if (descriptor < 0) {
		fail(heat, place, errno);
		return;
	}
	heat->attempts[place] = (struct pollfd){.fd = descriptor, .events = POLLOUT};
	heat->deadlines[place] = conn_now() + race->config->timeout_connect;
	heat->next = conn_now() + HEAD_START;
	heat->count++;
}

/* Begins what is due; false: nothing is under way. */
static bool begin_due(struct heat *heat)
{
	while (has_more(heat) && (heat->count == 0 || conn_now() >= heat->next))
		begin(heat);
	return heat->count > 0;
}

/* Waits until something happens; whether one of them is connected, and at which place. */
static bool await(struct heat *heat, size_t *place)
{
	int error;
	int64_t until = heat->deadlines[0];
	if (has_more(heat) && heat->next < until)
		until = heat->next;
	*place = conn_await(heat->attempts, heat->count, until, &error);
	if (*place < heat->count && error == 0)
		return true;
	if (*place < heat->count)
		fail(heat, *place, error);
	else if (conn_now() >= heat->deadlines[0])
		fail(heat, 0, ETIMEDOUT);
	return false;
}

/* Closes all attempts but the one that is connected. */
static int choose(struct heat *heat, size_t place)
{
	struct race *race = heat->race;
	int descriptor = heat->attempts[place].fd;
	char who[WHO_SIZE];
	for (size_t i = 0; i < heat->count && heat->count > 1; i++) {
		print_who(race, race->candidates[i], who);
		trace_note(race->trace, '*', "%s to %s", i == place ? "connected" : "no longer connecting", who);
		if (i != place)
			close(heat->attempts[i].fd);
	}
	timeouts_note(race->timeouts, race->config->home, &race->candidates[place]->address, false);
	leave(heat, place);
	return descriptor;
}

int race_run(struct race *race, const struct candidate **winner)
{
	struct heat heat = {.race = race};
	size_t place;
	while (begin_due(&heat)) {
		if (!await(&heat, &place))
			continue;
		*winner = race->candidates[place];
		return choose(&heat, place);
	}
	return -1;
}
