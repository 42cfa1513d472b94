/* SPDX-License-Identifier: Apache-2.0
 *
 * Only what is partial when the input ends is kept. The rest of a frame that began in blocks is
 * gathered behind them in the pool's scratch straight from the input, so finishing a frame never
 * needs a block, and a byte is copied once into a block and once out of it.
 */
#include "wire/framer.h"

#include <string.h>

#include "base/bytes.h"

enum { BLOCK_BYTES = PARTIAL_BLOCK_BYTES };

void frame_pool_init(struct frame_pool *pool, struct frame_block *blocks, size_t n,
		     uint8_t *scratch)
{
	*pool = (struct frame_pool){ .fresh = blocks, .n_fresh = n, .scratch = scratch };
}

/* Bytes of the length, and of the body, that are kept. */
static uint32_t head_kept(const struct framer *f)
{
	return f->have < CHT_FRAME_HEAD_BYTES ? f->have : CHT_FRAME_HEAD_BYTES;
}

static uint32_t body_kept(const struct framer *f)
{
	return f->have - head_kept(f);
}

/* Bytes of the last block that are not written yet. */
static size_t block_room(const struct framer *f)
{
	size_t used = body_kept(f) % BLOCK_BYTES;

	return used == 0 ? 0 : BLOCK_BYTES - used;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Blocks that are to be had. */
static size_t blocks_free(const struct frame_pool *pool, const struct frame_quota *quota)
{
	size_t may = quota->used < quota->max ? (size_t)(quota->max - quota->used) : 0;

	return least(may, pool->n_free + pool->n_fresh);
}

size_t framer_room(const struct framer *f, const struct frame_pool *pool,
		   const struct frame_quota *quota)
{
	size_t room = block_room(f) + blocks_free(pool, quota) * BLOCK_BYTES;

	if (room == 0)
		return 0; /* a length alone would only start the clock of a stall */
	return least(room + CHT_FRAME_HEAD_BYTES - head_kept(f), RECEIVE_BYTES);
}

/* One more block at the end; false when there is none to be had. */
static bool add_block(struct framer *f, struct frame_pool *pool, struct frame_quota *quota)
{
	struct frame_block *block = pool->free;

	if (blocks_free(pool, quota) == 0)
		return false;
	if (block != NULL) {
		pool->free = block->next;
		pool->n_free--;
	} else {
		block = pool->fresh++;
		pool->n_fresh--;
	}
	quota->used++;
	block->next = NULL;
	if (f->first == NULL)
		f->first = block;
	else
		f->last->next = block;
	f->last = block;
	return true;
}

/* Moves n bytes of *in to `to`. */
static void take(struct framer *f, struct cht_bytes *in, uint8_t *to, size_t n)
{
	memcpy(to, in->ptr, n);
	f->have += (uint32_t)n;
	in->ptr += n;
	in->len -= n;
}

/* Moves all of *in behind what is kept. */
static int keep(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
		struct cht_bytes *in)
{
	size_t head = head_kept(f);

	if (head < CHT_FRAME_HEAD_BYTES)
		take(f, in, f->head + head, least(in->len, CHT_FRAME_HEAD_BYTES - head));
	while (in->len > 0) {
		size_t room = block_room(f);

		if (room == 0) {
			if (!add_block(f, pool, quota))
				return CHT_E_FULL;
			room = BLOCK_BYTES;
		}
		take(f, in, f->last->bytes + BLOCK_BYTES - room, least(in->len, room));
	}
	return 0;
}

/* The length prefix from what is kept and what is given, into *need: the whole frame's size, or 0
 * when not all four bytes are there yet. */
static int read_length(const struct framer *f, struct cht_bytes in, uint32_t *need)
{
	uint8_t head[CHT_FRAME_HEAD_BYTES];
	size_t kept = head_kept(f);
	uint32_t len;

	*need = 0;
	if (in.len < sizeof(head) - kept)
		return 0;
	memcpy(head, f->head, kept);
	memcpy(head + kept, in.ptr, sizeof(head) - kept);
	len = le32_load(head);
	if (len == 0 || len > CHT_FRAME_MAX_BYTES)
		return CHT_E_WIRE;
	*need = CHT_FRAME_HEAD_BYTES + len;
	return 0;
}

/* The frame's last bytes are at hand: its body in one piece. */
static const uint8_t *gather(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
			     struct cht_bytes in)
{
	size_t kept = body_kept(f), skip = CHT_FRAME_HEAD_BYTES - head_kept(f), at = 0;

	if (kept == 0) {
		framer_reset(f, pool, quota);
		return in.ptr + skip;
	}
	for (const struct frame_block *b = f->first; b != NULL; b = b->next) {
		size_t n = least(kept - at, BLOCK_BYTES);

		memcpy(pool->scratch + at, b->bytes, n);
		at += n;
	}
	memcpy(pool->scratch + at, in.ptr, f->need - f->have);
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
	*body = (struct cht_bytes){ gather(f, pool, quota, *in), need - CHT_FRAME_HEAD_BYTES };
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

bool framer_is_stalled(const struct framer *f, uint64_t now_ns, uint64_t limit_ns)
{
	return f->have > 0 && now_ns >= f->started_ns && now_ns - f->started_ns >= limit_ns;
}

void framer_reset(struct framer *f, struct frame_pool *pool, struct frame_quota *quota)
{
	if (f->first != NULL) {
		uint32_t blocks = (body_kept(f) + BLOCK_BYTES - 1) / BLOCK_BYTES;

		f->last->next = pool->free;
		pool->free = f->first;
		pool->n_free += blocks;
		quota->used = (uint16_t)(quota->used - blocks);
	}
	*f = (struct framer){ 0 };
}
