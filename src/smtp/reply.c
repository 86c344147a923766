/* SPDX-License-Identifier: ISC */
/*
 * reply - octets from the server to one SMTP reply
 *
 * session.c feeds it.  RFC 5321 section 4.2 gives the form, section 4.5.3.1.5 the length of a line: that is 512
 * octets, but real servers send longer ones, and refusing them would only delay mail.
 */
#include "smtp/reply.h"

#include <stdio.h>
#include <string.h>

/* Octets that are shown of a line that is wrong; CRs before an LF: some servers send one too many. */
enum { SHOWN_MAX = 200, CRS_MAX = 2 };

void reply_begin(struct reply *reply)
{
	reply->code = 0;
	reply->lines = 0;
	reply->length = 0;
}

static bool is_digit(char octet)
{
	return octet >= '0' && octet <= '9';
}

/* The code of a line, 200 to 599, or 0 if the line has none. */
static int line_code(struct span line)
{
	if (line.length < 3 || line.data[0] < '2' || line.data[0] > '5' || !is_digit(line.data[1]) ||
	    !is_digit(line.data[2]))
		return 0;
	if (line.length > 3 && line.data[3] != ' ' && line.data[3] != '\t' && line.data[3] != '-')
		return 0;
	return (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
}

static void keep_line(struct reply *reply, struct span line)
{
	memcpy(reply->text + reply->length, line.data, line.length);
	reply->length += line.length;
	reply->text[reply->length++] = '\n';
}

/* Keeps, for the report, what can be shown of a line that is wrong. */
static enum reply_state refuse_line(struct reply *reply, struct span line)
{
	line = span_trim(line);
	if (line.length > SHOWN_MAX)
		line.length = SHOWN_MAX;
	if (line.length > 0 && line.length + 1 <= REPLY_MAX - reply->length)
		keep_line(reply, line);
	return REPLY_MALFORMED;
}

static enum reply_state take_line(struct reply *reply, struct span line)
{
	int code = line_code(line);
	if (code == 0 || (reply->lines > 0 && code != reply->code))
		return refuse_line(reply, line);
	if (line.length > REPLY_LINE_MAX || reply->lines == REPLY_LINES_MAX ||
	    line.length + 1 > REPLY_MAX - reply->length)
		return refuse_line(reply, line);
	char *kept = reply->text + reply->length;
	keep_line(reply, line);
	if (kept[3] == '\t')
		kept[3] = ' ';
	reply->code = code;
	reply->lines++;
	return line.length > 3 && line.data[3] == '-' ? REPLY_INCOMPLETE : REPLY_COMPLETE;
}

size_t reply_empty_line(struct span input)
{
	size_t length = 0;
	while (length < input.length && length < CRS_MAX && input.data[length] == '\r')
		length++;
	if (length == input.length)
		return length;
	return input.data[length] == '\n' ? length + 1 : 0;
}

enum reply_state reply_feed(struct reply *reply, struct span input, size_t *used)
{
	enum reply_state state = REPLY_INCOMPLETE;
	*used = 0;
	while (state == REPLY_INCOMPLETE) {
		struct span rest;
		struct span line = span_split(input, '\n', &rest);
		size_t length = line.length;
		for (int i = 0; i < CRS_MAX && line.length > 0 && line.data[line.length - 1] == '\r'; i++)
			line.length--;
		if (!rest.data)
			return line.length > REPLY_LINE_MAX ? refuse_line(reply, line) : REPLY_INCOMPLETE;
		*used += length + 1;
		if (line.length > 0 || reply->lines > 0 || reply->skipped)
			state = take_line(reply, line);
		else
			reply->skipped = true;
		input = rest;
	}
	reply->skipped = reply->skipped && state != REPLY_COMPLETE;
	return state;
}

int reply_class(const struct reply *reply)
{
	return reply->code / 100;
}

bool reply_is_unknown_command(const struct reply *reply)
{
	return reply->code == 500 || (reply->code >= 502 && reply->code <= 504);
}

/* Skips a number of at most three digits without leading zeros (RFC 3463 section 2); NULL if there is none. */
static const char *skip_number(const char *at, const char *end)
{
	const char *start = at;
	while (at < end && is_digit(*at))
		at++;
	bool padded = *start == '0' && at - start > 1;
	return at > start && at - start <= 3 && !padded ? at : NULL;
}

bool reply_enhanced(const struct reply *reply, char code[REPLY_ENHANCED_SIZE])
{
	struct span rest;
	struct span line = span_split((struct span){reply->text, reply->length}, '\n', &rest);
	const char *start = line.data + 4;
	const char *end = line.data + line.length;
	if (line.length < 9 || start[0] != line.data[0] || start[1] != '.')
		return false;
	const char *at = skip_number(start + 2, end);
	if (!at || at == end || *at != '.')
		return false;
	at = skip_number(at + 1, end);
	if (!at || (at < end && *at != ' '))
		return false;
	snprintf(code, REPLY_ENHANCED_SIZE, "%.*s", (int)(at - start), start);
	return true;
}
