/* SPDX-License-Identifier: Apache-2.0
 *
 * probes.h - what the host asks of its own sources about a cell, and when. The opener opens for
 * them; a reading is emitted where deadlines are judged. A cell without probes costs a pointer.
 */
#ifndef DAEMON_PROBES_H
#define DAEMON_PROBES_H

#include "daemon/line.h"

/* Of an UNLINK that was asked for here: no place's. */
#define PROBES_UNLINK_TICKET (UINT64_MAX - 2)

/* What was stated of the cell, or configured: its first readings are due. A probe that cannot be is
 * left out, and said. CHT_E_NOMEM. */
int probes_open(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
void probes_close(struct line *line, struct slot *slot);
/* Takes those that are due a step on, and emits what can be read. As line_emit. */
int probes_turn(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* When probes_turn has something to do; UINT64_MAX: never, or when the opener answers. */
uint64_t probes_deadline(const struct slot *slot);
/* Makes room for a connection where descriptors are few: one probe gives its own back, and says at
 * its next reading that it has none. False: there is none. */
bool probes_give_up(struct line *line);
/* All are read now: the VM was paused, or goes on. */
void probes_hurry(struct line *line, uint32_t i);
/* The VM was restored: its VMM is another. */
void probes_restored(struct line *line, uint32_t i);
/* Who connects may be the VMM that nobody named. */
void probes_meet(struct line *line, uint32_t i, uint32_t pid);
/* One reading more of each, the last; whether they were taken. */
void probes_begin_last(struct line *line, uint32_t i);
bool probes_have_ended(const struct slot *slot);
/* They were, or cannot be any more: what is left of claims is judged, to be told. */
void probes_end(struct slot *slot);
/* The run's verdicts: nothing comes after them but the bundle and the seal. As line_emit. */
int probes_tell(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* The loop found FD_PROBE + kind ready, of the tenant gen. */
void probes_on_ready(struct line *line, uint32_t i, uint32_t gen, unsigned kind);
/* An answer of the opener to what was asked here. CHT_E_PEER: it was not. */
int probes_on_answer(struct line *line, const struct opening_answer *answer, int fd,
		     struct cht_err *err) CHT_CHECKED;
/* Of a FIFO, the opener's number, or 0: nobody reads it any more. */
void probes_leave_fifo(uint64_t made);
/* FIFOs of cells that are gone are unlinked: as many as can be asked for now. */
int probes_unlink_left(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Those that could not ask before. */
int probes_ask_again(struct line *line, struct cht_err *err) CHT_CHECKED;

#endif
