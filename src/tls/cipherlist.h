#ifndef CIPHERLIST_H
#define CIPHERLIST_H

#include "base/text.h"
#include "tls/suites.h"

#include <stdbool.h>
#include <stddef.h>

/* Where a list is wrong. */
struct cipherlist_fault {
	size_t line;       /* from 1; 0 or the last one where there is no word */
	struct span word;  /* points into the text; empty where there is none */
	const char *wrong; /* the end of a sentence that begins with the word */
};

/* What a list allows: a set of suites, and the first of them. */
struct cipherlist {
	bool has[SUITES];
	size_t first;        /* the one that OpenSSL prefers of the first string of which something is left */
	const char *profile; /* how good certificates must be, in the words of a GnuTLS priority string */
};

/* Takes lines off the front of the text, and counts them, up to and with the first one that is neither empty nor a
 * remark, which begins with #.  Returns it without the white space at its end; an empty one if there is none. */
struct span cipherlist_take_line(struct span *text, size_t *number);

/*
 * Reads a cipher list as OpenSSL defines it (ciphers(1)), of any number of lines.  Returns false, and says where, at
 * the first word that is wrong, and if the list leaves no suite.
 */
bool cipherlist_read(struct cipherlist *list, struct span text, struct cipherlist_fault *fault);

#endif
