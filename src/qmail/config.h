/* SPDX-License-Identifier: ISC */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/address.h"
#include "base/buf.h"
#include "qmail/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Everything that the control files say; see CONTROL FILES in the manual page. */
struct config {
	const char *home;   /* the qmail home */
	bool listed;        /* `entries` are all that there is in its directory of control files, */
	struct buf entries; /* as getdents64(2) gives them */
	char helohost[NAME_SIZE];
	int64_t timeout_connect; /* milliseconds */
	int64_t timeout_remote;  /* milliseconds */
	struct families families;
	struct sources sources; /* where connections come from */
	uint64_t chunk_size;    /* the largest number of octets of one BDAT; 0: no limit */
	struct buf smtproutes;  /* the whole file; every line is well formed */
	struct buf dnsservers;  /* an array of struct dns_server; empty: those of resolv.conf are asked */
};

/*
 * Reads the control files in `home`/control.  Returns false, with Z 4.3.0 in `failure`, if one cannot be read or is
 * malformed; the text names file and line.
 */
bool config_load(struct config *config, const char *home, struct report *failure);

/*
 * Reads all of the control file `file`: an absent one has no data, an empty one has, but no length.  `mode` becomes
 * that of the file (stat(2)); it may be NULL.  Returns false, with Z 4.3.0 in `failure`, if it cannot be read.
 */
bool config_read(const struct config *config, const char *file, struct buf *contents, mode_t *mode,
		 struct report *failure);

/* Whether there may be a control file, or a directory in its path: false only where that is known without a look. */
bool config_may_have(const struct config *config, const char *file);

/* Writes Z 4.3.0 about a control file, and a line of it unless that is 0: what is wrong, as a sentence without its
 * subject.  Returns false. */
bool config_refuse(struct report *failure, const char *file, size_t line, const char *why);

/* The qmail home: QMAILHOME in the environment, else the one fixed when the program was built. */
const char *config_home(void);

#endif
