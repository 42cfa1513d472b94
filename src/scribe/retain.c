/* SPDX-License-Identifier: Apache-2.0
 *
 * The scribe knows the policy, ages and sizes; which run is the oldest open one, the line knows. So
 * one proposes, the other lowers and writes the event, and nothing goes that was not proposed here.
 */
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "scribe/scribe.h"

#define CONSIDER_NS (3600 * NS_PER_S)

static int propose(struct scribe *scribe, uint64_t index, struct cht_err *err)
{
	const struct handoff_msg msg = { .kind = HANDOFF_PRUNE, .prune = { .min_index = index } };
	int r = handoff_send(scribe->line_fd, &msg, NULL, 0, err);

	if (r == 0)
		scribe->proposed = index;
	/* That the line is gone is learned from its socket. */
	return r == CHT_E_PEER ? 0 : r;
}

int retain_consider(struct scribe *scribe, struct cht_err *err)
{
	struct ledger *ledger = &scribe->ledger;
	uint64_t index, now_ns = clk_monotonic_ns();
	struct cht_now now;
	int r;

	if (scribe->line_fd < 0 || scribe->proposed != 0 || scribe->is_line_gone ||
	    (scribe->considered_ns != 0 && ledger->tail.first == scribe->considered_first &&
	     now_ns - scribe->considered_ns < CONSIDER_NS))
		return 0;
	scribe->considered_first = ledger->tail.first;
	scribe->considered_ns = now_ns;
	clk_read(&now);
	r = ledger_prunable(ledger, (uint64_t)(now.realtime_ns / (int64_t)NS_PER_S), &index, err);
	if (r < 0 || index <= ledger->state.min_index)
		return r;
	return propose(scribe, index, err);
}

int retain_on_answer(struct scribe *scribe, uint64_t index, struct cht_err *err)
{
	if (index > scribe->proposed || index % SEGMENT_ENTRIES != 0 ||
	    (index != 0 && index <= scribe->ledger.state.min_index))
		return cht_fail(err, CHT_E_PEER, 0,
				"the line agreed to a pruning that nobody proposed");
	scribe->agreed = index;
	if (index == 0)
		scribe->proposed = 0;
	return 0;
}

int retain_apply(struct scribe *scribe, struct cht_err *err)
{
	uint64_t index = scribe->agreed;
	int r;

	/* The state is not written while another one is on its way to the same slot. */
	if (index == 0 || scribe->stage == STAGE_PUBLISHING)
		return 0;
	r = ledger_prune(&scribe->ledger, index, err);
	if (r < 0)
		return r;
	scribe->agreed = scribe->proposed = 0;
	diag(DIAG_NOTICE, "entries below %llu are removed, as the retention policy says",
	     (unsigned long long)index);
	return 0;
}
