/* SPDX-License-Identifier: Apache-2.0
 *
 * target.h - where cht send connects to: a Unix socket or a vsock port.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include <cht/err.h>
#include <sys/socket.h>

struct target {
	struct sockaddr_storage address;
	socklen_t len;
	const char *text; /* as given, borrowed: for messages */
	int dir_fd;       /* of a path that does not fit an address; else -1 */
};

/* "unix:PATH" or "vsock:CID:PORT"; a path of any length. CHT_E_RANGE, CHT_E_IO. */
int target_open(struct target *target, const char *text, struct cht_err *err) CHT_CHECKED;
void target_close(struct target *target);

/* A connected, non-blocking descriptor. Waits for room in the listener's queue, as a VMM does,
 * but at most 10 s. CHT_E_PEER: nobody listens or accepts; CHT_E_IO. */
int target_connect(const struct target *target, struct cht_err *err) CHT_CHECKED;

#endif
