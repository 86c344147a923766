/* SPDX-License-Identifier: ISC */
#ifndef AUTH_H
#define AUTH_H

#include "smtp/session.h"

/*
 * Authenticates with the user and the password of the route, if it has them (RFC 4954).  True: continue.  False: it
 * failed, and the session's outcome says so.
 */
bool auth_run(struct session *session);

#endif
