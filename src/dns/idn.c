/* SPDX-License-Identifier: ISC */
/*
 * idn - domain names beyond ASCII, as the DNS knows them; the only user of libidn2
 *
 * The IDN module, which ulabel.c loads once it meets such a name.  RFC 5890, RFC 5891, UTS 46.
 *
 * Only labels that are not ASCII are given to libidn2, since it would judge the others, too, and the DNS has names that
 * no registry would take.
 */
#include "dns/idn.h"

#include "base/module.h"

#include <idn2.h>
#include <string.h>

/* Takes the first label, and the full stop after it; after the last one the name has no data. */
static struct span take_label(struct span *name)
{
	/* UTS 46 maps the ideographic one, one as wide as that, and one half as wide to ours. */
	static const char *const full_stops[] = {".", "\u3002", "\uff0e", "\uff61"};
	const char *end = name->data + name->length;
	struct span label = *name;
	*name = (struct span){NULL, 0};
	for (size_t i = 0; i < sizeof full_stops / sizeof *full_stops; i++) {
		struct span stop = span_of(full_stops[i]);
		const char *at = memmem(label.data, label.length, stop.data, stop.length);
		if (!at)
			continue;
		label.length = (size_t)(at - label.data);
		*name = (struct span){at + stop.length, (size_t)(end - at) - stop.length};
	}
	return label;
}

/* Appends what stands for one label. */
static const char *convert(struct span label, struct buf *ascii)
{
	struct buf string = {0};
	uint8_t *converted = NULL;
	int result = IDN2_MALLOC;
	buf_add(&string, label.data, label.length);
	buf_octet(&string, '\0');
	if (!string.failed)
		result =
			idn2_lookup_u8((const uint8_t *)string.data, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (result == IDN2_OK)
		buf_string(ascii, (const char *)converted);
	ascii->failed = ascii->failed || result == IDN2_MALLOC;
	idn2_free(converted);
	buf_free(&string);
	return result == IDN2_OK ? NULL : idn2_strerror(result);
}

static const char *to_ascii(struct span name, struct buf *ascii)
{
	const char *wrong = NULL;
	while (name.data && !wrong) {
		struct span label = take_label(&name);
		if (text_is_ascii(label))
			buf_add(ascii, label.data, label.length);
		else
			wrong = convert(label, ascii);
		if (name.data)
			buf_octet(ascii, '.');
	}
	return wrong;
}

const struct idn_module qremote_module = {
	.interface = MODULE_INTERFACE,
	.to_ascii = to_ascii,
};
