/* SPDX-License-Identifier: ISC */
/*
 * address - host addresses, domain names and mailboxes as text
 *
 * Everything from argv, a control file or DNS that will be part of a command, a question or a report passes one of
 * these first.  RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531 section 3.3.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum { LABEL_MAX = 63, NAME_MAX_LENGTH = 253 };

struct address address_of(int family, const void *octets)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	if (family == AF_INET6 && memcmp(octets, mapped, sizeof mapped) == 0) {
		family = AF_INET;
		octets = (const unsigned char *)octets + sizeof mapped;
	}
	struct address address = {.family = family};
	memcpy(address.octets, octets, family == AF_INET ? 4 : 16);
	return address;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

void address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	inet_ntop(address->family, address->octets, text, ADDRESS_TEXT_SIZE);
}

bool address_parse(struct span text, struct address *address)
{
	char string[ADDRESS_TEXT_SIZE];
	unsigned char octets[16];
	if (text.length == 0 || text.length >= sizeof string || memchr(text.data, '\0', text.length))
		return false;
	memcpy(string, text.data, text.length);
	string[text.length] = '\0';
	int family = strchr(string, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, string, octets) != 1)
		return false;
	*address = address_of(family, octets);
	return true;
}

bool address_parse_family(struct span text, int family, struct address *address)
{
	struct address parsed;
	if (!address_parse(text, &parsed) || parsed.family != family)
		return false;
	*address = parsed;
	return true;
}

bool address_parse_literal(struct span text, struct address *address)
{
	static const struct span tag = {"IPv6:", 5};
	if (text.length < 2 || text.data[0] != '[' || text.data[text.length - 1] != ']')
		return false;
	struct span inside = {text.data + 1, text.length - 2};
	if (inside.length > tag.length && span_equal((struct span){inside.data, tag.length}, tag)) {
		inside.data += tag.length;
		inside.length -= tag.length;
		return memchr(inside.data, ':', inside.length) && address_parse(inside, address);
	}
	return address_parse(inside, address);
}

bool address_is_smtp_literal(struct span text)
{
	struct address address;
	if (!address_parse_literal(text, &address))
		return false;
	return !memchr(text.data, ':', text.length) || (text.data[1] | 0x20) == 'i';
}

bool families_parse(struct span text, struct families *families)
{
	static const struct {
		const char *text;
		struct families families;
	} forms[] = {
		{"ipv4", {{AF_INET, 0}}},
		{"ipv6", {{AF_INET6, 0}}},
		{"ipv4,ipv6", {{AF_INET, AF_INET6}}},
		{"ipv6,ipv4", {{AF_INET6, AF_INET}}},
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (!span_is(text, forms[i].text))
			continue;
		*families = forms[i].families;
		return true;
	}
	return false;
}

bool address_is_loopback(const struct address *address)
{
	static const unsigned char loopback[16] = {[15] = 1};
	if (address->family == AF_INET)
		return address->octets[0] == 127;
	return memcmp(address->octets, loopback, sizeof loopback) == 0;
}

bool address_is_self(const struct address *address)
{
	static const unsigned char any[16] = {0};
	return address_is_loopback(address) ||
	       memcmp(address->octets, any, address->family == AF_INET ? 4 : sizeof any) == 0;
}

static bool is_alphanumeric(char octet)
{
	return (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z');
}

static bool is_name_octet(char octet)
{
	return is_alphanumeric(octet) || octet == '-' || octet == '_';
}

/* Whether these are labels of at most `most` octets, separated by dots: of letters of any script, digits, - and _. */
static bool is_made_of_labels(struct span name, size_t most)
{
	size_t label = 0;
	while (name.length > 0) {
		size_t length = text_utf8_length(name);
		bool dot = *name.data == '.';
		if (length == 0 || (dot && label == 0) || (length == 1 && !dot && !is_name_octet(*name.data)))
			return false;
		label = dot ? 0 : label + length;
		if (label > most)
			return false;
		name.data += length;
		name.length -= length;
	}
	return label > 0;
}

bool name_is_valid(struct span name)
{
	return name.length <= NAME_MAX_LENGTH && text_is_ascii(name) && is_made_of_labels(name, LABEL_MAX);
}

bool name_is_well_formed(struct span name)
{
	return name.length <= MAILBOX_MAX && is_made_of_labels(name, MAILBOX_MAX);
}

struct span name_trim(struct span text)
{
	if (text.length > 0 && text.data[text.length - 1] == '.')
		text.length--;
	return text;
}

bool name_copy(struct span text, char name[NAME_SIZE])
{
	name[0] = '\0';
	text = name_trim(text);
	if (!name_is_valid(text))
		return false;
	for (size_t i = 0; i < text.length; i++)
		name[i] =
			(char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + ('a' - 'A') : text.data[i]);
	name[text.length] = '\0';
	return true;
}

struct span name_split(struct span text, struct span *rest)
{
	const char *bracket = NULL;
	if (text.length > 0 && text.data[0] == '[')
		bracket = memchr(text.data, ']', text.length);
	if (!bracket)
		return span_split(text, ':', rest);
	size_t literal = (size_t)(bracket - text.data) + 1;
	struct span before = span_split((struct span){text.data + literal, text.length - literal}, ':', rest);
	return (struct span){text.data, literal + before.length};
}

/* RFC 5321 Dot-string, with the UTF-8 that RFC 6531 adds to atext. */
static bool is_dot_string(struct span text)
{
	char before = '.';
	for (size_t i = 0; i < text.length; i++) {
		char octet = text.data[i];
		if (octet == '.' && before == '.')
			return false;
		if (octet != '.' && !is_alphanumeric(octet) && !(octet & 0x80) &&
		    !memchr("!#$%&'*+-/=?^_`{|}~", octet, 19))
			return false;
		before = octet;
	}
	return before != '.';
}

static void quote(struct buf *path, struct span local)
{
	buf_octet(path, '"');
	for (size_t i = 0; i < local.length; i++) {
		if (local.data[i] == '"' || local.data[i] == '\\')
			buf_octet(path, '\\');
		buf_octet(path, local.data[i]);
	}
	buf_octet(path, '"');
}

/* The domain with its @. qmail also accepts IPv6 literals without the tag that SMTP demands. */
static void put_domain(struct buf *path, struct span domain)
{
	struct address address;
	if (address_parse_literal(domain, &address) && !address_is_smtp_literal(domain)) {
		buf_string(path, "@[IPv6:");
		domain.data++;
		domain.length--;
	} else {
		buf_octet(path, '@');
	}
	buf_add(path, domain.data, domain.length);
}

bool mailbox_encode(struct buf *path, struct span mailbox, bool *utf8)
{
	const char *at = mailbox.length > 0 ? memrchr(mailbox.data, '@', mailbox.length) : NULL;
	struct span local = {mailbox.data, at ? (size_t)(at - mailbox.data) : mailbox.length};
	struct span domain = {at ? at + 1 : NULL, at ? mailbox.length - local.length - 1 : 0};
	struct address address;
	if (mailbox.length == 0 || mailbox.length > MAILBOX_MAX || !text_is_plain(mailbox))
		return false;
	if (at && !address_parse_literal(domain, &address)) {
		domain = name_trim(domain);
		if (!name_is_well_formed(domain))
			return false;
	}
	*utf8 = !text_is_ascii(mailbox);
	buf_octet(path, '<');
	if (is_dot_string(local))
		buf_add(path, local.data, local.length);
	else
		quote(path, local);
	if (at)
		put_domain(path, domain);
	buf_octet(path, '>');
	return true;
}
