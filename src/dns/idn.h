/* SPDX-License-Identifier: ISC */
#ifndef IDN_H
#define IDN_H

#include "base/buf.h"
#include "base/text.h"

#include <stdint.h>

/* The module with libidn2, qremote-idn.so (see module.h): idn.c. */

struct idn_module {
	uint32_t interface; /* MODULE_INTERFACE of its build */
	/*
	 * Appends the name to `ascii`, with A-labels in place of the labels that are not ASCII (RFC 5891 section 5);
	 * the others stay as they are.  The characters are mapped as UTS 46 says, without its transitional rules.
	 * Returns NULL, or why IDNA refuses a label, as a constant string.  Where memory is short, `ascii` has failed.
	 */
	const char *(*to_ascii)(struct span name, struct buf *ascii);
};

#endif
