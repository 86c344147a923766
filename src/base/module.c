/* SPDX-License-Identifier: ISC */
/*
 * module - finds and loads a module
 *
 * resolve.c loads the one with c-ares when a name must be looked up, ulabel.c the one with libidn2 when such a name is
 * not ASCII, starttls.c the one with GnuTLS when a server offers STARTTLS, auth.c
 * the one with libgsasl when there is a password for it.  Loading GnuTLS takes ten times longer than
 * Qremote needs for a delivery.
 */
#include "base/module.h"

#include <dlfcn.h>
#include <endian.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

/*
 * If memory is short, the dynamic loader ends the process with status 127, even long after it loaded something, and
 * GnuTLS with 1 while it is loaded; qmail-rspawn would then bounce the mail (SYN-2).  From here on the kernel makes a
 * SIGSYS of every such end, and main.c handles that.  Where a kernel knows no filters, the delivery goes on without.
 */
static void forbid_other_exits(void)
{
	enum { STATUS = offsetof(struct seccomp_data, args) + (BYTE_ORDER == BIG_ENDIAN ? 4 : 0) };
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, STATUS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/*
 * Libraries crash if memory is short, those below GnuTLS above all, and what is forbidden above ends like that.
 * main.c's handler for SIGBUS then writes the report.  Returns whether it was not so yet.
 */
static bool report_crashes(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGSYS}; /* no sanitizer handles the last one */
	struct sigaction action;
	struct sigaction before;
	sigset_t unblocked;
	sigemptyset(&unblocked);
	sigaction(SIGBUS, NULL, &action);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		sigaction(signals[i], &action, &before);
		/* A sanitizer has its own handler for SIGSEGV, which tells more. */
		if (signals[i] == SIGSEGV && before.sa_handler != SIG_DFL)
			sigaction(SIGSEGV, &before, NULL);
		sigaddset(&unblocked, signals[i]);
	}
	sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
	return before.sa_handler != action.sa_handler;
}

const void *module_load(const char *file, const char *name, char *why, size_t room)
{
	char path[PATH_MAX];
	clean_environment();
	if (!find_beside_the_program(file, path))
		snprintf(path, sizeof path, "%s/%s", MODULE_DIRECTORY, file);
	if (report_crashes())
		forbid_other_exits(); /* each filter stays, and there may be thousands of names */
	/* Lazy: libraries that were not linked to be bound at once, such as GMP, bind only what is called. */
	void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	const uint32_t *module = handle ? dlsym(handle, "qremote_module") : NULL;
	if (!module)
		snprintf(why, room, "cannot load its %s module: %s.", name, dlerror());
	else if (*module != MODULE_INTERFACE)
		snprintf(why, room, "cannot use its %s module: %s belongs to another build.", name, path);
	return module && *module == MODULE_INTERFACE ? module : NULL;
}
