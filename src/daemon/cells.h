/* SPDX-License-Identifier: Apache-2.0
 *
 * cells.h - accept, limits, deadlines of cells.
 */
#ifndef DAEMON_CELLS_H
#define DAEMON_CELLS_H

#include "daemon/line.h"

/* What a cell's channel is called, NUL-terminated: its socket's path, or "vsock:" and its CID.
 * CHT_E_RANGE when it does not fit. */
int cells_channel(const struct placed *c, char *out, size_t cap) CHT_CHECKED;
/* Whether a cell has it. Asked before it is bound: to find out by the socket itself would be a
 * connection to that cell. */
bool cells_channel_is_taken(const struct line *line, const struct placed *c);
/* Says what of a place will not work as its operator may expect. */
void cells_prepare(const struct line *line, uint32_t i);
/* Hears a bound socket from now on. */
int cells_listen(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* Closes a listener, whose name is gone; or every one. */
void cells_close_listener(struct line *line, struct slot *slot);
void cells_close_listeners(struct line *line);
/* Those that are kept stay for the next process, with their names; the others go. */
void cells_leave_listeners(struct line *line);
/* Both its budgets, by its limits, are full. */
void cells_fill_budgets(const struct line *line, struct slot *slot);
/* Takes who waits, at most ACCEPTS_PER_TURN; true when there may be more. */
bool cells_on_accept(struct line *line, uint32_t i);
/* Takes all who could wait when it is called: as many as the backlog holds. */
void cells_accept_backlog(struct line *line, uint32_t i);
/* What channel_accept gave of a connection to cell i, and its result: lets it stay, or not. */
void cells_take(struct line *line, uint32_t i, int result, int fd, const struct channel_peer *peer);
/* A listener whose accept failed is not heard for a while, and who asks for it is told why. */
void cells_rest(struct line *line, int fd, enum fd_kind kind, const char *who, const char *why);
/* Hears the listeners again that rested long enough after a failed accept. */
void cells_listen_again(struct line *line);
/* Emits what a cell has to say at line->now. CHT_E_PEER as line_emit. */
int cells_emit_due(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* Takes a cell's next time into the heap when it comes earlier; what was moved later is found
 * out when the old time comes. */
void cells_hurry(struct line *line, uint32_t i);
/* After a connection's turn, or its end: run table, frame budget, blocks that came free. */
void cells_after_turn(struct line *line, uint32_t i, uint64_t n_frames);
/* Everything that is due at line->now: host events of cells, budgets, stalls. */
int cells_on_time(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Puts into the run table what must survive us of a cell's frames. */
void cells_note_left(struct line *line, const struct slot *slot);
/* There is room again: every cell's next time counts again. */
void cells_note_room(struct line *line);
/* The same without the cell's own pauses: by it a frame stalls. */
uint64_t cells_reading_ns(const struct line *line, const struct slot *slot);
/* What is counted and not yet told, of all cells. */
int cells_flush(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The same of one cell. */
int cells_flush_one(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* When cells_on_time must be called next. */
uint64_t cells_deadline(const struct line *line);
/* The cells are not being read since that time, or are again: their silence clocks stand still
 * meanwhile. */
void cells_note_paused(struct line *line, bool paused, uint64_t since_ns);

#endif
