/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host has to say of a cell beside its frames, and when. A guest can provoke all of it,
 * so each kind has its window: the first is told at once, then one a window with the counts since.
 */
#include "cell/cell.h"

#include "base/bytes.h"
#include "base/limits.h"

/* Once the quota of a run is used up and this was said, once a minute is enough. */
static uint64_t dropped_window(const struct cht_cell *cell)
{
	return cell->quota_told ? LIMIT_QUOTA_EVENT_NS : LIMIT_PROVOKED_EVENT_NS;
}

uint64_t pending_due_ns(const struct pending *p, uint64_t window_ns)
{
	if (!p->due)
		return UINT64_MAX;
	return p->told ? u64_sum(p->last_ns, window_ns) : 0;
}

bool pending_take(struct pending *p, uint64_t window_ns, bool is_flush, uint64_t now_ns)
{
	if (!p->due || (!is_flush && pending_due_ns(p, window_ns) > now_ns))
		return false;
	*p = (struct pending){ .last_ns = now_ns, .told = true };
	return true;
}

static bool take_channel(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
			 struct cht_stamped *out)
{
	uint64_t at = now->monotonic_ns;

	if (pending_take(&cell->met->opened_p, LIMIT_PROVOKED_EVENT_NS, is_flush, at)) {
		run_stamp(&cell->run, EV_CHANNEL_OPENED, now, out);
		out->facts.channel_opened = cell->met->opened;
		out->facts.channel_opened.open = cell->open;
		cell->met->opened = (struct facts_channel_opened){ .count = 0 };
		return true;
	}
	if (pending_take(&cell->met->closed_p, LIMIT_PROVOKED_EVENT_NS, is_flush, at)) {
		run_stamp(&cell->run, EV_CHANNEL_CLOSED, now, out);
		out->facts.channel_closed = cell->met->closed;
		out->facts.channel_closed.open = cell->open;
		cell->met->closed = (struct facts_channel_closed){ .count = 0 };
		return true;
	}
	return false;
}

static bool take_dropped(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
			 struct cht_stamped *out)
{
	if (!pending_take(&cell->met->dropped_p, dropped_window(cell), is_flush, now->monotonic_ns))
		return false;
	run_stamp(&cell->run, EV_GUEST_TELEMETRY_DROPPED, now, out);
	out->facts.dropped = cell->met->dropped;
	cell->quota_told = cell->quota_told || cell->met->dropped.over_quota > 0;
	cell->met->dropped = (struct facts_dropped){ .in_guest = 0 };
	return true;
}

static bool take_frames(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
			struct cht_stamped *out)
{
	uint64_t at = now->monotonic_ns;

	if (pending_take(&cell->met->refused_p, LIMIT_PROVOKED_EVENT_NS, is_flush, at)) {
		run_stamp(&cell->run, EV_FRAMES_REFUSED, now, out);
		out->facts.refused = cell->met->refused;
		cell->met->refused = (struct facts_refused){ .count = 0 };
		return true;
	}
	if (pending_take(&cell->met->forged_p, LIMIT_PROVOKED_EVENT_NS, is_flush, at)) {
		run_stamp(&cell->run, EV_GUEST_ATTRIBUTION_FORGED, now, out);
		out->facts.forged = cell->met->forged;
		cell->met->forged = (struct facts_forged){ .count = 0 };
		return true;
	}
	return take_dropped(cell, is_flush, now, out);
}

static bool take_resumed(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out)
{
	if (!pending_take(&cell->met->resumed_p, 0, true, now->monotonic_ns))
		return false;
	run_stamp(&cell->run, EV_GUEST_AGENT_RESUMED, now, out);
	out->facts.agent_resumed = cell->met->resumed;
	return true;
}

static bool take_change(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
			struct cht_stamped *out)
{
	if (!pending_take(&cell->state_p, LIMIT_PROVOKED_EVENT_NS, is_flush, now->monotonic_ns))
		return false;
	run_stamp(&cell->run, EV_CELL_STATE_CHANGED, now, out);
	out->facts.state_changed = cell_take_change(cell, now);
	return true;
}

static bool judge_silence(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out)
{
	struct cht_silence_signal signal;
	struct facts_silenced facts = { .episode = cell->episode + 1 };

	if (!cht_silence_trigger(&cell->silence, now->monotonic_ns, &signal))
		return false;
	facts.window_ns = signal.window_ns;
	facts.elapsed_ns = signal.elapsed_ns;
	facts.witnesses = cell_witnesses(cell, now);
	facts.witnesses.is_heard = false;
	facts.pauses = cell->pauses; /* none lasts: the clock would stand still */
	if (!cell->heard)
		facts.basis = STR("never-heard");
	else if (cell->has_heartbeat)
		facts.basis = STR("heartbeat");
	else
		facts.basis = STR("frames-only");
	cell->episode++;
	cell_fall_silent(cell, now);
	run_stamp(&cell->run, EV_GUEST_AGENT_SILENCED, now, out);
	out->facts.silenced = facts;
	return true;
}

/* What was dropped for want of space, before anything after it. The end of an episode before the
 * next one's beginning; the opening of a connection before what came over it; its closing after. */
static bool take_any(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
		     struct cht_stamped *out)
{
	if (!cell->is_met)
		return take_change(cell, is_flush, now, out) ||
		       cell_take_claim(cell, is_flush, now, out);
	if (cell->met->dropped.no_space > 0 && take_dropped(cell, true, now, out))
		return true;
	return take_resumed(cell, now, out) || take_channel(cell, is_flush, now, out) ||
	       take_change(cell, is_flush, now, out) || take_frames(cell, is_flush, now, out) ||
	       cell_take_claim(cell, is_flush, now, out);
}

bool cell_next(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out)
{
	if (now->monotonic_ns < cell->next_ns)
		return false;
	cell_state_on_time(cell, now);
	if (take_any(cell, false, now, out) || judge_silence(cell, now, out))
		return true;
	cell->next_ns = cell_deadline(cell);
	return false;
}

bool cell_flush(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out)
{
	return take_any(cell, true, now, out);
}

uint64_t cell_deadline(const struct cht_cell *cell)
{
	const struct cell_met *met = cell->met;
	const struct pending *const each[] = { &met->opened_p, &met->closed_p, &met->refused_p,
					       &met->forged_p };
	uint64_t at = cht_silence_deadline(&cell->silence), state = cell_state_deadline(cell);
	uint64_t dropped;

	if (state < at)
		at = state;
	state = pending_due_ns(&cell->state_p, LIMIT_PROVOKED_EVENT_NS);
	if (state < at)
		at = state;
	state = cell_claim_deadline(cell);
	if (state < at)
		at = state;
	if (!cell->is_met)
		return at;
	if (met->resumed_p.due || met->dropped.no_space > 0)
		return 0;
	dropped = pending_due_ns(&met->dropped_p, dropped_window(cell));
	if (dropped < at)
		at = dropped;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		uint64_t due = pending_due_ns(each[i], LIMIT_PROVOKED_EVENT_NS);

		if (due < at)
			at = due;
	}
	return at;
}

bool cell_has_pending(const struct cht_cell *cell)
{
	const struct cell_met *met = cell->met;

	return cell->state_p.due ||
	       (cell->is_met && (met->opened_p.due || met->closed_p.due || met->refused_p.due ||
				 met->forged_p.due || met->dropped_p.due || met->resumed_p.due));
}
