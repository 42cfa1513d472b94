/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.h - a connection, as the line works on it, and as the next process finds it (kept.h).
 */
#ifndef DAEMON_CONN_H
#define DAEMON_CONN_H

#include <cht/stamp.h>

#include "cell/stamped.h"
#include "channel/channel.h"
#include "wire/framer.h"

struct line;
struct slot;

/* One accepted connection; free ones are threaded by .next. */
struct conn {
	int fd; /* -1: free */
	uint32_t gen, cell;
	uint32_t next, prev; /* of the same cell */
	struct cht_frame_facts facts;
	struct framer framer;
	uint64_t frames, bytes;
	uint64_t refused_since_ns;
	uint32_t refused;
	bool is_read; /* stands in the loop's second set */
	uint16_t kept_name;
	int table_slot;   /* of its run, when it is kept */
	uint64_t run;     /* bits of it */
	uint64_t counted; /* bytes read since the kernel's count began */
	uint64_t cookie;  /* 0: it is not kept */
};

/* conns.c */
/* A free place; NOBODY when there is none. */
uint32_t conns_new(struct line *line);
/* Takes fd into that place as a connection of cell i, and reads it unless the cell waits. */
void conns_open(struct line *line, uint32_t i, uint32_t at, int fd,
		const struct channel_peer *peer);
/* Puts it among its cell's, and reads it unless the cell waits. */
void conns_link(struct line *line, uint32_t i, uint32_t at);
void conns_close(struct line *line, uint32_t at, enum close_reason reason);
void conns_close_all(struct line *line);
/* Reads every connection of a cell, or leaves them alone. */
void conns_set_read_all(struct line *line, const struct slot *slot, bool on);
/* One connection's turn: at most one read. *had_bytes: there was something. CHT_E_PEER from
 * line_emit. */
int conns_on_readable(struct line *line, uint32_t at, bool *had_bytes,
		      struct cht_err *err) CHT_CHECKED;
/* The rest of a turn whose n bytes were read, from one of them on. CHT_E_PEER from line_emit. */
int conns_finish_turn(struct line *line, uint32_t at, size_t from, size_t n,
		      struct cht_err *err) CHT_CHECKED;
/* Closes those that have been in the middle of a frame for too long, by the time during which we
 * read: what we keep waiting does not stall. Once a second, or as often as the limit. */
void conns_sweep_stalled(struct line *line);

#endif
