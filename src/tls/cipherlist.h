/* SPDX-License-Identifier: ISC */
#ifndef CIPHERLIST_H
#define CIPHERLIST_H

#include "base/text.h"
#include "tls/suites.h"

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a list, and where. */
struct cipherlist_fault {
	size_t line;       /* from 1; 0 or the last line if there is no word */
	struct span word;  /* points into the text; empty if there is none */
	const char *wrong; /* the end of a sentence that begins with the word */
};

/* What a list allows: a set of suites, and the first of them. */
struct cipherlist {
	bool has[SUITES];
	size_t first;        /* of the first string that selects any, the suite that OpenSSL prefers */
	const char *profile; /* how strong certificates must be, as a word of a GnuTLS priority string */
};

/* Takes lines off the front of the text, and counts them, up to and including the first one that is neither empty
 * nor a comment (#).  Returns it without trailing white space; an empty one if there is none. */
struct span cipherlist_take_line(struct span *text, size_t *number);

/*
 * Reads a cipher list as OpenSSL defines it (ciphers(1)), of any number of lines.  Returns false, and says where, at
 * the first wrong word, or if the list leaves no suite.
 */
bool cipherlist_read(struct cipherlist *list, struct span text, struct cipherlist_fault *fault);

#endif
