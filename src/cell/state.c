/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a cell is. Its state follows from a few facts, and is looked up anew when one of them
 * changes: so no order of frames, statements and witnesses can leave it in a wrong one. The first
 * of these that holds, from above:
 *
 * state     holds while                        clock   a frame  moved on by
 * GONE      the VMM has ended                  runs    is life  one of a new connection; restored
 * PAUSED    told so, or snapshotted            stands  is life  resumed; restored
 * SILENT    the window ran out                 fired   is life  a frame; restored
 * HUNG      the same, and the VM stands still  fired   is life  the same; SILENT as it moves
 * IDLE      the same, but connected, and no    fired   is life  the same
 *           heartbeat was promised
 * STARVED   a witness says that the VM wanted  stands  is life  its next word, or none for
 *           to run and could not                                a window
 * RESTORED  told so, and nothing heard since   runs    if new   a frame; boot window's end
 * EXPECTED  nothing was ever heard             runs    is life  a frame; boot window's end
 * LIVE      otherwise                          runs    is life  keep-alive window's end
 *
 * If new: frames of connections that the VM before had opened lay in the kernel; they are stamped,
 * and are no life. So did those that are read in GONE, and only a connection opened since says that
 * there is a VM again. In PAUSED and STARVED a frame counts, and the clock stands still all the
 * same. While we do not read the cell its clock stands still in every state.
 *
 * A frame in LIVE stores a time and comes here never. Nothing else is touched by one: deadlines
 * are found to have moved when the old one comes.
 */
#include "cell/claims.h"

#include "base/bytes.h"
#include "base/limits.h"

static enum cell_state state_of(const struct cht_cell *cell)
{
	if (cell->is_gone)
		return CELL_GONE;
	if ((cell->held & HELD_TOLD) != 0)
		return CELL_PAUSED;
	if (cell->is_silent)
		return (enum cell_state)cell->verdict;
	if ((cell->held & HELD_STARVED) != 0)
		return CELL_STARVED;
	if (cell->is_restored)
		return CELL_RESTORED;
	return cell->heard ? CELL_LIVE : CELL_EXPECTED;
}

/* What a guest can bring about is told once a second, with the count; what others do, at once. */
static void settle(struct cht_cell *cell, enum state_basis basis)
{
	enum cell_state state = state_of(cell);

	cell->next_ns = 0; /* a window may end before the one that ran */
	if (state == cell->state)
		return;
	cell->state = (uint8_t)state;
	cell->changed_by = (uint8_t)basis;
	cell->changes++;
	cell->state_p.due = true;
	if (basis == STATE_BY_STATEMENT)
		cell->state_p.told = false;
}

struct witnesses cell_witnesses(const struct cht_cell *cell, const struct cht_now *now)
{
	struct witnesses w = { .open = cell->open, .told = cell->told };

	w.is_heard = cell->heard && !cell->is_silent && !cell->is_restored && !cell->is_gone;
	for (int i = 0; i < N_WITNESSES; i++)
		w.said[i] = (uint8_t)cell_witness(cell, (enum witness)i, now);
	return w;
}

struct facts_state_changed cell_take_change(struct cht_cell *cell, const struct cht_now *now)
{
	struct facts_state_changed facts = { .from = (enum cell_state)cell->told_state,
					     .to = (enum cell_state)cell->state,
					     .basis = (enum state_basis)cell->changed_by,
					     .count = cell->changes,
					     .epoch = cell->epoch,
					     .witnesses = cell_witnesses(cell, now) };

	cell->told_state = cell->state;
	cell->changes = 0;
	return facts;
}

void cell_hold(struct cht_cell *cell, unsigned why, uint64_t since_ns)
{
	if (cell->held == 0)
		cht_silence_pause(&cell->silence, since_ns);
	else if (since_ns < cell->silence.paused_ns)
		cell->silence.paused_ns = since_ns != 0 ? since_ns : 1;
	cell->held |= (uint8_t)why;
}

void cell_release(struct cht_cell *cell, unsigned why, uint64_t now_ns)
{
	cell->held &= (uint8_t)~why;
	if (cell->held == 0)
		cht_silence_resume(&cell->silence, now_ns);
	cell->next_ns = 0;
}

/* A new trigger, unless one is to fire once for ever and has. */
static void begin_window(struct cht_cell *cell, uint64_t window_ns, uint64_t now_ns)
{
	uint64_t paused_ns = cell->silence.paused_ns;

	if (cell->silence_once && cell->silence.fired)
		return;
	cht_silence_init(&cell->silence, window_ns, now_ns);
	cell->silence.paused_ns = paused_ns;
}

static void end_episode(struct cht_cell *cell, uint64_t now_ns)
{
	uint64_t before = cell->silence.heard_ns;

	cell->is_silent = false;
	if (cell->silence_once)
		return;
	cell->met->resumed.episode = cell->episode;
	cell->met->resumed.silent_ns = now_ns > before ? now_ns - before : 0;
	cell->met->resumed_p.due = true;
}

void cell_come_to_life(struct cht_cell *cell, const struct cht_frame_facts *facts, uint64_t now_ns)
{
	bool is_new = !cell->heard || cell->is_silent || cell->is_restored;

	if (facts->epoch < cell->epoch)
		return;
	if (cell->is_silent)
		end_episode(cell, now_ns);
	cell->heard = true;
	cell->is_restored = false;
	if (facts->connection > cell->gone_connections)
		cell->is_gone = false;
	if (is_new)
		begin_window(cell, cell->keepalive_window_ns, now_ns);
	else
		cht_silence_heard(&cell->silence, now_ns);
	settle(cell, STATE_BY_FRAME);
}

void cell_note_told(struct cht_cell *cell, enum cell_told what, const struct cht_now *now)
{
	uint64_t at = now->monotonic_ns;
	bool was_held = (cell->held & HELD_TOLD) != 0;

	cell->told = (uint8_t)what;
	switch (what) {
	case TOLD_PAUSED:
	case TOLD_SNAPSHOTTING: cell_hold(cell, HELD_TOLD, at); break;
	case TOLD_RESUMED:
		cell_release(cell, HELD_TOLD, at);
		if (was_held)
			cht_silence_heard(&cell->silence, at);
		break;
	case TOLD_RESTORED:
		cell_release(cell, HELD_TOLD | HELD_STARVED, at);
		cell->epoch++;
		cell->is_restored = true;
		cell->is_gone = cell->is_silent = false;
		memset(cell->said, SAID_NOTHING, sizeof(cell->said));
		if (cell->claims != NULL)
			claims_restart(cell->claims);
		begin_window(cell, cell->boot_window_ns, at);
		break;
	case TOLD_NOTHING:
	case N_TOLD: break;
	}
	settle(cell, STATE_BY_STATEMENT);
}

enum witness_said cell_witness(const struct cht_cell *cell, enum witness witness,
			       const struct cht_now *now)
{
	uint64_t at = cell->said_ns[witness];
	bool is_reading = witness != WITNESS_VMM_PROCESS;

	if (is_reading && (at < cell->silence.heard_ns ||
			   u64_sum(at, cell->keepalive_window_ns) < now->monotonic_ns))
		return SAID_NOTHING;
	return (enum witness_said)cell->said[witness];
}

/* What the window's end says, by who can be asked. */
static enum cell_state judge(const struct cht_cell *cell, const struct cht_now *now)
{
	bool is_still = false, runs = false;

	if (cell->heard && !cell->has_heartbeat && !cell->is_restored && cell->open > 0)
		return CELL_IDLE;
	for (int w = 0; w < WITNESS_VMM_PROCESS; w++) {
		enum witness_said said = cell_witness(cell, (enum witness)w, now);

		is_still = is_still || said == SAID_STILL;
		runs = runs || said == SAID_RUNS;
	}
	return is_still && !runs ? CELL_HUNG : CELL_SILENT;
}

void cell_fall_silent(struct cht_cell *cell, const struct cht_now *now)
{
	cell->is_silent = true;
	cell->verdict = (uint8_t)judge(cell, now);
	settle(cell, STATE_BY_WINDOW);
}

/* Until when what witnesses said keeps the clock; 0: none said so. */
static uint64_t starved_until(const struct cht_cell *cell)
{
	uint64_t until = 0;

	for (int w = 0; w < N_WITNESSES; w++) {
		uint64_t end = u64_sum(cell->said_ns[w], cell->keepalive_window_ns);

		if (cell->said[w] == SAID_STARVED && end > until)
			until = end;
	}
	return until;
}

void cell_note_witness(struct cht_cell *cell, enum witness witness, enum witness_said said,
		       const struct cht_now *now)
{
	uint64_t at = now->monotonic_ns, before = cell->said_ns[witness];
	bool was_starved = (cell->held & HELD_STARVED) != 0;
	bool is_news = cell->said[witness] != (uint8_t)said;

	cell->said[witness] = (uint8_t)said;
	cell->said_ns[witness] = at;
	/* Another may have come since it was last gone, which was not heard: so is that one. */
	if (said == SAID_GONE && (is_news || !cell->is_gone)) {
		cell->gone_connections = cell->connections;
		/* At once, unless it was there for a moment only: a process that comes and goes
		 * all the time is told once a second. */
		if (!cell->is_gone && at - before >= LIMIT_PROVOKED_EVENT_NS)
			cell->state_p.told = false;
		cell->is_gone = true;
	}
	if (!was_starved && said == SAID_STARVED)
		cell_hold(cell, HELD_STARVED, at);
	else if (was_starved && starved_until(cell) <= at)
		cell_release(cell, HELD_STARVED, at);
	if (cell->is_silent)
		cell->verdict = (uint8_t)judge(cell, now);
	if (state_of(cell) != cell->state || was_starved)
		settle(cell, STATE_BY_WITNESS);
}

void cell_state_on_time(struct cht_cell *cell, const struct cht_now *now)
{
	if ((cell->held & HELD_STARVED) == 0 || starved_until(cell) > now->monotonic_ns)
		return;
	cell_release(cell, HELD_STARVED, now->monotonic_ns);
	settle(cell, STATE_BY_WITNESS);
}

uint64_t cell_state_deadline(const struct cht_cell *cell)
{
	return (cell->held & HELD_STARVED) != 0 ? starved_until(cell) : UINT64_MAX;
}
