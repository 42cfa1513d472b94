/* SPDX-License-Identifier: Apache-2.0
 *
 * witness.h - what is known of a VM beside its frames.
 */
#ifndef DAEMON_WITNESS_H
#define DAEMON_WITNESS_H

#include "daemon/line.h"

/* An orchestrator states something of a cell that is open (cell_note_told). */
void witness_told(struct line *line, uint32_t i, enum cell_told what);
/* Of a run that an earlier process began: what was said to that one. A cell that was restored and
 * not heard yet is expected now. */
void witness_take_over(struct line *line, struct slot *slot, const struct frames_left *left);
/* Watches the process that connected fd, or the one with this number, as the VMM of a cell that has
 * none yet; as long as there are descriptors for it. A process that is not there is not watched. */
void witness_meet(struct line *line, uint32_t i, int fd);
void witness_watch(struct line *line, uint32_t i, uint32_t pid);
/* The loop found FD_VMM ready, of the tenant gen. */
void witness_on_end(struct line *line, uint32_t i, uint32_t gen);
/* Makes room for a connection where descriptors are few: one VMM is no longer watched. False: there
 * is none. */
bool witness_give_up(struct line *line);
/* Its descriptor goes. */
void witness_drop(struct line *line, struct slot *slot);
/* We slept from before_ns, and were to be awake at due_ns (cell_note_late). */
void witness_late(struct line *line, uint64_t due_ns, uint64_t before_ns);

#endif
