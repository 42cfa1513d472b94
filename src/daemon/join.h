/* SPDX-License-Identifier: Apache-2.0
 *
 * join.h - a sibling that is a service of its own: whoever it is says so by its user, which the
 * kernel tells.
 */
#ifndef DAEMON_JOIN_H
#define DAEMON_JOIN_H

#include "daemon/child.h"

/* Connects child->sock to path, a SOCK_SEQPACKET socket of root or of the user (a name or a number;
 * null: ours). CHT_E_CONFIG: nobody listens, no such user, or it is another's. CHT_E_IO. */
int join_open(struct child *child, const char *path, const char *user,
	      struct cht_err *err) CHT_CHECKED;

/* Before the first message is received: whether the user sent it. 0: it did, or there is none to
 * come. CHT_E_FULL: none waits yet. CHT_E_PEER: somebody else did. CHT_E_IO. */
int join_check(struct child *child, struct cht_err *err) CHT_CHECKED;

/* Says that nothing more comes, and waits until it closes its end, or enough_fd, unless -1, is
 * readable. Returns the exit status of its last word (handoff), 0 when it had none, -1 when it
 * goes on alone. */
int join_wait(struct child *child, int enough_fd);

#endif
