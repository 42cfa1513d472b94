/* SPDX-License-Identifier: Apache-2.0
 *
 * framer.h - a byte stream in, frame bodies out. Pure: no I/O, no clock, no allocation.
 *
 * A frame that lies whole in the given bytes is handed out in place. The beginning of one that
 * does not is kept in 4 KiB blocks from a pool, of which each owner (a cell) may hold a bounded
 * number; each byte is copied at most twice, however slowly it comes.
 */
#ifndef WIRE_FRAMER_H
#define WIRE_FRAMER_H

#include <cht/wire.h>

#include "base/limits.h"

struct frame_block {
	struct frame_block *next;
	uint8_t bytes[PARTIAL_BLOCK_BYTES];
};

/* All blocks of a process, and one scratch body into which a frame that spans blocks is
 * gathered. Memory is the caller's. */
struct frame_pool {
	struct frame_block *free;  /* given back */
	struct frame_block *fresh; /* never used: their pages are not touched before */
	size_t n_free, n_fresh;
	uint8_t *scratch; /* CHT_FRAME_MAX_BYTES */
};

/* What one owner holds of the pool. */
struct frame_quota {
	uint16_t used, max;
};

/* Zero-initialise. 16 blocks hold the longest body. */
struct framer {
	struct frame_block *first, *last;
	uint32_t have;                      /* bytes of the current frame kept, length included */
	uint32_t need;                      /* its whole size; 0 until the length is known */
	uint64_t started_ns;                /* framer_next's now: when its first byte was kept */
	uint8_t head[CHT_FRAME_HEAD_BYTES]; /* its length; not in blocks */
};

enum framer_eof { FRAMER_EOF_CLEAN, FRAMER_EOF_IN_LENGTH, FRAMER_EOF_IN_BODY };

/* Gives the pool n blocks, which it does not touch yet. */
void frame_pool_init(struct frame_pool *pool, struct frame_block *blocks, size_t n,
		     uint8_t *scratch);

/* How many bytes may be given next so that all that remains partial can be kept: 0 when the
 * quota or the pool is used up (stop reading), never more than RECEIVE_BYTES. The rest of a frame
 * can be finished without a block when it comes in one piece. */
size_t framer_room(const struct framer *f, const struct frame_pool *pool,
		   const struct frame_quota *quota);

/* Takes from the front of *in, which it moves on, until a body is whole. 1: *body is valid until
 * the next call or until the bytes of *in go. 0: *in is used up; what is partial is kept.
 * CHT_E_WIRE: a length of 0 or above CHT_FRAME_MAX_BYTES: the stream is lost. CHT_E_FULL: more was
 * given than framer_room allowed. */
int framer_next(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
		struct cht_bytes *in, uint64_t now_ns, struct cht_bytes *body) CHT_CHECKED;

/* Where the stream would end if it ended now. */
enum framer_eof framer_at_eof(const struct framer *f);
/* Whether the current frame has been partial for so long, by the clock that framer_next is given.
 */
bool framer_is_stalled(const struct framer *f, uint64_t now_ns, uint64_t limit_ns);
/* Gives blocks back. */
void framer_reset(struct framer *f, struct frame_pool *pool, struct frame_quota *quota);

#endif
