/* SPDX-License-Identifier: ISC */
#ifndef SASL_H
#define SASL_H

#include "base/text.h"

#include <stdint.h>

/* The module with libgsasl, qremote-sasl.so (see module.h): sasl.c. */

/* What a challenge came to. */
enum sasl_state {
	SASL_MORE,   /* a response, and the server has more to say */
	SASL_DONE,   /* a response, and all that there is to prove is proven, by the server too */
	SASL_UNTRUE, /* the server did not prove that it knows the password */
	SASL_FAILED  /* anything else */
};

/* One exchange (RFC 4422), as the client. */
struct sasl;

struct sasl_module {
	uint32_t interface; /* MODULE_INTERFACE of its build */
	/* Begins an exchange by a mechanism; NULL, with `why` in plain words, if that is impossible.  Ended by
	 * close(). */
	struct sasl *(*open)(const char *mechanism, struct span user, struct span password, const char **why);
	/*
	 * Takes a challenge in base64, or none, without data, where the client begins.  `text` becomes the response in
	 * base64, which stays until the next call; after a failure it says why, in plain words and without a secret.
	 */
	enum sasl_state (*step)(struct sasl *sasl, struct span challenge, const char **text);
	void (*close)(struct sasl *sasl);
};

#endif
