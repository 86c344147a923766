/* SPDX-License-Identifier: ISC */
/*
 * module - finds and loads the TLS module
 *
 * starttls.c loads it when a server offers STARTTLS.  The module links GnuTLS, and loading that takes ten times longer
 * than Qremote needs for a delivery.
 */
#include "tls/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MODULE_DIRECTORY
#define MODULE_DIRECTORY "/usr/local/lib/qremote"
#endif

#define MODULE_FILE "qremote-tls.so"

/* These variables control GnuTLS, and make it write session keys to a file (TLS-6). */
static void clean_environment(void)
{
	unsetenv("SSLKEYLOGFILE");
	for (char **entry = environ; *entry;) {
		char name[256];
		size_t length = strcspn(*entry, "=");
		if (strncmp(*entry, "GNUTLS_", 7) != 0 || length >= sizeof name) {
			entry++;
			continue;
		}
		memcpy(name, *entry, length);
		name[length] = '\0';
		unsetenv(name); /* the next entry moves into its place */
	}
}

/* The program may have been called by another name, through a symbolic link. */
static bool beside_the_program(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	if (length <= 0 || length >= PATH_MAX)
		return false;
	path[length] = '\0';
	char *name = strrchr(path, '/');
	if (!name || (size_t)(path + PATH_MAX - name) <= sizeof MODULE_FILE)
		return false;
	strcpy(name + 1, MODULE_FILE);
	return access(path, F_OK) == 0;
}

const struct tls_module *module_load(char *why, size_t room)
{
	char path[PATH_MAX];
	clean_environment();
	if (!beside_the_program(path))
		strcpy(path, MODULE_DIRECTORY "/" MODULE_FILE);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct tls_module *module = handle ? dlsym(handle, "tls_module") : NULL;
	if (!module)
		snprintf(why, room, "cannot load its TLS module: %s.", dlerror());
	else if (module->interface != TLS_INTERFACE)
		snprintf(why, room, "cannot use its TLS module: %s belongs to another build.", path);
	return module && module->interface == TLS_INTERFACE ? module : NULL;
}
