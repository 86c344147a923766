/* SPDX-License-Identifier: ISC */
/*
 * message - descriptor 0 to octets in memory
 *
 * main.c opens it before it checks anything else.  The file is never read into a buffer: the kernel's pages are the
 * message, and encoder.c writes from them.
 */
#include "qmail/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

bool message_open(struct message *message, int descriptor, struct report *failure)
{
	struct stat status;
	char why[128];
	*message = (struct message){.octets = {"", 0}};
	if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
		return refuse(failure, "cannot be read: descriptor 0 is closed or not a regular file.");
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
