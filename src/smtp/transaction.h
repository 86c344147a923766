/* SPDX-License-Identifier: ISC */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "qmail/envelope.h"
#include "qmail/message.h"
#include "smtp/session.h"

/*
 * Hands the message over in an open session (RFC 5321 section 3.3).  Decides every recipient that the server answered
 * for, and the session's outcome.
 */
void transaction_run(struct session *session, struct envelope *envelope, const struct message *message);

#endif
