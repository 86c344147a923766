/*
 * body - a message to the octets behind DATA
 *
 * transaction.c has it write straight from the mapped file into the stream's out buffer: no copy in between, and
 * lines are found with memchr(3).  No octet sequence of the message can become CR LF . CR LF on the wire, since every
 * CR and LF, alone or not, leaves as CR LF, and every dot behind one is doubled.
 */
#include "body.h"

#include <string.h>

static const char *find(const char *from, const char *end, char octet)
{
	const char *at = from < end ? memchr(from, octet, (size_t)(end - from)) : NULL;
	return at ? at : end;
}

void body_open(struct body *body, struct span message)
{
	body->at = message.data;
	body->end = message.data + message.length;
	body->next_cr = find(body->at, body->end, '\r');
	body->in_line = false;
	body->size = 0;
}

/* The first CR or LF not before `at`, or the end. */
static const char *line_end(struct body *body)
{
	if (body->next_cr < body->at)
		body->next_cr = find(body->at, body->end, '\r');
	return find(body->at, body->next_cr, '\n');
}

/* CR, LF and CR LF are one line end each. */
static const char *skip_line_end(const char *at, const char *end)
{
	if (*at == '\r' && end - at > 1 && at[1] == '\n')
		return at + 2;
	return at + 1;
}

size_t body_encode(struct body *body, char *out, size_t room)
{
	char *const start = out;
	char *const limit = out + room;
	size_t dots = 0;
	while (!body_is_done(body)) {
		if (!body->in_line && *body->at == '.') {
			if (limit - out < 1)
				break;
			*out++ = '.';
			dots++;
			body->in_line = true;
		}
		const char *end = line_end(body);
		size_t length = (size_t)(end - body->at);
		if (length > (size_t)(limit - out))
			length = (size_t)(limit - out);
		memcpy(out, body->at, length);
		out += length;
		body->at += length;
		body->in_line = body->in_line || length > 0;
		if (body->at < end || limit - out < 2)
			break;
		*out++ = '\r';
		*out++ = '\n';
		if (body->at < body->end)
			body->at = skip_line_end(body->at, body->end);
		body->in_line = false;
	}
	body->size += (size_t)(out - start) - dots;
	return (size_t)(out - start);
}

bool body_is_done(const struct body *body)
{
	return body->at == body->end && !body->in_line;
}

/* Eight octets at a time, since a compiler need not see that a loop over single ones can be made so. */
static bool has_eightbit(struct span message)
{
	uint64_t all = 0;
	uint64_t word;
	while (message.length >= sizeof word) {
		memcpy(&word, message.data, sizeof word);
		all |= word;
		message.data += sizeof word;
		message.length -= sizeof word;
	}
	for (; message.length > 0; message.length--)
		all |= (unsigned char)message.data[message.length - 1];
	return all & UINT64_C(0x8080808080808080);
}

struct body_facts body_examine(struct span message)
{
	struct body_facts facts = {.eightbit = has_eightbit(message)};
	struct body body;
	facts.nul = message.length > 0 && memchr(message.data, '\0', message.length);
	body_open(&body, message);
	while (body.at < body.end) {
		const char *end = line_end(&body);
		size_t length = (size_t)(end - body.at);
		facts.size += length + 2;
		if (length > facts.longest_line)
			facts.longest_line = length;
		body.at = end < body.end ? skip_line_end(end, body.end) : end;
	}
	return facts;
}
