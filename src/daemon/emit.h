/* SPDX-License-Identifier: Apache-2.0
 *
 * emit.h - the one way out: stamped values go in, events go into the ring; and waiting for it.
 */
#ifndef DAEMON_EMIT_H
#define DAEMON_EMIT_H

#include "daemon/line.h"

enum {
	/* What one turn can give rise to: RECEIVE_BYTES hold at most 207 frames that decode (79
	 * bytes is the shortest), each an event of at most 1,500 bytes and six for each byte that
	 * must be escaped; a frame that this read completes is at most one event of the largest
	 * size; and the events that were pending. */
	TURN_BYTES = 208 * 1500 + 6 * RECEIVE_BYTES + CHT_EVENT_MAX_BYTES + 16 * 2048,
};
_Static_assert(TURN_BYTES < RING_BYTES / 4, "a ring that wakes us for room has room for a turn");

/* Renders one stamped value of a cell (null: of the host) into the ring, after the run table
 * knows of it. Waits for room only at start and stop; on the path of a frame line_has_room was
 * asked before. CHT_E_PEER when the scribe is gone. */
int line_emit(struct line *line, struct slot *slot, const struct cht_stamped *stamped,
	      struct cht_err *err) CHT_CHECKED;
/* Whether all that one connection's turn can give rise to has room. */
bool line_has_room(struct line *line);
/* The same for one event of the host: guests leave so much, and more, as long as the disk keeps
 * up. */
bool line_has_room_for_one(struct line *line);
/* Whether somebody who asks for one may have it now. CHT_E_FULL says to them why not. */
int line_may_emit(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Whether guests are read although there is no room, because the disk is full and the operator
 * chose that what they send is then dropped. */
bool line_may_drop(const struct line *line);
/* Sleeps until the ring moved or the scribe spoke. CHT_E_STATE when a signal says not to wait: any
 * before we are ready, later the second one. CHT_E_FULL when the disk is full and we are to
 * stop, and no space came in time. */
int line_sleep(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Waits until everything emitted is durable. As line_sleep; CHT_E_PEER. */
int line_await_durable(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Reads what the scribe has to say; CHT_E_PEER when it is gone, with its last word as text. */
int line_hear_scribe(struct line *line, struct cht_err *err) CHT_CHECKED;
uint64_t line_next_index(const struct line *line);
/* Monotonic time without that during which the ring was full. */
uint64_t line_reading_ns(const struct line *line);

/* The service manager's watchdog hears that we live, and what there is to know at a glance, when
 * line_life_deadline has come; UINT64_MAX: never. */
uint64_t line_life_deadline(const struct line *line);
void line_show_life(struct line *line, uint64_t now_ns);

#endif
