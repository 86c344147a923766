/* SPDX-License-Identifier: ISC */
/*
 * ulabel - names beyond ASCII, wherever they are given: the host, a relay, the domains of sender and recipients
 *
 * main.c has it convert the envelope, resolve.c the names that are looked up.  It loads the module with libidn2, but
 * only for such a name.
 */
#include "dns/ulabel.h"

#include "base/module.h"
#include "dns/idn.h"

#include <stdio.h>
#include <string.h>

/* The name in ASCII, if there is such a form. */
static void convert(struct span text, struct buf *ascii, struct ulabel_failure *failure)
{
	const struct idn_module *module = module_load("qremote-idn.so", "IDN", failure->text, sizeof failure->text);
	failure->local = !module;
	if (!module)
		return;
	const char *wrong = module->to_ascii(text, ascii);
	failure->local = ascii->failed;
	if (ascii->failed)
		snprintf(failure->text, sizeof failure->text, "is out of memory.");
	else if (wrong)
		snprintf(failure->text, sizeof failure->text, "is not allowed by IDNA: %s.", wrong);
}

bool ulabel_copy(struct span text, char name[NAME_SIZE], struct ulabel_failure *failure)
{
	struct buf ascii = {0};
	*failure = (struct ulabel_failure){0};
	*name = '\0';
	if (text_is_ascii(text))
		return name_copy(text, name);
	if (text.length <= MAILBOX_MAX)
		convert(text, &ascii, failure);
	bool done = !*failure->text && name_copy((struct span){ascii.data, ascii.length}, name);
	buf_free(&ascii);
	return done;
}

/* Makes the path of an address anew, if its domain is all that is not ASCII; false if the domain is none. */
static bool convert_path(struct span mailbox, struct buf *path, bool *utf8, struct ulabel_failure *failure)
{
	const char *at = memrchr(mailbox.data, '@', mailbox.length);
	struct span local = {mailbox.data, at ? (size_t)(at - mailbox.data) : mailbox.length};
	struct span domain = {at ? at + 1 : NULL, at ? mailbox.length - local.length - 1 : 0};
	struct buf ascii = {0};
	char name[NAME_SIZE];
	if (text_is_ascii(domain))
		return true;
	if (!ulabel_copy(domain, name, failure))
		return false;
	if (!text_is_ascii(local))
		return true;
	buf_add(&ascii, local.data, local.length);
	buf_format(&ascii, "@%s", name);
	path->length = 0;
	path->failed = path->failed || ascii.failed; /* envelope_check() tells of it: the address is not to blame */
	bool done = path->failed || mailbox_encode(path, (struct span){ascii.data, ascii.length}, utf8);
	buf_free(&ascii);
	return done;
}

static void refuse(struct report *report, char letter, const char *code, const char *address,
		   const struct ulabel_failure *why)
{
	if (!why->local)
		report_write(report, letter, code, address, *why->text ? why->text : "is not a valid address.");
}

bool ulabel_envelope(struct envelope *envelope, const char *sender, struct report *failure)
{
	struct ulabel_failure why = {0};
	for (size_t i = 0; i < envelope->count && !why.local; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		const char *address = recipient->argument;
		if (recipient->utf8 && !convert_path(span_of(address), &recipient->path, &recipient->utf8, &why))
			refuse(&recipient->report, 'h', "5.1.3", address, &why);
	}
	if (!why.local && envelope->sender_utf8 &&
	    !convert_path(span_of(sender), &envelope->sender, &envelope->sender_utf8, &why))
		refuse(failure, 'D', "5.1.7", sender, &why);
	if (why.local)
		report_write(failure, 'Z', "4.3.0", "Qremote", why.text);
	return !failure->letter;
}
