/* SPDX-License-Identifier: Apache-2.0
 *
 * Only what is partial when the input ends is kept. The rest of a frame that began in blocks is
 * gathered behind them in the pool's scratch straight from the input, so finishing a frame never
 * needs a block, and a byte is copied once into a block and once out of it.
 */
#include "wire/framer.h"

#include <string.h>

#include "base/bytes.h"

enum { BLOCK_BYTES = sizeof(((struct frame_block *)NULL)->bytes) };

_Static_assert(sizeof(struct frame_block) == PARTIAL_BLOCK_BYTES, "a block is a page");

void frame_pool_init(struct frame_pool *pool, struct frame_block *blocks, size_t n,
		     uint8_t *scratch)
{
	*pool = (struct frame_pool){ .fresh = blocks, .n_fresh = n, .scratch = scratch };
}

/* Bytes of the last block that are not written yet. */
static size_t block_room(const struct framer *f)
{
	size_t used = f->have % BLOCK_BYTES;

	return f->have == 0 || used == 0 ? 0 : BLOCK_BYTES - used;
}

size_t framer_room(const struct framer *f, const struct frame_pool *pool,
		   const struct frame_quota *quota)
{
	size_t blocks = pool->n_free + pool->n_fresh;
	size_t may = quota->used < quota->max ? (size_t)(quota->max - quota->used) : 0;
	size_t room;

	if (may > RECEIVE_BYTES / BLOCK_BYTES + 1)
		may = RECEIVE_BYTES / BLOCK_BYTES + 1;
	room = block_room(f) + (may < blocks ? may : blocks) * BLOCK_BYTES;
	return room < RECEIVE_BYTES ? room : RECEIVE_BYTES;
}

/* A block given back before one that was never touched; null when there is neither. */
static struct frame_block *take_block(struct frame_pool *pool)
{
	struct frame_block *block = pool->free;

	if (block != NULL) {
		pool->free = block->next;
		pool->n_free--;
	} else if (pool->n_fresh > 0) {
		block = pool->fresh++;
		pool->n_fresh--;
	}
	return block;
}

/* One more block at the end; false when there is none to be had. */
static bool add_block(struct framer *f, struct frame_pool *pool, struct frame_quota *quota)
{
	struct frame_block *block = quota->used < quota->max ? take_block(pool) : NULL;

	if (block == NULL)
		return false;
	quota->used++;
	block->next = NULL;
	if (f->first == NULL)
		f->first = block;
	else
		f->last->next = block;
	f->last = block;
	return true;
}

/* Moves all of *in behind what is kept. */
static int keep(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
		struct cht_bytes *in)
{
	while (in->len > 0) {
		size_t n = block_room(f);

		if (n == 0) {
			if (!add_block(f, pool, quota))
				return CHT_E_FULL;
			n = BLOCK_BYTES;
		}
		if (n > in->len)
			n = in->len;
		memcpy(f->last->bytes + f->have % BLOCK_BYTES, in->ptr, n);
		f->have += (uint32_t)n;
		in->ptr += n;
		in->len -= n;
	}
	return 0;
}

/* The length prefix from what is kept and what is given. 1: *need is the whole frame's size. 0: not
 * all four bytes are there yet. */
static int read_length(const struct framer *f, struct cht_bytes in, uint32_t *need)
{
	uint8_t head[CHT_FRAME_HEAD_BYTES];
	size_t kept = f->have < sizeof(head) ? f->have : sizeof(head);
	uint32_t len;

	if (in.len < sizeof(head) - kept)
		return 0;
	if (kept > 0)
		memcpy(head, f->first->bytes, kept);
	if (kept < sizeof(head))
		memcpy(head + kept, in.ptr, sizeof(head) - kept);
	len = le32_load(head);
	if (len == 0 || len > CHT_FRAME_MAX_BYTES)
		return CHT_E_WIRE;
	*need = CHT_FRAME_HEAD_BYTES + len;
	return 1;
}

/* The frame's last bytes are at hand: all of it, in one piece. */
static const uint8_t *gather(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
			     struct cht_bytes in)
{
	size_t rest = f->need - f->have, at = 0;

	if (f->have == 0)
		return in.ptr;
	for (const struct frame_block *b = f->first; b != NULL; b = b->next) {
		size_t n = f->have - at < BLOCK_BYTES ? f->have - at : BLOCK_BYTES;

		memcpy(pool->scratch + at, b->bytes, n);
		at += n;
	}
	memcpy(pool->scratch + at, in.ptr, rest);
	framer_reset(f, pool, quota);
	return pool->scratch;
}

int framer_next(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
		struct cht_bytes *in, uint64_t now_ns, struct cht_bytes *body)
{
	uint32_t need;
	size_t rest;

	if (in->len == 0)
		return 0;
	if (f->need == 0) {
		int r = read_length(f, *in, &f->need);

		if (r < 0)
			return r;
	}
	need = f->need;
	rest = need - f->have;
	if (need == 0 || in->len < rest) {
		if (f->have == 0)
			f->started_ns = now_ns;
		return keep(f, pool, quota, in);
	}
	*body = (struct cht_bytes){ gather(f, pool, quota, *in) + CHT_FRAME_HEAD_BYTES,
				    need - CHT_FRAME_HEAD_BYTES };
	f->need = 0;
	f->started_ns = 0;
	in->ptr += rest;
	in->len -= rest;
	return 1;
}

enum framer_eof framer_at_eof(const struct framer *f)
{
	if (f->have == 0)
		return FRAMER_EOF_CLEAN;
	return f->have < CHT_FRAME_HEAD_BYTES ? FRAMER_EOF_IN_LENGTH : FRAMER_EOF_IN_BODY;
}

bool framer_is_stalled(const struct framer *f, uint64_t now_ns)
{
	return f->have > 0 && now_ns >= f->started_ns && now_ns - f->started_ns >= LIMIT_STALL_NS;
}

void framer_reset(struct framer *f, struct frame_pool *pool, struct frame_quota *quota)
{
	if (f->first != NULL) {
		uint32_t blocks = (f->have + BLOCK_BYTES - 1) / BLOCK_BYTES;

		f->last->next = pool->free;
		pool->free = f->first;
		pool->n_free += blocks;
		quota->used = (uint16_t)(quota->used - blocks);
	}
	*f = (struct framer){ 0 };
}
