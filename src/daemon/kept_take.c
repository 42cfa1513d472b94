/* SPDX-License-Identifier: Apache-2.0 */
/* At a start: what the process before us kept. Its memory is only read, until ours takes its
 * place: a kill on the way leaves all to the next start. It may be of a process that a guest broke,
 * so that nothing in it is believed that could lead beyond its bounds. */
#include "daemon/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "cell/value.h"
#include "daemon/line.h"
#include "daemon/order.h"

#define KEPT_MAGIC UINT64_C(0x3174706b746863) /* "chtkpt1" */

enum { PAGE_BYTES = 4096 };

static const struct kept_head *old_head(const struct line *line)
{
	return (const struct kept_head *)(const void *)line->kept.old;
}

static const struct conn *old_conn(const struct line *line, uint64_t at)
{
	const struct kept_head *h = old_head(line);

	return (const struct conn *)(const void *)(line->kept.old + h->conns_at) + at;
}

static const struct kept_cell *old_cell(const struct line *line, uint64_t at)
{
	const struct kept_head *h = old_head(line);

	return (const struct kept_cell *)(const void *)(line->kept.old + h->cells_at) + at;
}

static bool fits(uint64_t at, uint64_t n, uint64_t each, uint64_t bytes)
{
	return at <= bytes && at % PAGE_BYTES == 0 && (each == 0 || n <= (bytes - at) / each);
}

static bool is_usable(const struct kept_head *h, uint64_t bytes)
{
	return h->magic == KEPT_MAGIC && h->head_bytes == sizeof(*h) &&
	       h->conn_bytes == sizeof(struct conn) && h->cell_bytes == sizeof(struct kept_cell) &&
	       h->receive_bytes == RECEIVE_BYTES && h->bytes == bytes &&
	       fits(h->conns_at, h->n_conns, sizeof(struct conn), bytes) &&
	       h->conns_used <= h->n_conns &&
	       fits(h->cells_at, h->n_cells, sizeof(struct kept_cell), bytes) &&
	       fits(h->pool_at, h->pool_bytes, 1, bytes) &&
	       bytes >= PAGE_BYTES + (uint64_t)RECEIVE_BYTES;
}

void kept_find(struct line *line)
{
	struct kept *k = &line->kept;
	struct stat st;
	void *at = MAP_FAILED;

	if (line->store.memory_fd < 0 && line->store.n_found == 0)
		return;
	if (line->store.memory_fd >= 0 && fstat(line->store.memory_fd, &st) == 0 &&
	    st.st_size >= (off_t)sizeof(struct kept_head))
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_NORESERVE,
			  line->store.memory_fd, 0);
	fd_close(&line->store.memory_fd);
	if (at != MAP_FAILED && is_usable(at, (uint64_t)st.st_size)) {
		k->old = at;
		k->old_bytes = (size_t)st.st_size;
		return;
	}
	diag(DIAG_WARNING, "another version kept the connections: they end, agents reconnect");
	if (at != MAP_FAILED)
		(void)munmap(at, (size_t)st.st_size);
	/* Now: a listener that is open somewhere is not stale. */
	store_drop_rest(&line->store);
	store_settle(&line->store);
}

static bool is_text(const char *text, size_t cap)
{
	return memchr(text, '\0', cap) != NULL;
}

/* Those of a cell; null: nothing is kept of it. */
static const struct kept_cell *find_cell(const struct line *line, const char *id)
{
	const struct kept_head *h = old_head(line);

	for (uint64_t i = 0; h != NULL && i < h->n_cells; i++) {
		const struct kept_cell *c = old_cell(line, i);

		if (c->cookie != 0 && is_text(c->id, sizeof(c->id)) && strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}

void kept_find_listener(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];
	const struct kept_cell *c = find_cell(line, slot->reg.id);
	uint16_t name = STORE_NONE;
	int fd = c != NULL ? store_take(&line->store, c->cookie, &name) : -1;

	if (fd < 0)
		return;
	if (slot->reg.cid == 0 && c->mode == slot->reg.mode && c->owner == slot->reg.owner &&
	    c->group == slot->reg.group) {
		slot->kept_name = name;
		slot->left_fd = fd;
		slot->dev = c->dev;
		slot->ino = c->ino;
		return;
	}
	/* It is to be another one: nobody listens to this when it is replaced. */
	fd_close(&fd);
	store_drop(&line->store, &name);
	store_settle(&line->store);
}

int kept_adopt(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct cht_err why = { .code = 0 };
	int fd = slot->left_fd, r = 0;

	/* The file of one that was passed in is its maker's. */
	if (!slot->registration.is_passed)
		r = opener_adopt(line, i, slot->dev, slot->ino, err);
	slot->left_fd = -1;
	if (r == 0)
		return moves_on_bound(line, i, fd, &why);
	fd_close(&fd);
	store_drop(&line->store, &slot->kept_name);
	store_settle(&line->store); /* what listens nowhere can be replaced */
	return r == CHT_E_BIND || r == CHT_E_STATE ? 0 : r;
}

bool kept_leave_out(struct line *line, uint32_t i, const struct cht_err *why)
{
	if (line->kept.old == NULL || !line->slots[i].is_static || why->code != CHT_E_BIND)
		return false;
	diag(DIAG_ERROR, "cell %s is left out, all others go on: %s", line->slots[i].reg.id,
	     why->text);
	slot_drop(line, i);
	return true;
}

/* A view of what was registered; false when it is none. */
static bool read_reg(const struct kept_cell *c, struct placed *reg)
{
	if (!is_text(c->id, sizeof(c->id)) || !is_text(c->run, sizeof(c->run)) ||
	    !is_text(c->spec, sizeof(c->spec)) || !is_text(c->base, sizeof(c->base)) ||
	    !is_text(c->path, sizeof(c->path)) || c->registration.stated_len > sizeof(c->stated))
		return false;
	*reg = (struct placed){ .id = c->id,
				.run = c->run,
				.spec = c->spec,
				.base = c->base[0] != '\0' ? c->base : NULL,
				.path = c->path[0] != '\0' ? c->path : NULL,
				.uid = c->uid,
				.owner = c->owner,
				.group = c->group,
				.mode = c->mode };
	return (reg->base == NULL) != (reg->path == NULL) && value_is_cell_id(str_of(reg->id)) &&
	       (reg->run[0] == '\0' || value_is_attribution(str_of(reg->run))) &&
	       (reg->spec[0] == '\0' || value_is_attribution(str_of(reg->spec)));
}

/* A cell that is no longer in the configuration: its socket goes. */
static int give_up(struct line *line, const struct kept_cell *c, const struct placed *reg,
		   struct cht_err *err)
{
	uint16_t name = STORE_NONE;
	int fd = store_take(&line->store, c->cookie, &name), r;
	uint32_t i;

	store_drop(&line->store, &name);
	fd_close(&fd);
	if (line->n_cells == line->n_slots)
		return 0; /* the file stays: nobody listens */
	r = slot_take(line, reg, &i, err);
	if (r < 0)
		return r;
	line->slots[i].state = SLOT_UNBINDING;
	line->slots[i].is_undone = true;
	r = opener_adopt(line, i, c->dev, c->ino, err);
	if (r == CHT_E_BIND)
		r = 0; /* gone already */
	else if (r == 0)
		r = opener_ask_unlink(line, i, err);
	while (r == 0 && line->slots[i].made != 0)
		r = line_sleep(line, err);
	slot_drop(line, i);
	/* As if it had never been: the start looks at every place that was used. */
	line->free_slot = line->slots[i].next;
	line->slots_used--;
	return r;
}

static int take_cell(struct line *line, const struct kept_cell *c, const struct placed *reg,
		     struct cht_err *err)
{
	uint16_t name = STORE_NONE;
	uint32_t i;
	int fd = -1, r;
	struct slot *slot;

	/* A listener that was passed in cannot be made again: without it there is no such cell. */
	if (c->registration.is_passed) {
		fd = store_take(&line->store, c->cookie, &name);
		if (fd < 0)
			return 0;
	}
	r = slot_take(line, reg, &i, err);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	slot = &line->slots[i];
	slot->left_fd = fd;
	slot->kept_name = name;
	slot->registration = c->registration;
	slot->registration.passed_fd = -1;
	slot->registration.stated = NULL;
	slot->registration.stated_len = 0;
	if (c->registration.stated_len > 0) {
		slot->registration.stated = malloc(c->registration.stated_len);
		if (slot->registration.stated == NULL)
			return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a kept cell");
		slot->registration.stated_len = c->registration.stated_len;
		memcpy(slot->registration.stated, c->stated, c->registration.stated_len);
	}
	cells_prepare(line, i);
	return 0;
}

int kept_take_cells(struct line *line, struct cht_err *err)
{
	const struct kept_head *h = old_head(line);
	int r = 0;

	for (uint64_t at = 0; h != NULL && at < h->n_cells && r == 0; at++) {
		const struct kept_cell *c = old_cell(line, at);
		struct placed reg;

		if (c->cookie == 0 || !read_reg(c, &reg) ||
		    ids_find(&line->ids, reg.id) != IDS_NONE)
			continue;
		if (c->is_static || line->n_cells == line->n_slots)
			r = give_up(line, c, &reg, err);
		else
			r = take_cell(line, c, &reg, err);
	}
	return r;
}

static uint16_t at_most(uint16_t limit, uint64_t most)
{
	return limit < most ? limit : (uint16_t)most;
}

static void take_limits(struct line *line)
{
	for (uint32_t i = 0; line->kept.old != NULL && i < line->slots_used; i++) {
		struct slot *slot = &line->slots[i];
		const struct kept_cell *c =
			slot->kept_name != STORE_NONE ? find_cell(line, slot->reg.id) : NULL;

		if (c == NULL || !slot->registration.is_asked)
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
	const struct kept_head *h = old_head(line);
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
	return (int64_t)INT32_MAX - left - (int64_t)c->counted;
}

/* The turn in which its process ended: what was read and is not done with, into our own. */
static bool take_turn(struct line *line, const struct conn *was, uint32_t at, int64_t n)
{
	const struct kept_turn *old = &old_head(line)->turn;
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

	if (old_head(line)->turn.conn == old_at)
		return take_turn(line, was, at, n);
	/* Between a turn and its count, or its counter and ours, when that is set anew. */
	line->conns[at].counted = (uint64_t)((int64_t)was->counted + n);
	return n <= RECEIVE_BYTES && (int64_t)was->counted + n >= 0 && feed(line, &was->framer, at);
}

static void take_conn(struct line *line, uint64_t old_at, uint32_t i, int fd, uint16_t name)
{
	const struct conn *was = old_conn(line, old_at);
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
	const struct kept_head *h = old_head(line);
	unsigned n = 0;

	memset(by_slot, 0xff, sizeof(by_slot));
	for (uint32_t i = 0; i < line->slots_used; i++)
		if (line->slots[i].table_slot >= 0)
			by_slot[line->slots[i].table_slot] = i;
	for (uint64_t at = 0; h != NULL && at < h->conns_used; at++) {
		const struct conn *was = old_conn(line, at);
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
	before = turn->done & ((UINT64_C(1) << KEPT_STORED_BITS) - 1);
	stored = line->slots[line->conns[turn->conn].cell].cell.frames.stored;
	/* The next one's event was noted, and its process ended before it said so here. */
	line->kept.skip = stored != before;
	return conns_finish_turn(line, turn->conn, (size_t)done, line->kept.turn_bytes, err);
}
