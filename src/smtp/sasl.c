/* SPDX-License-Identifier: ISC */
/*
 * sasl - mechanisms of authentication; the only user of libgsasl
 *
 * The SASL module, which auth.c loads once a server offers AUTH and the route has a password.  RFC 4422, RFC 4616
 * (PLAIN), RFC 5802 and RFC 7677 (SCRAM).
 */
#include "smtp/sasl.h"

#include "base/buf.h"
#include "base/module.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

/* A server names how often a password is hashed for it (RFC 5802 section 5.1).  No server needs more than this, which
 * takes a second or two; with more it could keep us busy for hours. */
enum { ITERATIONS_MAX = 1000000 };

struct sasl {
	Gsasl *library;
	Gsasl_session *session;
	char *response; /* of the last step */
};

static void close_sasl(struct sasl *sasl)
{
	if (sasl->session)
		gsasl_finish(sasl->session);
	if (sasl->library)
		gsasl_done(sasl->library);
	gsasl_free(sasl->response);
	mem_free(sasl);
}

static int set(struct sasl *sasl, Gsasl_property property, struct span value)
{
	return gsasl_property_set_raw(sasl->session, property, value.data, value.length);
}

static struct sasl *open_sasl(const char *mechanism, struct span user, struct span password, const char **why)
{
	struct sasl *sasl = mem_array(1, sizeof *sasl);
	int result = sasl ? gsasl_init(&sasl->library) : GSASL_MALLOC_ERROR;
	if (result == GSASL_OK)
		result = gsasl_client_start(sasl->library, mechanism, &sasl->session);
	if (result == GSASL_OK)
		result = set(sasl, GSASL_AUTHID, user);
	if (result == GSASL_OK)
		result = set(sasl, GSASL_PASSWORD, password);
	if (result == GSASL_OK)
		return sasl;
	*why = gsasl_strerror(result);
	if (sasl)
		close_sasl(sasl);
	return NULL;
}

/* The attribute `i` of a challenge of SCRAM: r=NONCE,s=SALT,i=NUMBER. */
static bool asks_too_much(const char *challenge)
{
	unsigned long iterations;
	char *text = NULL;
	size_t length;
	bool much = false;
	if (gsasl_base64_from(challenge, strlen(challenge), &text, &length) != GSASL_OK)
		return false;
	struct span rest = {text, length};
	while (rest.data) {
		struct span attribute = span_split(rest, ',', &rest);
		struct span number = {attribute.data + 2, attribute.length - 2};
		if (attribute.length > 2 && memcmp(attribute.data, "i=", 2) == 0)
			much = much || !span_number(number, 1, ITERATIONS_MAX, &iterations);
	}
	gsasl_free(text);
	return much;
}

/* Why a step failed; what libgsasl says of the rest names functions and callbacks. */
static enum sasl_state fail(int result, const char **text)
{
	*text = result == GSASL_BASE64_ERROR            ? "it sent a challenge that is not base64"
		: result == GSASL_MECHANISM_PARSE_ERROR ? "it sent a malformed challenge"
		: result == GSASL_SASLPREP_ERROR        ? "the user or the password has characters that it cannot use"
		: result == GSASL_MALLOC_ERROR          ? "Qremote is out of memory"
							: "it sent a challenge that nothing answers";
	return result == GSASL_AUTHENTICATION_ERROR ? SASL_UNTRUE : SASL_FAILED;
}

static enum sasl_state step(struct sasl *sasl, struct span challenge, const char **text)
{
	struct buf string = {0};
	gsasl_free(sasl->response);
	sasl->response = NULL;
	buf_add(&string, challenge.data, challenge.length);
	buf_octet(&string, '\0');
	if (string.failed)
		return fail(GSASL_MALLOC_ERROR, text);
	bool much = challenge.data && asks_too_much(string.data);
	int result =
		much ? GSASL_OK : gsasl_step64(sasl->session, challenge.data ? string.data : NULL, &sasl->response);
	buf_free(&string);
	if (much) {
		*text = "it asks for too much work: more than 1000000 iterations of SCRAM";
		return SASL_FAILED;
	}
	if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
		return fail(result, text);
	*text = sasl->response ? sasl->response : "";
	return result == GSASL_OK ? SASL_DONE : SASL_MORE;
}

const struct sasl_module qremote_module = {
	.interface = MODULE_INTERFACE,
	.open = open_sasl,
	.step = step,
	.close = close_sasl,
};
