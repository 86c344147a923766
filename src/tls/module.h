/* SPDX-License-Identifier: ISC */
#ifndef MODULE_H
#define MODULE_H

#include "tls/tls.h"

#include <stddef.h>

/*
 * Loads the TLS module from the directory of the running program, else from where it was installed.  That loads GnuTLS,
 * so it is done only when TLS is needed.  NULL if there is none that fits; `why` then says so.
 */
const struct tls_module *module_load(char *why, size_t room);

#endif
