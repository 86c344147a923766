/* SPDX-License-Identifier: ISC */
/*
 * message - descriptor 0 to octets in memory
 *
 * main.c opens it before it checks anything else.  The file is never read into a buffer: the kernel's pages are the
 * message, and encoder.c writes from them.  What is no file becomes one first.
 */
#include "qmail/message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char write_only[] = "cannot be read: descriptor 0 is open for writing only.";

static bool refuse(struct report *failure, const char *why)
{
	report_write(failure, 'Z', "4.3.0", "The message", why);
	return false;
}

/* Maps from the start of the page with `offset`, since mmap(2) needs a page boundary. */
static bool map_from(struct message *message, int descriptor, off_t offset, off_t size)
{
	off_t page = sysconf(_SC_PAGESIZE);
	off_t start = offset - offset % page;
	size_t length = (size_t)(size - start);
	if ((off_t)length != size - start) {
		errno = EFBIG;
		return false;
	}
	void *map = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, start);
	if (map == MAP_FAILED)
		return false;
	message->octets = (struct span){(const char *)map + (offset - start), (size_t)(size - offset)};
	return true;
}

static bool is_write_only(int descriptor)
{
	return (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_WRONLY;
}

/* What is not mapped must be readable all the same, and really empty if its size is 0: the files of proc(5) have
 * content. */
static bool is_empty(int descriptor, off_t size, struct report *failure)
{
	char octet;
	if (is_write_only(descriptor))
		return refuse(failure, write_only);
	ssize_t length = size == 0 ? pread(descriptor, &octet, 1, 0) : 0;
	if (length == 0)
		return true;
	return refuse(failure, length > 0 ? "cannot be mapped: its size is 0, but it has content."
					  : "cannot be read: its size is 0, and reading fails.");
}

/* A file without a name, for the copy; -1 with errno. */
static int make_file(const char *directory)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/qremote.XXXXXX", directory) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int file = mkostemp(path, O_CLOEXEC);
	if (file >= 0)
		unlink(path);
	return file;
}

/* Reads some octets, and waits for them; 0 at the end, -1 with errno. */
static ssize_t read_some(int descriptor, char *octets, size_t room)
{
	for (;;) {
		struct pollfd readable = {.fd = descriptor, .events = POLLIN};
		ssize_t length = read(descriptor, octets, room);
		if (length >= 0 || (errno != EINTR && errno != EAGAIN))
			return length;
		if (errno == EAGAIN)
			poll(&readable, 1, -1); /* if it fails, the next read(2) decides */
	}
}

static bool write_all(int descriptor, const char *octets, size_t length)
{
	while (length > 0) {
		ssize_t written = write(descriptor, octets, length);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		octets += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return true;
}

/* Copies all that comes into a file, and returns its descriptor, at its start; -1 with a report.  A file that is not
 * returned stays open until the process ends. */
static int copy(int descriptor, struct report *failure)
{
	const char *directory = getenv("TMPDIR");
	char octets[65536];
	char why[PATH_MAX + 128];
	int file = -1;
	if (!directory || !*directory)
		directory = "/tmp";
	for (;;) {
		ssize_t length = read_some(descriptor, octets, sizeof octets);
		if (length == 0 && file >= 0 && lseek(file, 0, SEEK_SET) == 0)
			return file;
		if (length <= 0) {
			snprintf(why, sizeof why, "cannot be read: %s.",
				 length < 0 ? strerror(errno)
					    : "nothing came through the pipe or socket on descriptor 0");
			refuse(failure, why);
			return -1;
		}
		if (file < 0)
			file = make_file(directory);
		if (file < 0 || !write_all(file, octets, (size_t)length)) {
			snprintf(why, sizeof why, "cannot be copied to a file in %s: %s.", directory, strerror(errno));
			refuse(failure, why);
			return -1;
		}
	}
}

bool message_open(struct message *message, int descriptor, struct report *failure)
{
	struct stat status;
	char why[128];
	*message = (struct message){.octets = {"", 0}};
	bool open = fstat(descriptor, &status) == 0;
	if (open && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) {
		descriptor = copy(descriptor, failure);
		if (descriptor < 0)
			return false;
		open = fstat(descriptor, &status) == 0;
	}
	if (!open || !S_ISREG(status.st_mode))
		return refuse(failure, "cannot be read: descriptor 0 is closed, or no file, pipe or socket.");
	off_t offset = lseek(descriptor, 0, SEEK_CUR);
	if (offset < 0)
		return refuse(failure, "cannot be read: descriptor 0 has no offset.");
	if (offset >= status.st_size && !is_empty(descriptor, status.st_size, failure))
		return false;
	if (offset < status.st_size && !map_from(message, descriptor, offset, status.st_size)) {
		snprintf(why, sizeof why, "cannot be mapped: %s.", strerror(errno));
		return refuse(failure, is_write_only(descriptor) ? write_only : why);
	}
	message->descriptor = descriptor;
	message->file_size = status.st_size;
	message->modified = status.st_mtim;
	message->facts = lines_examine(message->octets);
	return true;
}

bool message_is_unchanged(const struct message *message)
{
	struct stat status;
	return fstat(message->descriptor, &status) == 0 && status.st_size == message->file_size &&
	       status.st_mtim.tv_sec == message->modified.tv_sec && status.st_mtim.tv_nsec == message->modified.tv_nsec;
}
