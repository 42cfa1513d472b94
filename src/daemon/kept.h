/* SPDX-License-Identifier: Apache-2.0
 *
 * kept.h - what the next process needs to go on with our connections at the byte where they stand:
 * connections, partial frames, the bytes read last, and cells with their listeners, all in one
 * mapping. With a descriptor store it is a memfd, which the service manager keeps beside the
 * sockets: it is there after an upgrade, and after a kill (ADR 24). Without one it is plain memory.
 *
 * It is never behind: what is in it is what the line works on. A kill in the middle of a
 * connection's turn leaves the turn: what its framer held before, the bytes read, and how many
 * of them are done with. How many were read, the kernel knows (SO_PEEK_OFF).
 */
#ifndef DAEMON_KEPT_H
#define DAEMON_KEPT_H

#include "cell/cell.h"
#include "daemon/stating.h"
#include "wire/framer.h"

struct conn;
struct line;
struct slot;

/* The turn of one connection, while it lasts. */
struct kept_turn {
	uint32_t conn; /* NOBODY: none */
	struct framer before;
	/* Bytes read that are done with, and under them, in KEPT_STORED_BITS, how many frames of
	 * the run are stored. One word: a kill leaves both or neither. */
	uint64_t done;
};
enum { KEPT_STORED_BITS = 48 };
#define KEPT_STORED_MASK ((UINT64_C(1) << KEPT_STORED_BITS) - 1)

enum {
	PAGE_BYTES = 4096, /* each part begins at one; the bytes read stand behind the first */
	/* The kernel's count of a connection goes down by what is read; before it can reach its
	 * end it is set again. */
	PEEK_FROM = INT32_MAX,
	PEEK_AGAIN = 1 << 30
};

/* A registered cell and its listener. */
struct kept_cell {
	uint64_t cookie; /* of its listener; 0: nothing is kept */
	uint64_t dev, ino;
	uint16_t name;
	bool is_static; /* of the configuration: it says again what the cell is */
	uint32_t mode;
	int64_t uid, owner, group;
	uint64_t ledger_quota;
	struct registration registration; /* .stated stands below */
	struct cell_limits limits;
	char id[CHT_CELL_ID_MAX + 1], run[CHT_ATTRIBUTION_MAX + 1], spec[CHT_ATTRIBUTION_MAX + 1];
	char base[CELL_CHANNEL_MAX + 1], path[CELL_CHANNEL_MAX + 1];
	char stated[CONTROL_BODY_MAX];
};

struct kept_head {
	uint64_t magic; /* written last */
	uint32_t head_bytes, conn_bytes, cell_bytes, receive_bytes;
	uint64_t bytes, conns_at, n_conns, conns_used;
	uint64_t cells_at, n_cells, cells_used, pool_at, pool_bytes;
	uint64_t address; /* where all of it stood */
	struct kept_turn turn;
};

/* Nobody who has it makes it shorter beneath who reads it. */
#define KEPT_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct kept {
	int fd; /* -1: plain memory */
	uint8_t *at;
	size_t bytes;
	struct kept_head *head;
	struct kept_cell *cells;
	bool is_told; /* the manager has it */
	/* Of the turn that was taken over: its bytes, and whether its next frame is stored already.
	 */
	size_t turn_bytes;
	bool skip;
	/* Of the process before us; null: nothing. */
	const uint8_t *old;
	size_t old_bytes;
	struct kept_head was; /* its head, as it was when it was checked */
};

#define KEPT_NULL                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* kept.c */
/* The mapping, for as many cells, connections and pool bytes as line says. CHT_E_NOMEM. */
int kept_open(struct line *line, struct cht_err *err) CHT_CHECKED;
void kept_close(struct line *line);
/* A listener was bound, or what is to be known of its cell changed; or it is closed: gives it up,
 * before it is. */
void kept_note_cell(struct line *line, uint32_t i);
void kept_forget_cell(struct line *line, uint32_t i);
/* A connection was opened; or is closed. */
void kept_note_conn(struct line *line, uint32_t at);
void kept_forget_conn(struct line *line, uint32_t at);
/* Around the turn of a connection: before its read, after each frame, at its end. */
void kept_begin_turn(struct line *line, uint32_t at);
void kept_note_done(struct line *line, const uint8_t *upto);
void kept_end_turn(struct line *line, uint32_t at, size_t n_read);
/* Whether what is kept stays for the next process: not when we were told to stop for good. */
bool kept_stays(const struct line *line);

/* kept_cells.c, kept_conns.c: at a start, in this order */
/* Looks at what the process before us had. */
void kept_find(struct line *line);
/* The listener of a cell, if it is kept: slot.left_fd. */
void kept_find_listener(struct line *line, uint32_t i);
/* Its name is ours too, if it is there still; else the listener goes. As opener_adopt. */
int kept_adopt(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* A cell that cannot be bound: when others wait for us to go on, it is told and its place is free
 * again. False: nobody does. */
bool kept_leave_out(struct line *line, uint32_t i, const struct cht_err *why);
/* Cells that came by control have their places again. CHT_E_NOMEM, as line_sleep. */
int kept_take_cells(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Connections of the runs that go on; all others end. Then what we have is kept instead of what the
 * process before us had, and frames that it had read are taken. CHT_E_PEER as line_emit. */
int kept_take_conns(struct line *line, struct cht_err *err) CHT_CHECKED;

#endif
