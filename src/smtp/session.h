/* SPDX-License-Identifier: ISC */
#ifndef SESSION_H
#define SESSION_H

#include "base/stream.h"
#include "dns/exchangers.h"
#include "qmail/config.h"
#include "qmail/report.h"
#include "qmail/route.h"
#include "smtp/ehlo.h"
#include "smtp/reply.h"
#include "tls/tls.h"
#include "trace.h"

/* What a reply answers, and how it is told. */
struct stage {
	const char *name;
	const char *refusal; /* qmail-remote's phrase, from which bounce parsers take the command */
	const char *code;    /* where the server gives none (RFC 3463) */
	bool temporary;      /* a refusal is temporary, whatever its class */
};

/* What follows a session. */
enum next {
	NEXT_SERVER,        /* the next candidate */
	NEXT_WITH_SMTPUTF8, /* the next candidate that offers SMTPUTF8 */
	NEXT_CONNECTION,    /* another one to the same address; starttls.h says how */
	NEXT_NOTHING        /* the matter is settled */
};

/*
 * What a session came to.  While its report has no letter, nothing is decided, and `next` is what follows if it fails
 * now.  The first failure is kept; from then on nothing more is said but what ends the session in good order.
 */
struct outcome {
	struct report report; /* K, Z or D */
	enum next next;
};

enum { RESPONSE_MAX = 12288 }; /* octets of a response of AUTH (RFC 4954 section 4); routefile.c sees to that */

/* One SMTP session with one server; zeroed, it is ready for whoever opens it to fill in. */
struct session {
	const struct config *config;
	const struct route *route;
	const struct dane *dane;        /* what the DNS demands of the server; NULL: nothing */
	const struct exchangers *whose; /* whose server it is */
	struct trace *trace;
	/* The server as reports name it. */
	const char *name; /* empty where there is only an address */
	const char *host; /* its name or, if it has none, its address */
	char address[ADDRESS_TEXT_SIZE];
	char where[WHERE_SIZE]; /* "[ADDRESS]", with ":PORT" if that is not 25 */
	struct capabilities offers;
	struct outcome outcome;
	bool broken;                     /* nothing may be said any more: QUIT might be taken for part of the message */
	bool end_put;                    /* the end of the message was put into the stream */
	const struct tls_module *module; /* these two belong together: NULL in the clear */
	struct tls *tls;
	char secured[200];               /* what the report says of TLS; empty where there was none to speak of */
	char response[RESPONSE_MAX + 1]; /* the last of AUTH that was not empty: a secret, as the route's password */
	struct reply reply;              /* the last one read */
	struct stream stream;
};

/* Reads the greeting and says EHLO, or HELO where EHLO is refused (RFC 5321 sections 3.1 and 3.2).  False: it failed.
 */
bool session_open(struct session *session);

/* Says EHLO, and no HELO if that is refused: for a session within TLS (RFC 3207 section 4.2). */
bool session_hello(struct session *session);

/*
 * Puts a command line, formatted as with printf(3) and without its CR LF, into the out buffer; it leaves with the next
 * reply that is read.  False, and nothing is put, where there is no room.
 */
bool session_put(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says one command, in a group of its own, and reads the reply.  False, with a failure, where none comes. */
bool session_ask(struct session *session, const struct stage *stage, const char *verb, const char *argument);

/*
 * Before a group of commands leaves, every octet from the server must have been read (RFC 2920 section 3.1).  False,
 * with a failure, where there are more.
 */
bool session_demand_silence(struct session *session, const struct stage *next);

/* Reads the next reply, which answers `stage`, and writes what is pending meanwhile.  False, with a failure, where none
 * comes in time or what comes is no reply; a 421 is a reply. */
bool session_read_reply(struct session *session, const struct stage *stage);

/* Whether the server has sent something that is unread; one empty line does not count, and is skipped. */
bool session_look_for_input(struct session *session);

/* Whether the server ended the session with this reply (RFC 5321 section 3.8). */
bool session_is_closing(const struct session *session);

bool session_has_failed(const struct session *session);

/* Whether the server may have the whole message, and may have taken it (RES-7). */
bool session_end_has_left(const struct session *session);

/*
 * These record a failure, unless there is one.  session_break() also says that nothing more may be said.  `what`
 * follows the server's name in the report, and "Connected to" comes before that if `what` begins with "but".  If there
 * is a reply, it follows.
 */
void session_fail(struct session *session, char letter, const char *code, const char *what, const struct reply *reply);
void session_break(struct session *session, char letter, const char *code, const char *what, const struct reply *reply);

/* The same for a reply just read that is not the one hoped for: 4xx and 5xx refuse `stage`, others are unexpected
 * there. Returns false. */
bool session_fail_reply(struct session *session, const struct stage *stage);

/* The same for a server that ended the session with the reply just read; `reply` is that one, or NULL if another
 * report shows it. */
void session_fail_ended(struct session *session, const struct reply *reply);

/* Writes the report for one recipient from the reply just read: r, s or h by its class. */
void session_report_recipient(const struct session *session, const struct stage *stage, struct report *report);

/* Says QUIT, without waiting for anything, if it may still be said; ends TLS.  The socket stays open. */
void session_close(struct session *session);

#endif
