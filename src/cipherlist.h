#ifndef CIPHERLIST_H
#define CIPHERLIST_H

#include "parts.h"
#include "suites.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a list is wrong. */
struct cipherlist_fault {
	size_t line;       /* from 1; 0 where there is no word at all */
	struct span word;  /* points into the text; empty where there is none */
	const char *wrong; /* the end of a sentence that begins with the word */
};

/* A list while it is read. */
struct cipherlist {
	uint8_t order[SUITES];      /* indexes of suites[], those that are on and those that are not */
	uint8_t state[SUITES];      /* of each of suites[]: off, on, or dead */
	bool begun;                 /* DEFAULT and its like may not come any more */
	const char *closed;         /* why no further word may come; NULL if it may */
	bool names_tls13;           /* so only the named suites of TLS 1.3 are on */
	const struct parts *usable; /* what the client can do */
	struct parts allowed;       /* what the security level leaves of it */
	const char *demands;        /* how a priority string asks for groups, signatures and a profile */
	size_t line;
	size_t left;                     /* how many suites */
	struct cipherlist_fault emptied; /* where the last suite went */
};

/* Takes lines off the front of the text, and counts them, up to and with the first one that is neither empty nor a
 * remark, which begins with #.  Returns it without the white space at its end; an empty one if there is none. */
struct span cipherlist_take_line(struct span *text, size_t *number);

/*
 * Reads a cipher list as OpenSSL defines it (ciphers(1)), of any number of lines.  Returns false, and says where, at
 * the first word that is wrong, and if none of the usable suites is left at the end.  `usable` must stay where it is.
 */
bool cipherlist_read(struct cipherlist *list, struct span text, const struct parts *usable,
		     struct cipherlist_fault *fault);

/* The suites that are on and usable, as indexes of suites[], in the order of the list, those of TLS 1.3 that it does
 * not name last.  Returns how many. */
size_t cipherlist_suites(const struct cipherlist *list, uint8_t chosen[SUITES]);

#endif
