/* SPDX-License-Identifier: ISC */
/*
 * ciphers - a tlsclientciphers file: src/tls/ciphers.c and src/tls/cipherlist.c
 *
 * GnuTLS must understand every priority string that is made of an OpenSSL cipher list.  The input is the file.
 */
#include "common.h"

#include "tls/ciphers.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

static void check_fault(const struct cipherlist_fault *fault, struct span file)
{
	size_t lines = 1;
	for (size_t i = 0; i < file.length; i++)
		lines += file.data[i] == '\n';
	MUST(fault->line <= lines);
	if (fault->word.length == 0)
		return;
	MUST(fault->line > 0 && strlen(fault->wrong) > 0 && fault->wrong[strlen(fault->wrong) - 1] == '.');
	MUST(fault->word.data >= file.data);
	MUST(fault->word.data + fault->word.length <= file.data + file.length);
}

static void check_offer(const struct ciphers *ciphers, enum ciphers_offer offer)
{
	struct buf priority = {0};
	gnutls_priority_t cache;
	ciphers_print(ciphers, offer, &priority);
	MUST(priority.length > 0 &&
	     memchr(priority.data, '\0', priority.length) == priority.data + priority.length - 1);
	if (!ciphers->priority.data) {
		MUST(gnutls_priority_init(&cache, priority.data, NULL) == GNUTLS_E_SUCCESS);
		gnutls_priority_deinit(cache);
	}
	buf_free(&priority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = copy_of((struct span){(const char *)data, size});
	struct cipherlist_fault fault;
	struct ciphers ciphers;
	if (!ciphers_read(&ciphers, file, &fault)) {
		check_fault(&fault, file);
	} else {
		check_offer(&ciphers, CIPHERS_WIDE);
		check_offer(&ciphers, CIPHERS_NARROW);
		if (!ciphers.priority.data)
			MUST(ciphers.list.has[ciphers.list.first] &&
			     ciphers_allow(&ciphers, span_of(suites[ciphers.list.first].iana)));
	}
	free((void *)file.data);
	return 0;
}
