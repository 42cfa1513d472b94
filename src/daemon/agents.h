/* SPDX-License-Identifier: Apache-2.0
 *
 * agents.h - what agents' numbers said, for the next process.
 */
#ifndef DAEMON_AGENTS_H
#define DAEMON_AGENTS_H

#include "daemon/line.h"

/* What the frame's agent has numbered, into the run table: after the frame is stamped, before its
 * event is emitted. */
void agents_note(struct line *line, const struct slot *slot, const struct cht_declaration *d);
/* What the run table has of a cell's run: what its agents told an earlier process. */
void agents_take_over(struct line *line, struct slot *slot);

#endif
