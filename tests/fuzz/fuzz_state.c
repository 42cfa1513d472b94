/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a slot of the scribe's state, as they are and with a checksum that fits: what is
 * taken has texts that end, and written again it is the same state.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "ledger/state.h"
#include "tlog/hash.h"

enum { SUM_AT = STATE_SLOT_BYTES - TLOG_HASH_BYTES };

static bool is_same(const struct ledger_state *a, const struct ledger_state *b)
{
	for (unsigned k = 0; k < 64; k++)
		if ((a->tree.size >> k & 1) != 0 &&
		    !tlog_hash_eq(&a->tree.node[k], &b->tree.node[k]))
			return false;
	return a->generation == b->generation && a->tree.size == b->tree.size &&
	       a->tail_first == b->tail_first && a->tail_bytes == b->tail_bytes &&
	       a->min_index == b->min_index && a->is_clean == b->is_clean &&
	       a->is_closed == b->is_closed && strcmp(a->note, b->note) == 0 &&
	       a->terms.retain_age_s == b->terms.retain_age_s &&
	       a->terms.retain_bytes == b->terms.retain_bytes &&
	       strcmp(a->terms.reason, b->terms.reason) == 0 &&
	       strcmp(a->terms.predecessor, b->terms.predecessor) == 0 &&
	       memcmp(a->machine_id, b->machine_id, sizeof(a->machine_id)) == 0;
}

static void check_slot(const uint8_t slot[STATE_SLOT_BYTES])
{
	uint8_t again[STATE_SLOT_BYTES];
	struct ledger_state state, same;

	if (!state_parse(slot, &state))
		return;
	HOLDS(memchr(state.note, '\0', sizeof(state.note)) != NULL);
	HOLDS(memchr(state.terms.predecessor, '\0', sizeof(state.terms.predecessor)) != NULL);
	HOLDS(memchr(state.terms.reason, '\0', sizeof(state.terms.reason)) != NULL);
	state_render(again, &state);
	HOLDS(state_parse(again, &same) && is_same(&state, &same));
	again[state.generation % STATE_SLOT_BYTES] ^= 1; /* any bit of it */
	HOLDS(!state_parse(again, &same));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint8_t slot[STATE_SLOT_BYTES];
	const struct cht_bytes all = { slot, SUM_AT };
	struct tlog_hash sum;

	memset(slot, 0, sizeof(slot));
	if (len > 0)
		memcpy(slot, bytes, len < sizeof(slot) ? len : sizeof(slot));
	check_slot(slot);
	hash_plain(&all, 1, &sum);
	memcpy(slot + SUM_AT, sum.b, sizeof(sum.b));
	check_slot(slot);
	return 0;
}
