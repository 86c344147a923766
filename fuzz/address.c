/* SPDX-License-Identifier: ISC */
/*
 * address - addresses, names and mailboxes as text: src/base/address.c
 *
 * The input is the text.
 */
#include "common.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check_address(struct span text)
{
	struct address address, again;
	char string[ADDRESS_TEXT_SIZE];
	unsigned char octets[16];
	bool plain = address_parse(text, &address);
	if (text.length < sizeof string && !memchr(text.data, '\0', text.length)) {
		memcpy(string, text.data, text.length);
		string[text.length] = '\0';
		MUST(plain == (inet_pton(AF_INET, string, octets) == 1 || inet_pton(AF_INET6, string, octets) == 1));
	}
	if (!plain && !address_parse_literal(text, &address)) {
		MUST(!address_is_smtp_literal(text));
		return;
	}
	address_print(&address, string);
	MUST(address_parse(span_of(string), &again) && address_equal(&address, &again));
	MUST(address_is_self(&address) == address_is_self(&again));
}

/* Whether the text is labels of letters, digits, hyphens and underscores, as long as the DNS allows. */
static bool is_name(struct span text)
{
	struct span rest = text;
	while (rest.data) {
		struct span label = span_split(rest, '.', &rest);
		if (label.length < 1 || label.length > 63)
			return false;
		for (size_t i = 0; i < label.length; i++)
			if (!label.data[i] ||
			    !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", label.data[i]))
				return false;
	}
	return text.length <= 253;
}

static void check_name(struct span text)
{
	char name[NAME_SIZE];
	struct span trimmed = name_trim(text);
	MUST(name_is_valid(text) == is_name(text));
	MUST(name_copy(text, name) == is_name(trimmed));
	MUST(strlen(name) == (is_name(trimmed) ? trimmed.length : 0));
	MUST(strncasecmp(name, trimmed.data, strlen(name)) == 0 && strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
	struct span rest;
	struct span first = name_split(text, &rest);
	MUST(first.data == text.data && first.length <= text.length);
	MUST(rest.data ? rest.data == first.data + first.length + 1 && rest.data[-1] == ':' &&
				 rest.data + rest.length == text.data + text.length
		       : first.length == text.length);
}

/* Takes the local part off a path, without quotes and backslashes (RFC 5321 section 4.1.2). */
static struct buf take_local_part(struct span *path)
{
	struct buf local = {0};
	const char *at = path->data + 1;
	const char *end = path->data + path->length - 1;
	bool quoted = at < end && *at == '"';
	at += quoted;
	for (; at < end && *at != (quoted ? '"' : '@'); at++) {
		MUST(quoted || !strchr(" \"(),:;<>[\\]", *at));
		at += quoted && *at == '\\';
		MUST(at < end);
		buf_octet(&local, *at);
	}
	MUST(!quoted || (at < end && *at == '"'));
	MUST(quoted || (local.length > 0 && local.data[0] != '.' && local.data[local.length - 1] != '.'));
	at += quoted;
	*path = (struct span){at, (size_t)(end - at)};
	return local;
}

/* The domain is the same, but for a final dot that it lost, or a tag that it got. */
static void check_domain(struct span domain, struct span sent)
{
	struct address one, other;
	if (address_parse_literal(domain, &one)) {
		MUST(address_is_smtp_literal(sent) && address_parse_literal(sent, &other));
		MUST(address_equal(&one, &other));
	} else {
		MUST(is_same(sent, name_trim(domain)));
	}
}

/* The path means the mailbox that was given: its parts can be read back. */
static void check_mailbox(struct span text)
{
	struct buf path = {0};
	bool utf8;
	if (!mailbox_encode(&path, text, &utf8)) {
		MUST(path.length == 0);
		return;
	}
	struct span rest = {path.data, path.length};
	const char *at = memrchr(text.data, '@', text.length);
	size_t length = at ? (size_t)(at - text.data) : text.length;
	MUST(is_printable(rest) && !memchr(rest.data, '\n', rest.length));
	MUST(utf8 == !text_is_ascii(rest));
	MUST(rest.data[0] == '<' && rest.data[rest.length - 1] == '>');
	struct buf local = take_local_part(&rest);
	MUST(is_same((struct span){local.data, local.length}, (struct span){text.data, length}));
	MUST(at ? rest.length > 0 && *rest.data == '@' : rest.length == 0);
	if (at)
		check_domain((struct span){at + 1, text.length - length - 1},
			     (struct span){rest.data + 1, rest.length - 1});
	buf_free(&local);
	buf_free(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = copy_of((struct span){(const char *)data, size});
	check_address(text);
	check_name(text);
	check_mailbox(text);
	free((void *)text.data);
	return 0;
}
