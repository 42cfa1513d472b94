/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/cells.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/emit.h"
#include "daemon/probes.h"
#include "daemon/slots.h"

enum {
	/* A cell over its frame budget is read again when so many frames are free. */
	RESUME_FRAMES = 100,
};

/* An accept that fails for want of something that the whole host is short of fails again at once,
 * for ever: the listener rests for so long, and so often the operator is told. */
#define REST_NS      (100 * NS_PER_MS)
#define COMPLAINT_NS (60 * NS_PER_S)

int cells_channel(const struct placed *c, char *out, size_t cap)
{
	int n;

	if (c->base != NULL)
		n = cht_socket_path(c->base, out, cap);
	else if (c->path != NULL)
		n = snprintf(out, cap, "%s", c->path);
	else
		n = snprintf(out, cap, "vsock:%llu", (unsigned long long)c->cid);
	return n >= 0 && (size_t)n < cap ? 0 : CHT_E_RANGE;
}

bool cells_channel_is_taken(const struct line *line, const struct placed *c)
{
	char channel[CONF_TEXT_MAX + 8];

	return cells_channel(c, channel, sizeof(channel)) == 0 &&
	       ids_find(&line->sockets, channel) != IDS_NONE;
}

void cells_prepare(const struct line *line, uint32_t i)
{
	const struct placed *c = &line->slots[i].reg;

	if (c->base != NULL && cht_base_is_too_long(c->base))
		diag(DIAG_WARNING,
		     "cell %s: base has %zu bytes: a VMM that sees it so cannot connect to "
		     "<base>_9001 "
		     "(more than 102); in a jail its own path counts",
		     c->id, strlen(c->base));
	if (c->cid == 1)
		diag(DIAG_WARNING,
		     "cell %s: cid 1 is this host: whoever runs here can speak for it", c->id);
}

void cells_fill_budgets(const struct line *line, struct slot *slot)
{
	const struct cell_limits *limits = &slot->limits;
	uint64_t now = line->now.monotonic_ns;

	slot->cell.is_met = true;
	met_of(slot)->frame_budget = budget_init(limits->frames_per_s, limits->frames_burst, now);
	met_of(slot)->connect_budget =
		budget_init(limits->connects_per_s, limits->connects_per_s, now);
}

/* Full when nobody connected yet. */
static struct slot_met *budgets_of(const struct line *line, struct slot *slot)
{
	if (met_of(slot)->frame_budget.cost_ns == 0)
		cells_fill_budgets(line, slot);
	return met_of(slot);
}

int cells_listen(struct line *line, uint32_t i, struct cht_err *err)
{
	const struct slot *slot = &line->slots[i];

	/* Those that are known by a CID have one listener in common. */
	if (slot->reg.cid != 0)
		return 0;
	kept_note_cell(line, i);
	return loop_add(&line->loop, slot->listen_fd, FD_LISTENER, i, slot->gen, err);
}

/* Takes a cell's next time into the heap when it comes earlier; what was moved later is found
 * out when the old time comes. */
void cells_hurry(struct line *line, uint32_t i)
{
	uint64_t at;

	/* A frame moves a deadline later: that is seen when the old one comes. */
	if (line->slots[i].cell.next_ns >= line->deadlines.at_ns[i])
		return;
	if (line->is_short || !slot_is_open(&line->slots[i]))
		return; /* cells_note_room */
	at = cell_deadline(&line->slots[i].cell);
	if (at < line->deadlines.at_ns[i])
		deadlines_set(&line->deadlines, i, at);
}

static struct losses losses_of(const struct facts_dropped *d)
{
	return (struct losses){ .quota = d->over_quota,
				.space = d->no_space,
				.in_guest = d->in_guest,
				.on_the_way = d->on_the_way,
				.late = d->late };
}

void cells_note_left(struct line *line, const struct slot *slot)
{
	const struct frames_left left = {
		.frames = slot->cell.frames,
		.connections = slot->cell.connections,
		.untold = losses_of(&slot->cell.met->dropped),
		.told = met_of(slot)->telling.losses,
		.told_sequence = met_of(slot)->telling.sequence,
		.epoch = slot->cell.epoch,
		.stated = slot->cell.told,
		.promises_a_beat = slot->cell.has_heartbeat,
		.ledger_bytes = slot->cell.ledger_bytes,
	};

	table_note_frames(&line->table, slot->table_slot, &left);
}

/* In the table before the event is: whether that was stored is known by its number. */
static void note_telling(struct line *line, struct slot *slot, const struct cht_stamped *stamped)
{
	struct telling *t = &met_of(slot)->telling;

	if (ring_durable_count(&line->ring) >= t->durable_at)
		*t = (struct telling){ .sequence = 0 };
	losses_add(&t->losses, losses_of(&stamped->facts.dropped));
	t->sequence = stamped->sequence;
	t->durable_at = ring_put_count(&line->ring) + 1;
	cells_note_left(line, slot);
}

static int emit(struct line *line, struct slot *slot, const struct cht_stamped *stamped,
		struct cht_err *err)
{
	if (stamped->kind == EV_GUEST_TELEMETRY_DROPPED)
		note_telling(line, slot, stamped);
	return line_emit(line, slot, stamped, err);
}

int cells_emit_due(struct line *line, struct slot *slot, struct cht_err *err)
{
	struct cht_stamped stamped;
	int r = 0;

	while (r == 0 && cell_next(&slot->cell, &line->now, &stamped))
		r = emit(line, slot, &stamped, err);
	return r;
}

int cells_flush_one(struct line *line, struct slot *slot, struct cht_err *err)
{
	struct cht_stamped stamped;
	int r = 0;

	while (r == 0 && cell_flush(&slot->cell, &line->now, &stamped))
		r = emit(line, slot, &stamped, err);
	return r;
}

/* Why a connection that was accepted may not stay; CLOSE_N_REASONS when it may. */
static enum close_reason judge_peer(struct line *line, uint32_t i, const struct channel_peer *peer)
{
	struct slot *slot = &line->slots[i];
	int64_t expected = slot->reg.uid;

	if (expected >= 0 && peer->uid != (uint32_t)expected)
		return CLOSE_WRONG_UID;
	if (!budget_take(&budgets_of(line, slot)->connect_budget, 1, line->now.monotonic_ns))
		return CLOSE_OVER_RATE;
	if (slot->n_conns >= slot->limits.connections)
		return CLOSE_OVER_LIMIT;
	return CLOSE_N_REASONS;
}

void cells_rest(struct line *line, int fd, enum fd_kind kind, const char *who, const char *why)
{
	uint64_t now = line->now.monotonic_ns;

	loop_remove(&line->loop, fd, kind);
	if (line->n_deaf++ == 0)
		line->listen_again_ns = now + REST_NS;
	if (now < line->next_complaint_ns)
		return;
	line->next_complaint_ns = now + COMPLAINT_NS;
	diag(DIAG_WARNING, "cell %s: %s; trying again every %llu ms", who, why,
	     (unsigned long long)(REST_NS / NS_PER_MS));
}

void cells_listen_again(struct line *line)
{
	if (line->n_deaf == 0 || line->now.monotonic_ns < line->listen_again_ns)
		return;
	line->listen_again_ns = line->now.monotonic_ns + REST_NS;
	for (uint32_t i = 0; i < line->slots_used; i++) {
		struct slot *slot = &line->slots[i];

		if (slot->is_deaf && cells_listen(line, i, NULL) == 0) {
			slot->is_deaf = false;
			line->n_deaf--;
		}
	}
	vsock_listen_again(line);
}

void cells_take(struct line *line, uint32_t i, int result, int fd, const struct channel_peer *peer)
{
	enum close_reason no = result == 1 ? judge_peer(line, i, peer) : CLOSE_NO_DESCRIPTOR;
	uint32_t at = NOBODY;

	if (no == CLOSE_N_REASONS && (at = conns_new(line)) == NOBODY)
		no = CLOSE_NO_DESCRIPTOR;
	if (no == CLOSE_N_REASONS) {
		conns_open(line, i, at, fd, peer);
	} else {
		if (result == 1)
			fd_close(&fd);
		cell_note_closed(&line->slots[i].cell, 0, no, false, 0, 0);
	}
	cells_hurry(line, i);
}

bool cells_on_accept(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	if (slot->reg.cid != 0)
		return vsock_on_accept(line, ACCEPTS_PER_TURN);
	for (int k = 0; k < ACCEPTS_PER_TURN; k++) {
		struct channel_peer peer;
		struct cht_err err;
		int fd, r;

		if (slot->registration.is_passed)
			channel_unblock_passed(slot->listen_fd);
		r = channel_accept(slot->listen_fd, &line->spare, &fd, &peer, &err);
		if (r == 0)
			return false;
		if (r < 0 && r != CHT_E_LIMIT) {
			slot->is_deaf = true;
			cells_rest(line, slot->listen_fd, FD_LISTENER, slot->reg.id, err.text);
			return false;
		}
		cells_take(line, i, r, fd, &peer);
	}
	return true;
}

void cells_accept_backlog(struct line *line, uint32_t i)
{
	for (int n = 0; n < LISTEN_BACKLOG && cells_on_accept(line, i);)
		n += ACCEPTS_PER_TURN;
}

/* Reads of a cell that is over its budget wait; its silence clock stands still. */
static void pause_slot(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	slot->paused_at_ns = line_reading_ns(line);
	slot->paused_until_ns =
		budget_ready_ns(&budgets_of(line, slot)->frame_budget, RESUME_FRAMES);
	conns_set_read_all(line, slot, false);
	cell_note_paused(&slot->cell, true, &line->now);
	if (slot->paused_until_ns < line->deadlines.at_ns[i])
		deadlines_set(&line->deadlines, i, slot->paused_until_ns);
}

void cells_after_turn(struct line *line, uint32_t i, uint64_t n_frames)
{
	struct slot *slot = &line->slots[i];

	cells_note_left(line, slot);
	if (!budget_spend(&budgets_of(line, slot)->frame_budget, n_frames,
			  line->now.monotonic_ns) &&
	    slot->paused_until_ns == 0)
		pause_slot(line, i);
	if (slot->blocks_short && slot->paused_until_ns == 0 &&
	    (slot->quota.used < slot->quota.max || slot->has_finished)) {
		slot->blocks_short = false;
		if (!line->is_paused)
			cell_note_paused(&slot->cell, false, &line->now);
		conns_set_read_all(line, slot, true);
	}
	slot->has_finished = false;
	cells_hurry(line, i);
}

uint64_t cells_reading_ns(const struct line *line, const struct slot *slot)
{
	uint64_t at = slot->paused_until_ns != 0 ? slot->paused_at_ns : line_reading_ns(line);

	return at - slot->unread_ns;
}

static int serve(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	uint64_t now = line->now.monotonic_ns, at;
	int r;

	/* One that is on its way out says nothing more of itself: run.sealed is its last word. */
	if (!slot_is_open(slot)) {
		deadlines_set(&line->deadlines, i, UINT64_MAX);
		return 0;
	}
	if (slot->paused_until_ns != 0 && slot->paused_until_ns <= now) {
		slot->paused_until_ns = 0;
		slot->blocks_short = false; /* all are read again, and tell if it still is */
		slot->unread_ns += line_reading_ns(line) - slot->paused_at_ns;
		if (!line->is_paused)
			cell_note_paused(&slot->cell, false, &line->now);
		conns_set_read_all(line, slot, true);
		/* Judged in the next turn, after what waits was read. */
		deadlines_set(&line->deadlines, i, now + 1);
		return 0;
	}
	r = line->is_short ? 0 : cells_emit_due(line, slot, err);
	if (r == 0 && !line->is_short)
		r = probes_turn(line, i, err);
	at = line->is_short ? UINT64_MAX : cell_deadline(&slot->cell);
	if (!line->is_short && probes_deadline(slot) < at)
		at = probes_deadline(slot);
	if (slot->paused_until_ns != 0 && slot->paused_until_ns < at)
		at = slot->paused_until_ns;
	deadlines_set(&line->deadlines, i, at);
	return r;
}

int cells_on_time(struct line *line, struct cht_err *err)
{
	int r = 0;

	while (r == 0 && line->n_slots > 0) {
		uint32_t i = deadlines_first(&line->deadlines);

		if (line->deadlines.at_ns[i] > line->now.monotonic_ns ||
		    (!line->is_short && !line_has_room(line)))
			break;
		r = serve(line, i, err);
	}
	conns_sweep_stalled(line);
	return r;
}

uint64_t cells_deadline(const struct line *line)
{
	uint64_t at = UINT64_MAX;

	if (line->n_slots > 0)
		at = line->deadlines.at_ns[deadlines_first(&line->deadlines)];
	if (line->partial > 0 && line->next_sweep_ns < at)
		at = line->next_sweep_ns;
	return at;
}

int cells_flush(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		if (slot_is_open(&line->slots[i]))
			r = cells_flush_one(line, &line->slots[i], err);
	return r;
}

void cells_note_room(struct line *line)
{
	for (uint32_t i = 0; i < line->slots_used; i++)
		cells_hurry(line, i);
}

void cells_note_paused(struct line *line, bool paused, uint64_t since_ns)
{
	struct cht_now at = line->now;

	at.monotonic_ns = since_ns;
	for (uint32_t i = 0; i < line->slots_used; i++)
		if (slot_is_open(&line->slots[i]) && line->slots[i].paused_until_ns == 0 &&
		    !line->slots[i].blocks_short)
			cell_note_paused(&line->slots[i].cell, paused, &at);
	for (uint32_t i = 0; !paused && i < line->slots_used; i++)
		cells_hurry(line, i);
}

void cells_close_listener(struct line *line, struct slot *slot)
{
	if (slot->listen_fd >= 0 && !slot->is_deaf)
		loop_remove(&line->loop, slot->listen_fd, FD_LISTENER);
	line->n_deaf -= slot->is_deaf;
	slot->is_deaf = false;
	kept_forget_cell(line, (uint32_t)(slot - line->slots));
	fd_close(&slot->listen_fd);
}

void cells_close_listeners(struct line *line)
{
	for (uint32_t i = 0; i < line->slots_used; i++)
		cells_close_listener(line, &line->slots[i]);
	vsock_close(line);
}

void cells_leave_listeners(struct line *line)
{
	for (uint32_t i = 0; i < line->slots_used; i++)
		line->slots[i].kept_name = STORE_NONE; /* not given up */
	cells_close_listeners(line);
}
