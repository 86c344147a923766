#ifndef CIPHERWORDS_H
#define CIPHERWORDS_H

#include "parts.h"
#include "text.h"

#include <stdbool.h>

/*
 * What one word of a cipher list denotes, in which there are no blanks: the suites that are made of nothing but
 * `parts`.  That is none for a word of which nothing is left.  Returns false where no OpenSSL knew the word, in exactly
 * this spelling.
 */
bool cipherwords_find(struct span word, struct parts *parts);

#endif
