/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/bundle.h"

#include <assert.h>

void bundle_note(struct bundle_seen *seen, enum event_kind kind, uint64_t sequence)
{
	unsigned at = bundle_place(kind);

	if (at == BUNDLE_N_KINDS)
		return;
	if (seen->first[at] == 0)
		seen->first[at] = sequence;
	seen->last[at] = sequence;
	if (seen->n < BUNDLE_REFS_MAX)
		seen->refs[seen->n] = bundle_ref(kind, sequence);
	seen->n++;
}

void cell_stamp_bundle(struct cht_cell *cell, const struct facts_bundle *facts,
		       const struct cht_now *now, struct cht_stamped *out)
{
	assert(facts->destroyed.len > 0);
	run_stamp(&cell->run, EV_CELL_EVIDENCE_BUNDLE, now, out);
	out->facts.bundle = *facts;
}
