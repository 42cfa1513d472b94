/* SPDX-License-Identifier: Apache-2.0
 *
 * evidence.h - what a run's evidence bundle will say: events as they are emitted, statements of an
 * orchestrator as they are recorded; cell.evidence_bundle before the seal, if the end of the cell
 * was stated.
 */
#ifndef DAEMON_EVIDENCE_H
#define DAEMON_EVIDENCE_H

#include "daemon/line.h"

/* What was stated of the end of a cell. */
struct evidence {
	char *lifecycle, *destroyed; /* as in struct facts_bundle; null: nothing */
	size_t lifecycle_len, destroyed_len;
	uint64_t omitted;
	char *residue; /* what is left of it, as it was stated: a JSON object; null: nothing */
	size_t residue_len;
};

/* Room for each place, which takes memory when an event comes. CHT_E_NOMEM. */
int evidence_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Safe before evidence_open. */
void evidence_close(struct line *line);
/* Of a place whose tenant goes. */
void evidence_forget(struct line *line, uint32_t i);

/* An event of a place's run was emitted. */
void evidence_note(struct line *line, struct slot *slot, const struct cht_stamped *stamped);
/* Something was stated of it, and recorded. What there is no memory for will not be in the bundle.
 */
void evidence_note_stated(struct line *line, uint32_t i, struct cht_str stated);
/* The bundle, where there is to be one: nothing comes after it but the seal. As line_emit. */
int evidence_emit(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;

#endif
