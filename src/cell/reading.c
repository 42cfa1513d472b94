/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's own sources say of a cell: stamped like everything else, and a witness. */
#include "cell/claims.h"

void cell_stamp_reading(struct cht_cell *cell, const struct cht_reading *reading,
			const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, (enum event_kind)(EV_PROBE_FC_METRICS + reading->kind), now, out);
	out->facts.reading = reading;
	if (cell->claims == NULL)
		return;
	claims_note_reading(cell->claims, reading, out->sequence, cell->received_bytes);
	cell->next_ns = 0;
}

const struct cht_stamped *cht_stamp_reading(struct cht_cell *cell,
					    const struct cht_reading *reading,
					    const struct cht_now *now)
{
	cell_note_reading(cell, reading, now);
	cell_stamp_reading(cell, reading, now, cell->last);
	return cell->last;
}

void cell_note_reading(struct cht_cell *cell, const struct cht_reading *reading,
		       const struct cht_now *now)
{
	static const uint8_t said[] = {
		[CHT_PROBE_SAYS_RUNS] = SAID_RUNS,
		[CHT_PROBE_SAYS_STILL] = SAID_STILL,
		[CHT_PROBE_SAYS_STARVED] = SAID_STARVED,
		[CHT_PROBE_SAYS_GONE] = SAID_GONE,
	};
	static const uint8_t witnesses[CHT_N_PROBES] = {
		[CHT_PROBE_FC_METRICS] = WITNESS_VCPU_EXITS,
		[CHT_PROBE_CGROUP] = WITNESS_CGROUP_CPU,
		[CHT_PROBE_VMM_PROC] = WITNESS_VMM_TASKS,
		[CHT_PROBE_NFTABLES] = N_WITNESSES,
		[CHT_PROBE_TAP_LINK] = N_WITNESSES,
	};

	if (reading->says == CHT_PROBE_SAYS_NOTHING || witnesses[reading->kind] == N_WITNESSES)
		return;
	cell_note_witness(cell, (enum witness)witnesses[reading->kind],
			  (enum witness_said)said[reading->says], now);
}
