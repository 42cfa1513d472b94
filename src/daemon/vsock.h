/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock.h - the one AF_VSOCK listener of all cells that are known by their VM's CID. The kernel
 * says which VM connected; which cell that is, is found by the name of its channel.
 */
#ifndef DAEMON_VSOCK_H
#define DAEMON_VSOCK_H

#include "channel/channel.h"

struct line;

struct vsock {
	struct channel_socket socket;
	struct cht_err why;    /* there is none */
	bool is_listening;     /* a cell needed it */
	bool is_deaf;          /* accept failed: it rests */
	uint64_t unclaimed;    /* connections of VMs that no cell has, not told yet */
	uint32_t newest;       /* CID of the newest */
	uint64_t next_told_ns; /* not before */
};

#define VSOCK_NULL                                                                                 \
	{                                                                                          \
		.socket = CHANNEL_SOCKET_NULL                                                      \
	}

/* Makes the socket, when a cell may come to need it; why there is none is kept for who does. */
void vsock_open(struct line *line);
/* Listens, unless it does already. CHT_E_BIND: why not. */
int vsock_bind(struct line *line, struct cht_err *err) CHT_CHECKED;
void vsock_close(struct line *line);
/* Takes who waits, at most so many; true when there may be more. */
bool vsock_on_accept(struct line *line, int most);
/* Hears it again, when it rested: cells_listen_again. */
void vsock_listen_again(struct line *line);
/* channel.unclaimed, when it is due, or is_last. CHT_E_PEER as line_emit. */
int vsock_tell(struct line *line, bool is_last, struct cht_err *err) CHT_CHECKED;
/* When vsock_tell must be called next. */
uint64_t vsock_deadline(const struct line *line);

#endif
