#ifndef MODULE_H
#define MODULE_H

#include "tls/tls.h"

#include <stddef.h>

/*
 * Loads the TLS module from the directory of the running program, or else from where it was installed.  Loading it
 * loads GnuTLS, so it happens only once TLS is needed.  NULL where there is none that fits; `why` then says so.
 */
const struct tls_module *module_load(char *why, size_t room);

#endif
