/* SPDX-License-Identifier: ISC */
/*
 * faults - an LD_PRELOAD library that makes the nth call of one kind fail
 *
 * FAULT=KIND:N:ERRNO   the nth call of that kind fails with that errno; ERRNO 0: all of them move at most one octet
 * FAULT=noise          instead, each connect(2) writes something to descriptors 1 and 2, as a careless library might
 * FAULT=end            instead, the program crashes at its end
 * FAULT_LOG=FILE       at the end the number of calls of that kind is written to this file; until then it holds the
 *                      path of the program or library whose malloc(3) failed
 *
 * Time runs SPEED times as fast, so that timeouts after a fault are short.
 * The write of the reports, into the pipe that was descriptor 1 at the start, never fails and does not count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPEED = 50, SECOND = 1000000000 };

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static char kind[16];
static long nth, number, calls;
static struct stat reports;

__attribute__((constructor)) static void begin(void)
{
	syscall(SYS_fstat, 1, &reports);
	if (getenv("FAULT"))
		sscanf(getenv("FAULT"), "%15[a-z]:%ld:%ld", kind, &nth, &number);
}

static void note(const char *text)
{
	long log = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	syscall(SYS_write, log, text, strlen(text));
	syscall(SYS_close, log);
}

__attribute__((destructor)) static void end(void)
{
	char text[32];
	snprintf(text, sizeof text, "%ld", calls);
	note(text);
	if (strcmp(kind, "end") == 0)
		abort();
}

static int fails(const char *what)
{
	if (strcmp(kind, what) != 0 || ++calls != nth || number == 0)
		return 0;
	errno = (int)number;
	return 1;
}

static size_t cut(const char *what, size_t length)
{
	return strcmp(kind, what) == 0 && number == 0 && length > 1 ? 1 : length;
}

static int no_memory(const void *caller)
{
	Dl_info object;
	if (!fails("malloc"))
		return 0;
	if (dladdr(caller, &object))
		note(object.dli_fname);
	return 1;
}

void *malloc(size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size); }

#define CALL(result, name, what, parameters, ...) \
	result name parameters { return fails(what) ? (result)-1 : (result)syscall(__VA_ARGS__); }

CALL(ssize_t, read, "read", (int d, void *p, size_t n), SYS_read, d, p, cut("read", n))
CALL(ssize_t, recv, "recv", (int d, void *p, size_t n, int f), SYS_recvfrom, d, p, cut("recv", n), f, NULL, NULL)
CALL(ssize_t, send, "send", (int d, const void *p, size_t n, int f), SYS_sendto, d, p, cut("send", n), f, NULL, 0)
CALL(int, socket, "socket", (int f, int t, int p), SYS_socket, f, t, p)
CALL(int, fstat, "fstat", (int d, struct stat *s), SYS_fstat, d, s)
CALL(int, fstat64, "fstat", (int d, struct stat64 *s), SYS_fstat, d, s)
CALL(void *, mmap, "mmap", (void *a, size_t n, int p, int f, int d, off_t o), SYS_mmap, a, n, p, f, d, o)
CALL(void *, mmap64, "mmap", (void *a, size_t n, int p, int f, int d, off64_t o), SYS_mmap, a, n, p, f, d, o)
CALL(off_t, lseek, "lseek", (int d, off_t o, int w), SYS_lseek, d, o, w)
CALL(off64_t, lseek64, "lseek", (int d, off64_t o, int w), SYS_lseek, d, o, w)
CALL(int, dup2, "dup", (int d, int e), SYS_dup2, d, e)
CALL(ssize_t, getrandom, "getrandom", (void *p, size_t n, unsigned f), SYS_getrandom, p, n, f)

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	long long moment = (now->tv_sec * (long long)SECOND + now->tv_nsec) * SPEED;
	if (clock == CLOCK_MONOTONIC)
		*now = (struct timespec){moment / SECOND, moment % SECOND};
	return (int)result;
}

int poll(struct pollfd *list, nfds_t count, int timeout)
{
	return fails("poll") ? -1 : (int)syscall(SYS_poll, list, count, timeout > 0 ? timeout / SPEED + 1 : timeout);
}

int __poll_chk(struct pollfd *list, nfds_t count, int timeout, size_t size)
{
	(void)size;
	return poll(list, count, timeout);
}

ssize_t write(int descriptor, const void *data, size_t length)
{
	struct stat status;
	int is_reports = syscall(SYS_fstat, descriptor, &status) == 0 && status.st_ino == reports.st_ino &&
			 status.st_dev == reports.st_dev;
	if (!is_reports && fails("write"))
		return -1;
	return syscall(SYS_write, descriptor, data, is_reports ? length : cut("write", length));
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length)
{
	for (int noisy = 1; noisy <= 2 && strcmp(kind, "noise") == 0; noisy++, calls++)
		syscall(SYS_write, noisy, "noise\n", 6);
	return fails("connect") ? -1 : (int)syscall(SYS_connect, descriptor, address, length);
}

static int open_at(const char *path, int flags, va_list rest)
{
	mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
	return fails("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list rest; \
		va_start(rest, flags); \
		int descriptor = open_at(path, flags, rest); \
		va_end(rest); \
		return descriptor; \
	}
OPEN(open)
OPEN(open64)

int fcntl64(int descriptor, int command, ...)
{
	va_list rest;
	va_start(rest, command);
	long argument = va_arg(rest, long);
	va_end(rest);
	return fails("fcntl") ? -1 : (int)syscall(SYS_fcntl, descriptor, command, argument);
}
