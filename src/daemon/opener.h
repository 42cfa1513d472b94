/* SPDX-License-Identifier: Apache-2.0
 *
 * opener.h - what is asked of cht-opener: sockets by path.
 */
#ifndef DAEMON_OPENER_H
#define DAEMON_OPENER_H

#include "daemon/line.h"

/* Starts it and waits until it is there. CHT_E_CONFIG: what it has been told. CHT_E_PEER. */
int opener_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* It unlinks what it made, and ends; waits for that unless a signal says not to. */
void opener_close(struct line *line);
/* Reads its answers. When it is gone we are to stop; before we are ready that is CHT_E_PEER. */
int opener_hear(struct line *line, struct cht_err *err) CHT_CHECKED;
/* At the start, each waits for its answer. As opener_open; CHT_E_BIND.
 * The control sockets: line->control_fd, .register_fd. */
int opener_bind_control(struct line *line, struct cht_err *err) CHT_CHECKED;
/* A cell's socket of an earlier process, whose listener we have, if its file is still the one with
 * these numbers: it is ours to unlink. */
int opener_adopt(struct line *line, uint32_t i, uint64_t dev, uint64_t ino,
		 struct cht_err *err) CHT_CHECKED;
/* When we are gone, sockets keep their names: another process goes on with them; or not. */
int opener_keep(struct line *line, bool keep, struct cht_err *err) CHT_CHECKED;
/* No more is adopted: guests come. */
int opener_settle(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Asks for a cell's socket, or for its end, unless that is asked for or too much is. What cannot be
 * asked any more is as if it were answered. CHT_E_PEER, CHT_E_IO. */
int opener_ask_bind(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
int opener_ask_unlink(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;

/* Asks for a file of the configuration, or its directory of cells, when not too much is asked for.
 * CHT_E_CONFIG: its path; CHT_E_PEER, CHT_E_IO. */
int opener_ask_conf(struct line *line, const char *path, struct cht_err *err) CHT_CHECKED;

/* The same for a probe, whose ticket is in it. fd: what goes with it, and stays the caller's; -1:
 * nothing. CHT_E_PEER, CHT_E_IO. */
int opener_ask_for_probe(struct line *line, const struct opening_request *request, int fd,
			 struct cht_err *err) CHT_CHECKED;

#endif
