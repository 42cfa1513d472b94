/* SPDX-License-Identifier: Apache-2.0 */
/* At a start, once cells have their places: connections go on at the byte where they stood. Nothing
 * that was kept is believed that could lead beyond its bounds (kept_cells.c). */
#include "daemon/kept_old.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/diag.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/opener.h"
#include "daemon/order.h"

static uint16_t at_most(uint16_t limit, uint64_t most)
{
	return limit < most ? limit : (uint16_t)most;
}

/* What may be stated has none of 0: a rate is divided by. */
static bool can_be(const struct cell_limits *l)
{
	return l->connects_per_s > 0 && l->frames_per_s > 0 && l->frames_burst > 0 &&
	       l->connections > 0 && l->partial_blocks > 0;
}

static void take_limits(struct line *line)
{
	for (uint32_t i = 0; line->kept.old != NULL && i < line->slots_used; i++) {
		struct slot *slot = &line->slots[i];
		const struct kept_cell *c =
			slot->kept_name != STORE_NONE ? kept_find_cell(line, slot->reg.id) : NULL;

		if (c == NULL || !slot->registration.is_asked || !can_be(&c->limits))
			continue;
		slot->limits = c->limits;
		slot->limits.connections = at_most(c->limits.connections, line->conf->connections);
		slot->limits.partial_blocks =
			at_most(c->limits.partial_blocks, line->conf->partial_blocks);
		slot->quota.max = slot->limits.partial_blocks;
		slot->cell.ledger_quota = c->ledger_quota;
	}
}

/* The bytes of a frame that f kept, from its blocks where they stand now. False: it cannot have. */
static bool feed_kept(struct line *line, const struct framer *f, uint32_t at)
{
	const struct kept_head *h = kept_old_head(line);
	struct conn *c = &line->conns[at];
	struct slot *slot = &line->slots[c->cell];
	uint32_t head = f->have < CHT_FRAME_HEAD_BYTES ? f->have : CHT_FRAME_HEAD_BYTES;
	struct cht_bytes in = { f->head, head }, body;
	uint64_t now = cells_reading_ns(line, slot), block = (uint64_t)(uintptr_t)f->first, from;
	int r = f->have > CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES ? CHT_E_WIRE : 0;

	if (r == 0)
		r = framer_next(&c->framer, &line->pool, &slot->quota, &in, now, &body);
	for (uint32_t left = f->have - head; left > 0 && r == 0;) {
		struct frame_block copy;

		from = block - h->address - h->pool_at;
		if (from > h->pool_bytes || h->pool_bytes - from < sizeof(copy))
			return false;
		memcpy(&copy, line->kept.old + h->pool_at + from, sizeof(copy));
		in = (struct cht_bytes){ copy.bytes,
					 left < sizeof(copy.bytes) ? left : sizeof(copy.bytes) };
		left -= (uint32_t)in.len;
		r = framer_next(&c->framer, &line->pool, &slot->quota, &in, now, &body);
		block = (uint64_t)(uintptr_t)copy.next;
	}
	return r == 0;
}

/* One frame of a cell may stand on blocks beyond its own: conns.c. */
static bool feed(struct line *line, const struct framer *f, uint32_t at)
{
	struct slot *slot = &line->slots[line->conns[at].cell];
	uint16_t max = slot->quota.max, lent = slot->finishing == NOBODY ? FRAME_BLOCKS : 0;
	bool is_fed;

	slot->quota.max = (uint16_t)(max + lent);
	is_fed = feed_kept(line, f, at);
	slot->quota.max = max;
	if (slot->quota.used > max && slot->finishing == NOBODY)
		slot->finishing = at;
	line->partial += line->conns[at].framer.have > 0;
	return is_fed;
}

/* How many bytes the kernel gave out of a connection that its process has not counted; -1: that
 * cannot be. */
static int64_t uncounted(const struct conn *c, int fd)
{
	socklen_t len = sizeof(int);
	int left;

	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &left, &len) < 0 || left < 0)
		return -1;
	return (int64_t)PEEK_FROM - left - (int64_t)c->counted;
}

/* The turn in which its process ended: what was read and is not done with, into our own. */
static bool take_turn(struct line *line, const struct conn *was, uint32_t at, int64_t n)
{
	const struct kept_turn *old = &kept_old_head(line)->turn;
	struct kept_turn *turn = &line->kept.head->turn;
	uint64_t done = old->done >> KEPT_STORED_BITS;

	if (n < 0 || n > RECEIVE_BYTES || done > (uint64_t)n ||
	    (done == 0 && !feed(line, &old->before, at)))
		return false;
	memcpy(line->receive, line->kept.old + PAGE_BYTES, RECEIVE_BYTES);
	line->conns[at].counted = was->counted;
	turn->before = line->conns[at].framer;
	turn->done = old->done;
	turn->conn = at;
	line->kept.turn_bytes = (size_t)n;
	return true;
}

static bool take_stream(struct line *line, const struct conn *was, uint64_t old_at, uint32_t at)
{
	int64_t n = uncounted(was, line->conns[at].fd);

	if (kept_old_head(line)->turn.conn == old_at)
		return take_turn(line, was, at, n);
	/* Between a turn and its count, or its counter and ours, when that is set anew. */
	line->conns[at].counted = (uint64_t)((int64_t)was->counted + n);
	return n <= RECEIVE_BYTES && (int64_t)was->counted + n >= 0 && feed(line, &was->framer, at);
}

static void take_conn(struct line *line, uint64_t old_at, uint32_t i, int fd, uint16_t name)
{
	const struct conn *was = kept_old_conn(line, old_at);
	struct slot *slot = &line->slots[i];
	uint32_t at = conns_new(line);
	struct conn *c;

	if (at == NOBODY) {
		store_drop(&line->store, &name);
		fd_close(&fd);
		cell_note_closed(&slot->cell, was->facts.connection, CLOSE_HOST_STOPS, false,
				 was->frames, was->bytes);
		return;
	}
	c = &line->conns[at];
	*c = (struct conn){ .fd = fd,
			    .gen = c->gen,
			    .cell = i,
			    .facts = was->facts,
			    .frames = was->frames,
			    .bytes = was->bytes,
			    .run = was->run,
			    .table_slot = slot->table_slot,
			    .kept_name = name };
	slot->cell.open++;
	c->cookie = was->cookie;
	conns_link(line, i, at);
	if (c->fd >= 0 && !take_stream(line, was, old_at, at))
		conns_close(line, at, CLOSE_HOST_STOPS);
}

/* The cell whose run a connection is of; NOBODY: it has ended. */
static uint32_t cell_of(const struct line *line, const struct conn *was, const uint32_t *by_slot)
{
	uint32_t i;

	if (was->table_slot < 0 || was->table_slot >= TABLE_SLOTS)
		return NOBODY;
	i = by_slot[was->table_slot];
	return i != NOBODY && line->slots[i].cell.run.bits.c == was->run ? i : NOBODY;
}

static unsigned take_conns(struct line *line)
{
	static uint32_t by_slot[TABLE_SLOTS];
	const struct kept_head *h = kept_old_head(line);
	unsigned n = 0;

	memset(by_slot, 0xff, sizeof(by_slot));
	for (uint32_t i = 0; i < line->slots_used; i++)
		if (line->slots[i].table_slot >= 0)
			by_slot[line->slots[i].table_slot] = i;
	for (uint64_t at = 0; h != NULL && at < h->conns_used; at++) {
		const struct conn *was = kept_old_conn(line, at);
		uint32_t i = cell_of(line, was, by_slot);
		uint16_t name = STORE_NONE;
		int fd = store_take(&line->store, was->cookie, &name);

		if (fd >= 0 && i != NOBODY) {
			take_conn(line, at, i, fd, name);
			n++;
		} else if (fd >= 0) {
			store_drop(&line->store, &name);
			fd_close(&fd);
		} else if (was->cookie != 0 && i != NOBODY) {
			cell_note_closed(&line->slots[i].cell, was->facts.connection,
					 CLOSE_HOST_STOPS, false, was->frames, was->bytes);
		}
	}
	return n;
}

/* From here on a kill leaves what is ours. */
static int publish(struct line *line, struct cht_err *err)
{
	struct kept *k = &line->kept;
	int r = opener_keep(line, true, err);

	if (r < 0)
		return r;

	k->is_told = true;
	for (uint32_t i = 0; i < line->slots_used; i++)
		kept_note_cell(line, i);
	k->head->conns_used = line->conns_used;
	in_this_order();
	k->head->magic = KEPT_MAGIC;
	in_this_order();
	k->is_told = store_put_memory(&line->store, k->fd);
	if (!k->is_told)
		diag(DIAG_WARNING, "nothing is kept: a restart will end every connection");
	if (k->old != NULL)
		(void)munmap((void *)(uintptr_t)k->old, k->old_bytes);
	k->old = NULL;
	return k->is_told ? 0 : opener_keep(line, false, err);
}

int kept_take_conns(struct line *line, struct cht_err *err)
{
	const struct kept_turn *turn = &line->kept.head->turn;
	uint64_t stored, before, done;
	unsigned n;
	int r;

	if (!store_is_on(&line->store))
		return 0;
	take_limits(line);
	n = take_conns(line);
	store_drop_rest(&line->store);
	r = publish(line, err);
	if (r < 0)
		return r;
	if (n > 0)
		diag(DIAG_NOTICE, "%u connections go on where they stood", n);
	if (turn->conn == NOBODY)
		return 0;
	done = turn->done >> KEPT_STORED_BITS;
	before = turn->done & KEPT_STORED_MASK;
	stored = line->slots[line->conns[turn->conn].cell].cell.frames.stored;
	/* The next one's event was noted, and its process ended before it said so here. */
	line->kept.skip = stored != before;
	return conns_finish_turn(line, turn->conn, (size_t)done, line->kept.turn_bytes, err);
}
