/* SPDX-License-Identifier: Apache-2.0
 *
 * child.h - scribe and opener, when chtd starts them itself: same uid, another program, one socket.
 */
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include <cht/err.h>
#include <sys/types.h>

#include "conf/conf.h"

struct child {
	pid_t pid; /* -1: none */
	int pidfd; /* readable once it ended */
	int sock;  /* SOCK_SEQPACKET to it */
	/* One that is a service of its own (join.h): */
	bool is_joined, is_known; /* its user was asked for; and has shown itself */
	int64_t uid;
};

#define CHILD_NULL                                                                                 \
	{                                                                                          \
		.pid = -1, .pidfd = -1, .sock = -1                                                 \
	}

/* Moves the signing variables out of this process: their bytes go into a pipe, of which *env_fd
 * becomes the reading end, and are overwritten where the kernel put them; the names are unset.
 * Must come before any socket is opened. *env_fd is -1 when none was set. */
int child_take_secrets(int *env_fd, struct cht_err *err) CHT_CHECKED;

/* Starts cht-scribe (beside this program, else from libexec) with conf's words; env_fd is taken.
 * CHT_E_IO, CHT_E_CONFIG when the program is not there. */
int child_start(struct child *child, const struct conf *conf, int env_fd,
		struct cht_err *err) CHT_CHECKED;

/* Absolute paths outside its roots, or null: two control sockets, the configuration, its cells.d.
 */
enum { OPENER_N_PATHS = 4 };
/* The same with cht-opener. */
int child_start_opener(struct child *child, const struct conf *conf,
		       const char *const paths[OPENER_N_PATHS], struct cht_err *err) CHT_CHECKED;

/* Closes the socket, so that it finishes what it has to, and waits for its end, or until
 * enough_fd, unless -1, is readable. Returns its exit status, 128 + signal if it was killed, or -1
 * if there was none or it goes on alone. */
int child_wait(struct child *child, int enough_fd);

#endif
