/* SPDX-License-Identifier: ISC */
#ifndef MODULE_H
#define MODULE_H

#include <stddef.h>

/*
 * A library that not every delivery uses is linked to a module, which is loaded only when it is needed.  A module
 * exports one symbol, `qremote_module`: a struct that begins with a uint32_t, the MODULE_INTERFACE of its build.
 */

/* Increase it with every change of tls.h, dns.h, idn.h, sasl.h or trace.h, and of the structs in them, that affects
 * program and module. */
enum { MODULE_INTERFACE = 7 };

/*
 * Loads a module, such as qremote-tls.so, from the directory of the running program, else from where it was installed.
 * Returns its struct, or NULL if there is none that fits; `why` then says so, and calls it `name`.
 */
const void *module_load(const char *file, const char *name, char *why, size_t room);

#endif
