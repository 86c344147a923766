/* SPDX-License-Identifier: ISC */
/*
 * module - finds and loads a module
 *
 * resolve.c loads the one with c-ares when a name must be looked up, starttls.c the one with GnuTLS when a server
 * offers STARTTLS.  Loading GnuTLS takes ten times longer than Qremote needs for a delivery.
 */
#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MODULE_DIRECTORY
#define MODULE_DIRECTORY "/usr/local/lib/qremote"
#endif

/* Drops the variables that change the questions of c-ares (MX-5), control GnuTLS, or make it write session keys to a
 * file (TLS-6). */
static void clean_environment(void)
{
	static const char *const unwanted[] = {"LOCALDOMAIN=", "RES_OPTIONS=", "SSLKEYLOGFILE=", "GNUTLS_"};
	char **kept = environ;
	for (char **entry = environ; *entry; entry++) {
		bool drop = false;
		for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
			drop = drop || strncmp(*entry, unwanted[i], strlen(unwanted[i])) == 0;
		if (!drop)
			*kept++ = *entry;
	}
	*kept = NULL;
}

/* The program may have been called by another name, through a symbolic link. */
static bool find_beside_the_program(const char *file, char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	if (length <= 0 || length >= PATH_MAX)
		return false;
	path[length] = '\0';
	char *name = strrchr(path, '/');
	if (!name || (size_t)(path + PATH_MAX - name) <= strlen(file) + 1)
		return false;
	strcpy(name + 1, file);
	return access(path, F_OK) == 0;
}

const void *module_load(const char *file, const char *name, char *why, size_t room)
{
	char path[PATH_MAX];
	clean_environment();
	if (!find_beside_the_program(file, path))
		snprintf(path, sizeof path, "%s/%s", MODULE_DIRECTORY, file);
	/* Lazy: libraries that were not linked to be bound at once, such as GMP, bind only what is called. */
	void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	const uint32_t *module = handle ? dlsym(handle, "qremote_module") : NULL;
	if (!module)
		snprintf(why, room, "cannot load its %s module: %s.", name, dlerror());
	else if (*module != MODULE_INTERFACE)
		snprintf(why, room, "cannot use its %s module: %s belongs to another build.", name, path);
	return module && *module == MODULE_INTERFACE ? module : NULL;
}
