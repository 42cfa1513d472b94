/* SPDX-License-Identifier: Apache-2.0
 *
 * runs.h - runs of an earlier process, and those that begin and end.
 */
#ifndef DAEMON_RUNS_H
#define DAEMON_RUNS_H

#include "daemon/line.h"

/* Every run that the table has goes on in its cell, or is sealed and leaves the table. */
int runs_settle(struct line *line, const struct table_found *found,
		struct cht_err *err) CHT_CHECKED;
/* Begins a run in every cell that has none. CHT_E_LIMIT when the run table is full, CHT_E_CONFIG.
 */
int runs_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The same of one cell in two steps: what can be refused for itself, CHT_E_CONFIG, CHT_E_RANGE; and
 * its first event. */
int runs_init_one(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
int runs_open_one(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* run.sealed, the last word of a cell's run. As line_emit. */
int runs_seal(struct line *line, struct slot *slot, struct cht_str reason,
	      struct cht_err *err) CHT_CHECKED;

#endif
