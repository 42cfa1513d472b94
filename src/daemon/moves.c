/* SPDX-License-Identifier: Apache-2.0 */
/* Cells that come and go while the line runs. Each step waits for the disk without holding up
 * anybody: what waits stands in a list, which is gone through once a turn. */
#include "daemon/moves.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/limits.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/evidence.h"
#include "daemon/hub.h"
#include "daemon/opener.h"
#include "daemon/probes.h"
#include "daemon/runs.h"
#include "daemon/slots.h"
#include "daemon/witness.h"

enum { READS_PER_TURN = 16 }; /* of one connection that is drained */

static void wait_for_disk(struct line *line, struct slot *slot, enum slot_state state)
{
	slot->state = state;
	slot->awaited = ring_put_count(&line->ring);
}

static void take_up(struct line *line, uint32_t i)
{
	line->slots[i].is_moving = true;
	line->slots[i].next = line->moving;
	line->moving = i;
}

int moves_register(struct line *line, const struct placed *reg,
		   const struct control_request *request, uint32_t *i, struct cht_err *err)
{
	int r = line_may_emit(line, err);

	if (r == 0)
		r = slot_take(line, reg, i, err);
	if (r < 0)
		return r;
	r = request != NULL ? registration_take(line, *i, request, err) : 0;
	if (r == 0)
		r = runs_init_one(line, *i, err);
	if (r < 0) {
		slot_drop(line, *i);
		return r;
	}
	cells_prepare(line, *i);
	take_up(line, *i);
	return 0;
}

/* What was made for it goes, and nothing of it was in the ledger. */
static void give_up(struct line *line, uint32_t i, const struct cht_err *why)
{
	line->slots[i].state = SLOT_UNBINDING;
	line->slots[i].is_undone = true;
	if (line->slots[i].is_static)
		diag(DIAG_ERROR, "cell %s is left out: %s", line->slots[i].reg.id, why->text);
	hub_tell_failed(line, i, why);
}

int moves_on_bound(struct line *line, uint32_t i, int fd, const struct cht_err *why,
		   struct cht_err *err)
{
	struct slot *slot = &line->slots[i];

	slot->listen_fd = fd;
	slot->state = SLOT_BOUND;
	if (why->code == 0)
		return 0;
	if (!line->is_ready && kept_leave_out(line, i, why))
		return 0;
	if (!line->is_ready) {
		*err = *why;
		return why->code;
	}
	give_up(line, i, why);
	return 0;
}

/* Its run begins, and now it may be connected to. */
static int open_step(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	int r = cells_listen(line, i, err);

	if (r == 0)
		r = runs_open_one(line, i, err);
	if (r < 0 && slot->table_slot < 0) {
		cells_close_listener(line, slot);
		give_up(line, i, err);
		return 0;
	}
	if (slot->registration.vmm_pid != 0)
		witness_watch(line, i, slot->registration.vmm_pid);
	deadlines_set(&line->deadlines, i, cell_deadline(&slot->cell));
	wait_for_disk(line, slot, SLOT_OPENING);
	return r < 0 ? r : probes_open(line, i, err);
}

static void begin_leave(struct line *line, uint32_t i)
{
	line->slots[i].state = SLOT_UNBINDING;
	deadlines_set(&line->deadlines, i, UINT64_MAX);
}

/* Nobody new can connect: who has is still let in. */
void moves_on_unbound(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	slot->made = 0;
	if (slot->is_undone)
		return;
	cells_accept_backlog(line, i);
	cells_close_listener(line, slot);
	slot->state = SLOT_DRAINING;
	/* While we stop nothing would wake us for the rest. */
	slot->until_ns = line->stop_signal != 0 ? 0 : line->now.monotonic_ns + LIMIT_DRAIN_NS;
}

void moves_retire(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	slot->is_retired = true;
	if (slot->state != SLOT_OPEN || slot->is_moving)
		return; /* it goes when it has come, or is going */
	begin_leave(line, i);
	take_up(line, i);
}

/* Some reads of each of its connections. *more: the kernel may hold yet more. */
static int drain(struct line *line, struct slot *slot, bool *more, struct cht_err *err)
{
	int r = 0;

	*more = false;
	for (uint32_t next, at = slot->conns; at != NOBODY && r == 0; at = next) {
		bool had_bytes = true;

		next = line->conns[at].next;
		for (int n = 0; n < READS_PER_TURN && had_bytes && r == 0; n++) {
			if (!line_has_room(line) && !line_may_drop(line))
				break;
			r = conns_on_readable(line, at, &had_bytes, err);
			had_bytes = had_bytes && line->conns[at].fd >= 0;
		}
		*more = *more || had_bytes;
	}
	return r;
}

static int drain_step(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	bool more;
	int r = drain(line, slot, &more, err);

	if (r < 0 || (more && line->now.monotonic_ns < slot->until_ns) || !line_has_room(line))
		return r;
	while (slot->conns != NOBODY)
		conns_close(line, slot->conns, CLOSE_HOST_STOPS);
	slot->state = SLOT_PROBING;
	if (line->stop_signal == 0)
		probes_begin_last(line, i);
	slot->until_ns = line->now.monotonic_ns + LIMIT_PROBE_GAP_NS;
	deadlines_set(&line->deadlines, i, slot->until_ns);
	return 0;
}

int moves_tell_end(struct line *line, struct slot *slot, struct cht_err *err)
{
	int r;

	probes_end(slot);
	r = cells_flush_one(line, slot, err);
	if (r == 0)
		r = probes_tell(line, slot, err);
	return r < 0 ? r : evidence_emit(line, slot, err);
}

/* The opener may be long about it, or gone. */
static int probe_step(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	int r = line->stop_signal == 0 ? probes_turn(line, i, err) : 0;

	if (r < 0 || !line_has_room(line) ||
	    (!probes_have_ended(slot) && line->now.monotonic_ns < slot->until_ns &&
	     line->stop_signal == 0))
		return r;
	r = moves_tell_end(line, slot, err);
	wait_for_disk(line, slot, SLOT_FLUSHED);
	return r;
}

static int seal_step(struct line *line, struct slot *slot, struct cht_err *err)
{
	int r;

	slot->sealed_index = line_next_index(line);
	r = runs_seal(line, slot, slot->is_unlisted ? STR("unregistered") : STR("requested"), err);
	wait_for_disk(line, slot, SLOT_SEALING);
	return r;
}

/* Of so many at a time: those that come later have their turn when one was given. */
static int ask_receipt(struct line *line, struct slot *slot, uint64_t index, struct cht_err *err)
{
	const struct handoff_msg msg = { .kind = HANDOFF_RECEIPT, .receipt = { .index = index } };

	if (slot->is_proving || line->n_proving == HANDOFF_RECEIPTS_MAX)
		return 0;
	slot->is_proving = true;
	line->n_proving++;
	return handoff_send(line->scribe.sock, &msg, NULL, 0, err);
}

void moves_on_receipt(struct line *line, uint64_t index, struct cht_str text)
{
	for (uint32_t i = line->moving; i != NOBODY; i = line->slots[i].next) {
		struct slot *slot = &line->slots[i];
		bool is_opening = slot->state == SLOT_OPENING;

		if (!slot->is_proving ||
		    index != (is_opening ? slot->cell.run.first_index : slot->sealed_index))
			continue;
		slot->is_proving = false;
		line->n_proving--;
		slot->state = is_opening ? SLOT_OPEN : SLOT_SEALED;
		if (is_opening)
			hub_tell_opened(line, i, text);
		else
			hub_tell_sealed(line, i, text);
		return;
	}
}

/* One step of one cell, if its time has come. *stays: it has another one to go. */
static int step(struct line *line, uint32_t i, bool *stays, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	bool is_durable = ring_durable_count(&line->ring) >= slot->awaited;

	*stays = true;
	switch (slot->state) {
	case SLOT_BINDING: return opener_ask_bind(line, i, err);
	case SLOT_BOUND: return line_has_room_for_one(line) ? open_step(line, i, err) : 0;
	case SLOT_OPENING:
		return is_durable ? ask_receipt(line, slot, slot->cell.run.first_index, err) : 0;
	case SLOT_OPEN:
		*stays = slot->is_moving = slot->is_retired;
		if (slot->is_retired)
			begin_leave(line, i);
		return 0;
	case SLOT_UNBINDING:
		if (slot->made != 0 || !slot->is_undone)
			return opener_ask_unlink(line, i, err);
		slot_drop(line, i);
		break;
	case SLOT_DRAINING: return drain_step(line, i, err);
	case SLOT_PROBING: return probe_step(line, i, err);
	case SLOT_FLUSHED:
		return is_durable && line_has_room_for_one(line) ? seal_step(line, slot, err) : 0;
	case SLOT_SEALING: return is_durable ? ask_receipt(line, slot, slot->sealed_index, err) : 0;
	case SLOT_SEALED:
		table_remove(&line->table, slot->table_slot);
		slot_drop(line, i);
		break;
	case SLOT_FREE: break;
	}
	*stays = false;
	return 0;
}

int moves_go_on(struct line *line, struct cht_err *err)
{
	uint32_t *link = &line->moving;
	int r = 0;

	while (*link != NOBODY && r == 0) {
		uint32_t i = *link, next = line->slots[i].next;
		enum slot_state before;
		bool stays;

		/* What waits for nothing more goes on at once: nobody would wake us for it. */
		do {
			before = line->slots[i].state;
			r = step(line, i, &stays, err);
		} while (r == 0 && stays && line->slots[i].state != before);
		if (stays)
			link = &line->slots[i].next;
		else
			*link = next;
	}
	return r;
}

bool moves_have_work(const struct line *line)
{
	for (uint32_t i = line->moving; i != NOBODY; i = line->slots[i].next) {
		const struct slot *slot = &line->slots[i];
		enum slot_state state = slot->state;
		bool may_ask = !slot->is_asked && line->n_asked < OPENING_ASKED_MAX;

		if (((state == SLOT_BINDING || state == SLOT_UNBINDING) && may_ask) ||
		    state == SLOT_OPEN || state == SLOT_SEALED ||
		    ((state == SLOT_DRAINING ||
		      (state == SLOT_PROBING && probes_have_ended(slot))) &&
		     !line->is_full && !line->is_short))
			return true;
	}
	return false;
}

int moves_finish(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = line->moving; i != NOBODY; i = line->slots[i].next)
		line->slots[i].until_ns = 0;
	while (r == 0) {
		ring_clear(line->ring.durable_fd);
		r = moves_go_on(line, err);
		stating_tell(line);
		if (r < 0 || (line->moving == NOBODY && !stating_has_waiting(&line->stating)))
			break;
		/* The disk, or a receipt. */
		r = line_sleep(line, err);
		if (r == 0)
			r = line_hear_scribe(line, err);
	}
	return r;
}
