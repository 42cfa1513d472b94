/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/line.h"

#include <errno.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "daemon/agents.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/probes.h"
#include "daemon/witness.h"

static void leave_alone(struct line *line, uint32_t at)
{
	struct conn *c = &line->conns[at];

	if (c->is_read)
		loop_remove(&line->loop, c->fd, FD_CONNECTION);
	c->is_read = false;
}

/* One that the kernel has no room to watch for us would never be read, nor its end be seen. */
static void read_again(struct line *line, uint32_t at)
{
	struct conn *c = &line->conns[at];

	if (!c->is_read)
		c->is_read = loop_add(&line->loop, c->fd, FD_CONNECTION, at, c->gen, NULL) == 0;
	if (!c->is_read)
		conns_close(line, at, CLOSE_NO_DESCRIPTOR);
}

void conns_set_read_all(struct line *line, const struct slot *slot, bool on)
{
	for (uint32_t next, at = slot->conns; at != NOBODY; at = next) {
		next = line->conns[at].next;
		if (on)
			read_again(line, at);
		else
			leave_alone(line, at);
	}
}

static void stop_finishing(struct slot *slot, uint32_t at)
{
	if (slot->finishing != at)
		return;
	slot->finishing = NOBODY;
	slot->has_finished = true;
}

void conns_close(struct line *line, uint32_t at, enum close_reason reason)
{
	struct conn *c = &line->conns[at];
	struct slot *slot = &line->slots[c->cell];

	line->partial -= c->framer.have > 0;
	framer_reset(&c->framer, &line->pool, &slot->quota);
	stop_finishing(slot, at);
	leave_alone(line, at);
	kept_forget_conn(line, at);
	fd_close(&c->fd);
	cell_note_closed(&slot->cell, c->facts.connection, reason, true, c->frames, c->bytes);
	if (c->prev == NOBODY)
		slot->conns = c->next;
	else
		line->conns[c->prev].next = c->next;
	if (c->next != NOBODY)
		line->conns[c->next].prev = c->prev;
	slot->n_conns--;
	line->conns_open--;
	c->gen++;
	c->next = line->free_conn;
	line->free_conn = at;
	cells_hurry(line, c->cell);
}

uint32_t conns_new(struct line *line)
{
	uint32_t at = line->free_conn;

	while (line->conns_open + line->vmms_watched + line->probe_fds >= line->n_spare)
		if (!probes_give_up(line) && !witness_give_up(line))
			return NOBODY;
	if (at != NOBODY)
		line->free_conn = line->conns[at].next;
	else if (line->conns_used < line->n_conns)
		at = line->conns_used++;
	return at;
}

void conns_link(struct line *line, uint32_t i, uint32_t at)
{
	struct slot *slot = &line->slots[i];
	struct conn *c = &line->conns[at];

	c->next = slot->conns;
	c->prev = NOBODY;
	line->conns_open++;
	if (slot->conns != NOBODY)
		line->conns[slot->conns].prev = at;
	slot->conns = at;
	slot->n_conns++;
	witness_meet(line, i, c->fd);
	if (slot->paused_until_ns == 0)
		read_again(line, at);
}

void conns_open(struct line *line, uint32_t i, uint32_t at, int fd, const struct channel_peer *peer)
{
	struct slot *slot = &line->slots[i];
	struct conn *c = &line->conns[at];

	*c = (struct conn){ .fd = fd, .gen = c->gen, .cell = i, .kept_name = STORE_NONE };
	c->facts.connection = cell_note_opened(&slot->cell, peer->pid, peer->uid, peer->gid);
	c->facts.epoch = slot->cell.epoch;
	c->facts.peer_uid = peer->uid;
	kept_note_conn(line, at);
	conns_link(line, i, at);
	probes_meet(line, i, peer->pid);
}

/* A body that does not decode. True when the connection has sent too many of them. */
static bool on_refused(struct line *line, struct conn *c, const struct cht_wire_fault *why)
{
	uint64_t now = line->now.monotonic_ns;

	cell_note_refused(&line->slots[c->cell].cell, &c->facts, why);
	if (c->refused == 0 || now - c->refused_since_ns >= 60 * NS_PER_S) {
		c->refused = 0;
		c->refused_since_ns = now;
	}
	return ++c->refused >= LIMIT_REFUSED_PER_MINUTE;
}

/* One frame. *over is set when the connection must be closed. */
static int on_body(struct line *line, struct conn *c, struct cht_bytes body, bool *over,
		   struct cht_err *err)
{
	struct slot *slot = &line->slots[c->cell];
	struct cht_declaration declaration;
	struct cht_stamped stamped;
	struct cht_wire_fault why;
	bool has_event;
	int r;

	c->frames++;
	c->facts.frame_bytes = (uint32_t)body.len;
	if (cht_decode(body.ptr, body.len, &declaration, &why) < 0) {
		*over = on_refused(line, c, &why);
		return 0;
	}
	cell_note_frame(&slot->cell, &declaration, &c->facts, &line->now);
	if (line->is_dropping) {
		cell_drop(&slot->cell, &declaration);
		agents_note(line, slot, &declaration);
		return 0;
	}
	r = cells_emit_due(line, slot, err);
	if (r < 0)
		return r;
	has_event = cell_stamp(&slot->cell, &declaration, &c->facts, &line->now, &stamped);
	agents_note(line, slot, &declaration);
	return has_event ? line_emit(line, slot, &stamped, err) : 0;
}

/* The first frame of a turn that an earlier process began. */
static bool is_stored_already(struct line *line, struct conn *c)
{
	bool is_stored = line->kept.skip;

	line->kept.skip = false;
	c->frames += is_stored;
	return is_stored;
}

/* All whole frames of what was read. CLOSE_N_REASONS in *close: the connection stays. */
static int on_bytes(struct line *line, struct conn *c, struct cht_bytes in,
		    enum close_reason *close, struct cht_err *err)
{
	struct slot *slot = &line->slots[c->cell];
	struct cht_bytes body;
	bool over = false;
	int r = 0;

	while (r == 0 && !over) {
		int more = framer_next(&c->framer, &line->pool, &slot->quota, &in,
				       cells_reading_ns(line, slot), &body);

		if (more < 0)
			*close = CLOSE_BAD_LENGTH;
		if (more != 1)
			break;
		if (!is_stored_already(line, c))
			r = on_body(line, c, body, &over, err);
		if (r == 0)
			kept_note_done(line, in.ptr);
	}
	if (over)
		*close = CLOSE_REFUSALS;
	return r;
}

static enum close_reason reason_at_eof(const struct framer *f)
{
	switch (framer_at_eof(f)) {
	case FRAMER_EOF_CLEAN: return CLOSE_CLEAN;
	case FRAMER_EOF_IN_LENGTH: return CLOSE_IN_LENGTH;
	case FRAMER_EOF_IN_BODY: break;
	}
	return CLOSE_IN_BODY;
}

/* How much may be read of it now. The frames that are in their middle may hold all blocks of their
 * cell, and would wait for each other until they stall: one at a time may finish on blocks beyond,
 * and reads no further than that. */
static size_t room_for(struct line *line, uint32_t at)
{
	const struct framer *f = &line->conns[at].framer;
	struct slot *slot = &line->slots[line->conns[at].cell];
	size_t room = framer_room(f, &line->pool, &slot->quota), rest;

	if (room == 0 && f->have > 0 && slot->finishing == NOBODY)
		slot->finishing = at;
	if (slot->finishing != at)
		return room;
	rest = (f->need > 0 ? f->need : CHT_FRAME_HEAD_BYTES) - f->have;
	return rest < RECEIVE_BYTES ? rest : RECEIVE_BYTES;
}

/* All whole frames of what was read, with the blocks that room_for counted on. */
static int on_read(struct line *line, uint32_t at, struct cht_bytes in, enum close_reason *close,
		   struct cht_err *err)
{
	struct conn *c = &line->conns[at];
	struct slot *slot = &line->slots[c->cell];
	uint16_t max = slot->quota.max, lent = slot->finishing == at ? FRAME_BLOCKS : 0;
	int r;

	/* More are used than may be since the limit was lowered: what this one gives back it may
	 * use for what comes behind. */
	if (slot->quota.used > max)
		max = slot->quota.used;
	lent = (uint16_t)(max + lent - slot->quota.max);
	slot->quota.max = (uint16_t)(slot->quota.max + lent);
	r = on_bytes(line, c, in, close, err);
	slot->quota.max = (uint16_t)(slot->quota.max - lent);
	if (c->framer.have == 0)
		stop_finishing(slot, at);
	return r;
}

int conns_finish_turn(struct line *line, uint32_t at, size_t from, size_t n, struct cht_err *err)
{
	struct conn *c = &line->conns[at];
	struct cht_bytes in = { line->receive + from, n - from };
	uint32_t i = c->cell;
	uint64_t before = c->frames;
	bool was_partial = c->framer.have > 0;
	enum close_reason close = CLOSE_N_REASONS;
	int r;

	if (line->unclocked >= CLOCK_FRAMES) {
		clk_read(&line->now);
		line->unclocked = 0;
	}
	c->bytes += n;
	line->is_dropping = line_may_drop(line) && !line_has_room(line);
	r = on_read(line, at, in, &close, err);
	line->partial += (uint32_t)(c->framer.have > 0) - (uint32_t)was_partial;
	before = c->frames - before;
	line->unclocked += before + 1;
	if (r < 0)
		return r; /* the next process finishes it */
	kept_end_turn(line, at, n);
	if (close != CLOSE_N_REASONS)
		conns_close(line, at, close);
	cells_after_turn(line, i, before);
	return r;
}

int conns_on_readable(struct line *line, uint32_t at, bool *had_bytes, struct cht_err *err)
{
	struct conn *c = &line->conns[at];
	uint32_t i = c->cell;
	size_t room = room_for(line, at);
	ssize_t n;

	*had_bytes = false;
	if (room == 0) {
		line->slots[i].blocks_short = true;
		cell_note_paused(&line->slots[i].cell, true, &line->now);
		leave_alone(line, at);
		return 0;
	}
	kept_begin_turn(line, at);
	n = read(c->fd, line->receive, room);
	*had_bytes = n > 0;
	if (n > 0)
		return conns_finish_turn(line, at, 0, (size_t)n, err);
	kept_end_turn(line, at, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	conns_close(line, at, n == 0 ? reason_at_eof(&c->framer) : CLOSE_READ_ERROR);
	cells_after_turn(line, i, 0);
	return 0;
}

void conns_sweep_stalled(struct line *line)
{
	uint64_t limit = line->conf->stall_ns;

	if (line->partial == 0 || line->now.monotonic_ns < line->next_sweep_ns)
		return;
	line->next_sweep_ns = line->now.monotonic_ns + (limit < NS_PER_S ? limit : NS_PER_S);
	for (uint32_t at = 0; at < line->conns_used; at++) {
		const struct conn *c = &line->conns[at];
		uint32_t i = c->cell;

		if (c->fd < 0 ||
		    !framer_is_stalled(&c->framer, cells_reading_ns(line, &line->slots[i]), limit))
			continue;
		conns_close(line, at, CLOSE_STALLED);
		cells_after_turn(line, i, 0);
	}
}

void conns_close_all(struct line *line)
{
	for (uint32_t at = 0; at < line->conns_used; at++)
		if (line->conns[at].fd >= 0)
			conns_close(line, at, CLOSE_HOST_STOPS);
}
