/* SPDX-License-Identifier: ISC */
/*
 * bytewise - what encoder.c, qp.c and lines.c do, as one would write it first
 *
 * The benchmark compares with it: one decision for each octet, no memchr(3), no words.  It writes exactly the same
 * octets, which bench.c checks before it measures anything.
 */
#include "bench.h"

enum { QUOTED_COLUMNS = 76, ROOM_FOR_ONE = 8 };

/* Ends a line, unless this is the LF of a CR LF whose CR ended it already. */
static char *end_line(struct bytewise *state, char *out, bool again)
{
	if (again)
		return out;
	*out++ = '\r';
	*out++ = '\n';
	state->column = 0;
	return out;
}

size_t bytewise_encode(struct bytewise *state, char *out, size_t room)
{
	char *const start = out;
	while (state->at < state->end && room - (size_t)(out - start) >= ROOM_FOR_ONE) {
		char octet = *state->at++;
		bool after_cr = state->after_cr;
		state->after_cr = false;
		switch (octet) {
		case '\r':
			state->after_cr = true;
			out = end_line(state, out, false);
			break;
		case '\n':
			out = end_line(state, out, after_cr);
			break;
		case '.':
			if (state->column == 0)
				*out++ = '.';
			/* fall through */
		default:
			*out++ = octet;
			state->column++;
		}
	}
	if (state->at == state->end && state->column > 0)
		out = end_line(state, out, false);
	return (size_t)(out - start);
}

static bool is_line_end(const struct bytewise *state, const char *at)
{
	return at == state->end || *at == '\r' || *at == '\n';
}

/* Whether the octet before `state` may represent itself. */
static bool is_plain(const struct bytewise *state, unsigned char octet)
{
	switch (octet) {
	case '=':
		return false;
	case '-':
		return state->column > 0 || state->at == state->end || *state->at != '-';
	case '\t':
	case ' ':
		return !is_line_end(state, state->at);
	default:
		return octet > ' ' && octet <= '~';
	}
}

static char *quote_octet(struct bytewise *state, char *out, unsigned char octet)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t width = is_plain(state, octet) ? 1 : 3;
	size_t most = QUOTED_COLUMNS - (is_line_end(state, state->at) ? 0 : 1);
	if (state->column + width > most) {
		*out++ = '=';
		out = end_line(state, out, false);
		width = is_plain(state, octet) ? 1 : 3;
	}
	if (width == 3) {
		*out++ = '=';
		*out++ = digits[octet >> 4];
		*out++ = digits[octet & 15];
	} else {
		if (octet == '.' && state->column == 0)
			*out++ = '.';
		*out++ = (char)octet;
	}
	state->column += width;
	return out;
}

size_t bytewise_quote(struct bytewise *state, char *out, size_t room)
{
	char *const start = out;
	while (state->at < state->end && room - (size_t)(out - start) >= ROOM_FOR_ONE) {
		unsigned char octet = (unsigned char)*state->at++;
		bool after_cr = state->after_cr;
		state->after_cr = octet == '\r';
		if (octet == '\r' || octet == '\n')
			out = end_line(state, out, octet == '\n' && after_cr);
		else
			out = quote_octet(state, out, octet);
	}
	if (state->at == state->end && state->column > 0)
		out = end_line(state, out, false);
	return (size_t)(out - start);
}

struct line_facts bytewise_examine(struct span octets)
{
	struct line_facts facts = {0};
	size_t length = 0;
	char last = '\n';
	for (size_t i = 0; i < octets.length; i++) {
		char octet = octets.data[i];
		if (octet == '\r' || (octet == '\n' && last != '\r')) {
			facts.size += length + 2;
			length = 0;
		} else if (octet != '\n' && ++length > facts.longest) {
			facts.longest = length;
		}
		facts.eightbit = facts.eightbit || octet & 0x80;
		facts.nul = facts.nul || octet == '\0';
		last = octet;
	}
	facts.size += length > 0 ? length + 2 : 0;
	return facts;
}
