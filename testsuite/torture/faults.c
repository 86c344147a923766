/* SPDX-License-Identifier: ISC */
/*
 * faults - an LD_PRELOAD library that makes system calls and allocations fail
 *
 * A seccomp filter turns system calls into SIGSYS, whoever makes them: the program, c-ares, GnuTLS, libc or the dynamic
 * loader.  The handler makes the call, or lets it fail.  So there is no list of functions that could be incomplete.
 * Allocations are caught where they are called.
 *
 * FAULT=CALL:FIRST:LAST:ERRNO   CALL is the number of a system call, or one of the values below.  The calls of its kind
 *                               from the FIRST to the LAST fail with ERRNO, or move only one octet (SHORT).
 * FAULT_LOG=FILE                a struct log of zeros, in which everything is noted at once, however the process ends
 * FAULT_PATIENCE=MILLISECONDS   how long a while is, 1000 without it
 *
 * If nothing happens for a while in poll(2), it returns, and the clock is put forward by the rest of the timeout: so
 * timeouts are short.  A server that is busy for so long looks silent; a test that nobody keeps waiting has patience.
 * Writing the reports, into the pipe that was descriptor 1 at the start, has only the errors of a pipe with a reader.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "this file knows the registers of x86-64 only: see on_call() and raw()"
#endif

enum { ALLOCATION = -1, NOISE = -2, ALL = -3, SHORT = 0 }; /* ALL are counted, and none fails */
enum { CALLS = 512, CONNECTIONS = 32, PATIENCE_CONNECTING = 50 };

/* world.py reads it. */
struct log {
	uint64_t calls[CALLS];
	uint64_t allocations;
	uint64_t failed;  /* how many faults there were */
	uint64_t skipped; /* milliseconds by which the clock was put forward */
	struct {
		uint64_t port, octets; /* what was received on the connection from this port */
	} connections[CONNECTIONS];
	char origin[128]; /* the file of the program or library whose call failed first */
};

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static struct log *entries;
static long call, first, last, number, patience = 1000;
static struct stat reports;
static struct sigaction for_sigsys; /* the program's own */
static int (*real_sigaction)(int, const struct sigaction *, struct sigaction *);

/* The one place from which the filter lets every system call pass. */
long raw(long what, ...);
extern const char raw_end[];
__asm__(".text\n.type raw, @function\n"
	"raw: mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
	"mov %r8, %r10\n mov %r9, %r8\n mov 8(%rsp), %r9\n syscall\n"
	"raw_end: ret\n");

static int fails(long what, uint64_t nth, const void *caller)
{
	Dl_info object;
	if (what != call || nth < (uint64_t)first || nth > (uint64_t)last)
		return 0;
	if (!entries->failed++ && dladdr(caller, &object))
		strncpy(entries->origin, object.dli_fname, sizeof entries->origin - 1);
	return 1;
}

static int no_memory(const void *caller)
{
	if (!entries || !fails(ALLOCATION, ++entries->allocations, caller))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size); }

/* The kernel answers this one in user space, where no filter sees it. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)raw(SYS_clock_gettime, clock, now);
	if (clock == CLOCK_MONOTONIC && entries) {
		/* Not only whole seconds: what is left of a timeout has fractions, and would be waited for twice. */
		uint64_t nanoseconds = (uint64_t)now->tv_nsec + entries->skipped % 1000 * 1000000;
		now->tv_sec += (time_t)(entries->skipped / 1000 + nanoseconds / 1000000000);
		now->tv_nsec = (long)(nanoseconds % 1000000000);
	}
	return result;
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
	if (signal != SIGSYS)
		return real_sigaction(signal, action, before);
	if (before)
		*before = for_sigsys;
	if (action)
		for_sigsys = *action;
	return 0;
}

static int is_reports(int descriptor)
{
	struct stat status;
	return raw(SYS_fstat, descriptor, &status) == 0 && status.st_ino == reports.st_ino &&
	       status.st_dev == reports.st_dev;
}

/* The value of a socket's option. */
static int option(long descriptor, long name)
{
	int value = -1;
	socklen_t size = sizeof value;
	raw(SYS_getsockopt, descriptor, (long)SOL_SOCKET, name, &value, &size);
	return value;
}

static int is_stream(long descriptor)
{
	return option(descriptor, SO_TYPE) == SOCK_STREAM;
}

/* Whether the kernel never has this error here: a pipe with a reader, or a netlink socket, which blocks. */
static int is_safe(long what, const long *a)
{
	int at_times = number == EINTR || number == EAGAIN || number == SHORT;
	return (what == SYS_write && !at_times && is_reports((int)a[0])) ||
	       (what == SYS_sendto && number == EAGAIN && option(a[0], SO_DOMAIN) == AF_NETLINK);
}

/* Makes the call, but lets it move at most one octet; datagrams are never cut. */
static long shortened(long what, const long *a)
{
	struct iovec one;
	struct msghdr message;
	int moves_datagram = (what == SYS_recvfrom || what == SYS_sendto || what == SYS_sendmsg) && !is_stream(a[0]);
	if (moves_datagram)
		return raw(what, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (what == SYS_getrandom)
		return raw(what, a[0], 1L, a[2]);
	if (what != SYS_sendmsg)
		return raw(what, a[0], a[1], a[2] > 1 ? 1L : a[2], a[3], a[4], a[5]);
	message = *(const struct msghdr *)a[1];
	one = *message.msg_iov;
	one.iov_len = one.iov_len > 1 ? 1 : one.iov_len;
	message.msg_iov = &one;
	message.msg_iovlen = 1;
	return raw(what, a[0], &message, a[2]);
}

static long failed(long what, const long *a)
{
	if (number == SHORT)
		return shortened(what, a);
	if (what == SYS_close || (what == SYS_connect && number == EINTR)) /* it has an effect all the same */
		raw(what, a[0], a[1], a[2]);
	return what == SYS_brk ? raw(what, 0L) : -number;
}

static long wait_for(struct pollfd *list, nfds_t count, int timeout)
{
	/* Whoever connects waits for the kernel, and not for a process that may be busy. */
	long most = count > 0 && list->events == POLLOUT ? PATIENCE_CONNECTING : patience;
	long events = raw(SYS_poll, list, count, timeout > most ? most : (long)timeout);
	if (events == 0 && timeout > most)
		entries->skipped += (uint64_t)timeout;
	return events;
}

static void note_received(int descriptor, long octets)
{
	struct sockaddr_in6 own = {0};
	socklen_t size = sizeof own;
	if (octets <= 0 || !is_stream(descriptor) || raw(SYS_getsockname, descriptor, &own, &size) != 0)
		return;
	for (int i = 0; i < CONNECTIONS; i++)
		if (entries->connections[i].port == own.sin6_port || entries->connections[i].port == 0) {
			entries->connections[i].port = own.sin6_port;
			entries->connections[i].octets += (uint64_t)octets;
			return;
		}
}

static long perform(long what, const long *a, const void *caller)
{
	uint64_t nth = ++entries->calls[what];
	for (long noisy = 1; noisy <= 2 && what == SYS_connect && call == NOISE; noisy++)
		raw(SYS_write, noisy, "noise\n", 6L);
	long result = what == call && !is_safe(what, a) && fails(what, nth, caller) ? failed(what, a)
		      : what == SYS_poll ? wait_for((struct pollfd *)a[0], (nfds_t)a[1], (int)a[2])
					 : raw(what, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (what == SYS_recvfrom)
		note_received((int)a[0], result);
	return result;
}

static void on_call(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	long a[] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
		    registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
	if (info->si_syscall == SYS_exit_group) /* only a filter of the program catches it */
		for_sigsys.sa_handler(signal);
	registers[REG_RAX] = perform(info->si_syscall, a, (const void *)registers[REG_RIP]);
}

/* Only the calls that matter are caught, since that costs time. */
static void catch_calls(void)
{
	const uint32_t caught[] = {(uint32_t)call, SYS_recvfrom, SYS_poll, SYS_connect};
	const uint32_t free_calls[] = {SYS_rt_sigreturn, SYS_exit_group};
	uint64_t place = (uint64_t)(uintptr_t)raw_end;
	struct sock_filter filter[32] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)place, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(place >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	unsigned short length = 6;
	const uint32_t *list = call == ALL ? free_calls : caught;
	const uint32_t listed = call == ALL ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP;
	const uint32_t other = call == ALL ? SECCOMP_RET_TRAP : SECCOMP_RET_ALLOW;
	for (size_t i = 0; i < (call == ALL ? 2 : 4); i++) {
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, list[i], 0, 1);
		filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
	}
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, other);
	struct sock_fprog program = {length, filter};
	prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(111);
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
	action.sa_sigaction = on_call;
	const char *file = getenv("FAULT_LOG");
	char *fault = getenv("FAULT");
	if (!file || !fault)
		return;
	call = strtol(fault, &fault, 10);
	first = strtol(fault + 1, &fault, 10);
	last = strtol(fault + 1, &fault, 10);
	number = strtol(fault + 1, NULL, 10);
	if (getenv("FAULT_PATIENCE"))
		patience = strtol(getenv("FAULT_PATIENCE"), NULL, 10);
	real_sigaction = (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
	/* From 2.41 on, glibc has random numbers made in user space.  For the first ones it maps memory while all
	 * signals are blocked, and a filter would then end the process. */
	if (getrandom(&reports, sizeof reports, 0) < 0)
		_exit(111);
	raw(SYS_fstat, 1L, &reports);
	long log = raw(SYS_openat, (long)AT_FDCWD, file, (long)O_RDWR);
	long access = PROT_READ | PROT_WRITE;
	void *map = (void *)raw(SYS_mmap, NULL, sizeof *entries, access, (long)MAP_SHARED, log, 0L);
	raw(SYS_close, log);
	real_sigaction(SIGSYS, &action, NULL);
	catch_calls();
	entries = map;
}
