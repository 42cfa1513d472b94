/* SPDX-License-Identifier: Apache-2.0
 *
 * moves.h - cells that come and go, each step waiting for its turn at the disk.
 */
#ifndef DAEMON_MOVES_H
#define DAEMON_MOVES_H

#include "daemon/line.h"

/* A cell comes: its socket is asked for, then its run begins. request null: by the configuration.
 * When that is durable it is told of in hub_tell_opened, or before in hub_tell_failed. CHT_E_FULL:
 * the ledger has no room. CHT_E_LIMIT: no place. CHT_E_CONFIG, CHT_E_RANGE: what it is. */
int moves_register(struct line *line, const struct placed *reg,
		   const struct control_request *request, uint32_t *i,
		   struct cht_err *err) CHT_CHECKED;
/* A cell goes: when its run is sealed it is told of in hub_tell_sealed. */
void moves_retire(struct line *line, uint32_t i);
/* What can be done now for those that come and go. CHT_E_PEER as line_emit. */
int moves_go_on(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Whether there will be more to do at once. */
bool moves_have_work(const struct line *line);
/* A receipt that was asked for; text "": the scribe could not give it. */
void moves_on_receipt(struct line *line, uint64_t index, struct cht_str text);
/* The opener has answered. fd is taken; why->code below 0: there is no socket, and before we are
 * ready that is the result, with *why as its detail. */
int moves_on_bound(struct line *line, uint32_t i, int fd, const struct cht_err *why,
		   struct cht_err *err) CHT_CHECKED;
void moves_on_unbound(struct line *line, uint32_t i);
/* All of it, and what was stated, waiting for the disk. As line_await_durable. */
int moves_finish(struct line *line, struct cht_err *err) CHT_CHECKED;

/* What is left to be said of a run before its seal. As line_emit. */
int moves_tell_end(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;

#endif
