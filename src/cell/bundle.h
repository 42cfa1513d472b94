/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle.h - what a run's evidence bundle refers to: stamped events go by, in bounded memory, and
 * with what an orchestrator said of the cell's end become cell.evidence_bundle. Pure.
 */
#ifndef CELL_BUNDLE_H
#define CELL_BUNDLE_H

#include "cell/cell.h"

/* Keeps a stamped event of the run, if a bundle refers to events of its kind. */
void bundle_note(struct bundle_seen *seen, enum event_kind kind, uint64_t sequence);

/* cell.evidence_bundle: the destroyed event must be given, facts->destroyed. *out borrows from
 * facts. */
void cell_stamp_bundle(struct cht_cell *cell, const struct facts_bundle *facts,
		       const struct cht_now *now, struct cht_stamped *out);

#endif
