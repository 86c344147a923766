/* SPDX-License-Identifier: ISC */
/*
 * job - ways to send a message
 *
 * All write into the same 64 KiB, the size of a stream's out buffer, and drop the result.
 */
#include "bench.h"
#include "smtp/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 65536 };

struct job {
	struct span message;
	struct recoding recoding;
	struct mime mime;
	struct encoder encoder;
	struct bytewise bytewise;
	bool checking;   /* what is written is added to the digest */
	size_t skipped;  /* octets that are not */
	uint64_t digest; /* FNV-1a; else a place for results, so that they are computed */
	char room[ROOM];
};

struct job *job_begin(struct span message)
{
	struct job *job = calloc(1, sizeof *job);
	if (!job) {
		fputs("bench: out of memory\n", stderr);
		exit(1);
	}
	job->message = message;
	job->recoding = (struct recoding){.message = message, .message_eightbit = true, .helohost = "client.example"};
	return job;
}

void job_end(struct job *job)
{
	free((char *)job->message.data);
	free(job);
}

size_t job_octets(const struct job *job)
{
	return job->message.length;
}

/* Each fills the room and returns the number of octets in it, 0 at the end. */
typedef size_t writer(struct job *job);

static size_t write_body(struct job *job)
{
	return encoder_write(&job->encoder, job->room, ROOM);
}

static size_t write_bytewise(struct job *job)
{
	return bytewise_encode(&job->bytewise, job->room, ROOM);
}

static size_t write_quoted(struct job *job)
{
	return bytewise_quote(&job->bytewise, job->room, ROOM);
}

static size_t write_copy(struct job *job)
{
	size_t length = (size_t)(job->bytewise.end - job->bytewise.at);
	length = length < ROOM ? length : ROOM;
	memcpy(job->room, job->bytewise.at, length);
	job->bytewise.at += length;
	return length;
}

static void add_to_digest(struct job *job, size_t length)
{
	size_t skipped = job->skipped < length ? job->skipped : length;
	job->skipped -= skipped;
	for (size_t i = skipped; i < length; i++)
		job->digest = (job->digest ^ (unsigned char)job->room[i]) * UINT64_C(0x100000001b3);
}

static void drain(struct job *job, writer *write)
{
	size_t length;
	while ((length = write(job)) > 0)
		if (job->checking)
			add_to_digest(job, length);
}

static void begin_bytewise(struct job *job, struct span octets)
{
	job->bytewise = (struct bytewise){.at = octets.data, .end = octets.data + octets.length};
}

void run_body(void *context)
{
	struct job *job = context;
	encoder_open(&job->encoder, job->message, true);
	drain(job, write_body);
}

void run_bytewise(void *context)
{
	struct job *job = context;
	begin_bytewise(job, job->message);
	drain(job, write_bytewise);
}

void run_copy(void *context)
{
	struct job *job = context;
	begin_bytewise(job, job->message);
	drain(job, write_copy);
}

void run_examine(void *context)
{
	struct job *job = context;
	job->digest = lines_examine(job->message).size;
}

void run_bytewise_examine(void *context)
{
	struct job *job = context;
	job->digest = bytewise_examine(job->message).size;
}

void run_recoded(void *context)
{
	struct job *job = context;
	encoder_open_recoded(&job->encoder, &job->mime, &job->recoding);
	drain(job, write_body);
}

void run_bytewise_quoted(void *context)
{
	struct job *job = context;
	const char *end = job->message.data + job->message.length;
	const char *text = (const char *)memmem(job->message.data, job->message.length, "\n\n", 2) + 2;
	begin_bytewise(job, (struct span){text, (size_t)(end - text)});
	drain(job, write_quoted);
}

void run_survey(void *context)
{
	struct job *job = context;
	mime_survey(&job->recoding);
}

void run_three_walks(void *context)
{
	struct job *job = context;
	mime_survey(&job->recoding);
	job->digest = encoder_recoded_size(&job->recoding);
	run_recoded(job);
}

void job_survey(struct job *job)
{
	mime_survey(&job->recoding);
	if (!*job->recoding.trouble)
		return;
	fprintf(stderr, "bench: the server %s\n", job->recoding.trouble);
	exit(1);
}

static uint64_t digest_of(struct job *job, void run(void *), size_t skipped)
{
	job->checking = true;
	job->skipped = skipped;
	job->digest = UINT64_C(0xcbf29ce484222325);
	run(job);
	job->checking = false;
	return job->digest;
}

/* The length of the header of a recoded message. */
static size_t header_length(struct job *job)
{
	encoder_open_recoded(&job->encoder, &job->mime, &job->recoding);
	const char *blank = memmem(job->room, write_body(job), "\r\n\r\n", 4);
	return blank ? (size_t)(blank + 4 - job->room) : 0;
}

void job_check(struct job *job, void ours(void *), void theirs(void *), bool header)
{
	size_t skipped = header ? header_length(job) : 0;
	if (digest_of(job, ours, skipped) == digest_of(job, theirs, 0))
		return;
	fputs("bench: the two sides do not write the same octets\n", stderr);
	exit(1);
}
