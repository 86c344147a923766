#ifndef SESSION_H
#define SESSION_H

#include "config.h"
#include "ehlo.h"
#include "reply.h"
#include "report.h"
#include "stream.h"
#include "tls.h"
#include "trace.h"

/* What a reply answers. */
enum stage {
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_HELO,
	STAGE_STARTTLS,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_BDAT,
	STAGE_MESSAGE
};

/*
 * One SMTP session with one server.  `failure` holds what went wrong first; from then on nothing more is said but what
 * ends the session in good order.
 */
struct session {
	const struct config *config;
	const struct trace *trace;
	/* The server as reports name it: its name, or its address if it has none; "NAME [ADDRESS]" for people, and
	 * "NAME[ADDRESS]" where parsers of bounces take one word; both with ":PORT" if that is not 25. */
	char host[NAME_SIZE];
	char full[NAME_SIZE + ADDRESS_TEXT_SIZE + 10];
	char who[NAME_SIZE + ADDRESS_TEXT_SIZE + 10];
	struct capabilities offers;
	struct report failure;
	bool settled;        /* no other server may be tried: a recipient was answered, or the message is gone */
	bool lacks_smtputf8; /* it failed because SMTPUTF8 is not offered */
	bool out_of_step;    /* no command can be sent any more: QUIT might be taken for part of the message */
	bool end_put;        /* the end of the message is in the stream */
	const struct tls_module *module; /* these two belong together: NULL in the clear */
	struct tls *tls;
	char secured[200];    /* what the report says of TLS; empty where there was none to speak of */
	struct reply reply;   /* the last one read */
	struct stream stream; /* opened by whoever makes the session */
};

/* Reads the greeting and says EHLO, or HELO where EHLO is refused (RFC 5321 sections 3.1 and 3.2).  False: see failure.
 */
bool session_open(struct session *session);

/* Says EHLO, and no HELO if that is refused: for a session within TLS (RFC 3207 section 4.2). */
bool session_hello(struct session *session);

/*
 * Puts a command line, without its CR LF, into the out buffer; it leaves with the next reply that is read.  Returns
 * false, and puts nothing, where there is no room.
 */
bool session_put(struct session *session, struct span verb, struct span argument, struct span parameters);

/*
 * Before a group of commands leaves, every octet from the server must have been read (RFC 2920 section 3.1).  Returns
 * false, with a failure, where there are more.
 */
bool session_is_in_step(struct session *session, enum stage next);

/* Reads the next reply, which answers `stage`, and writes what is pending meanwhile.  False, with a failure, where none
 * comes in time or what comes is no reply; a 421 is a reply. */
bool session_read_reply(struct session *session, enum stage stage);

/* Whether the server has sent something that is unread; an empty line does not count and is skipped. */
bool session_has_input(struct session *session);

/* Whether the session was ended by the server with this reply (RFC 5321 section 3.8). */
bool session_is_closing(const struct session *session);

/* Notes that the reply just read refuses `stage`; its class gives the letter. */
void session_refused(struct session *session, enum stage stage);

/* Notes that the reply just read is none that `stage` can have. */
void session_unexpected(struct session *session, enum stage stage);

/*
 * Notes a failure if there is none yet.  `what` follows the server's name in the report, and "Connected to" stands
 * before that if it begins with "but".  Where there is a reply, it follows.
 */
void session_fail(struct session *session, char letter, const char *code, const char *what, const struct reply *reply);

/* Notes that the server ended the session with the reply just read; `reply` is that one, or NULL where another report
 * shows it. */
void session_ended(struct session *session, const struct reply *reply);

/* Writes the report for one recipient from the reply just read: r, s or h by its class. */
void session_report_recipient(const struct session *session, struct report *report);

/* Says QUIT, without waiting for anything, unless the session is out of step; ends TLS.  The socket stays open. */
void session_close(struct session *session);

#endif
