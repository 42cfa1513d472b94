/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says how the rest, a stream, is cut into pieces. Whatever the cut, the framer
 * gives the bodies and the end that a plain walk over the whole stream gives, keeps within what
 * framer_room allowed, and returns every block.
 */
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "wire/framer.h"

enum { BLOCKS = 20 };

static struct frame_block blocks[BLOCKS];
static uint8_t scratch[CHT_FRAME_MAX_BYTES];

/* What a plain walk finds next: like framer_next on a stream that is all there. */
static int walk(struct cht_bytes *stream, struct cht_bytes *body)
{
	uint32_t len;

	if (stream->len < CHT_FRAME_HEAD_BYTES)
		return 0;
	len = le32_load(stream->ptr);
	if (len == 0 || len > CHT_FRAME_MAX_BYTES)
		return CHT_E_WIRE;
	if (stream->len - CHT_FRAME_HEAD_BYTES < len)
		return 0;
	*body = (struct cht_bytes){ stream->ptr + CHT_FRAME_HEAD_BYTES, len };
	stream->ptr += CHT_FRAME_HEAD_BYTES + len;
	stream->len -= CHT_FRAME_HEAD_BYTES + len;
	return 1;
}

/* 1 to 64 bytes, or thousands: from the seed alone. */
static size_t piece(uint8_t seed, size_t turn)
{
	size_t n = ((size_t)seed * 31 + turn * 17) % 64 + 1;

	return seed & 0x80 ? n * (size_t)257 : n;
}

static enum framer_eof end_of(struct cht_bytes rest)
{
	if (rest.len == 0)
		return FRAMER_EOF_CLEAN;
	return rest.len < CHT_FRAME_HEAD_BYTES ? FRAMER_EOF_IN_LENGTH : FRAMER_EOF_IN_BODY;
}

/* Feeds one piece. False when the stream is lost. */
static bool feed(struct framer *f, struct frame_pool *pool, struct frame_quota *quota,
		 struct cht_bytes in, struct cht_bytes *plain)
{
	struct cht_bytes got, want;
	int r;

	while ((r = framer_next(f, pool, quota, &in, 1, &got)) == 1) {
		HOLDS(walk(plain, &want) == 1);
		HOLDS(got.len == want.len && memcmp(got.ptr, want.ptr, got.len) == 0);
	}
	HOLDS(r == 0 || r == CHT_E_WIRE);
	if (r == CHT_E_WIRE)
		HOLDS(walk(plain, &want) == CHT_E_WIRE);
	else
		HOLDS(in.len == 0);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_quota quota = { .max = BLOCKS };
	struct cht_bytes plain, left;
	struct frame_pool pool;
	struct framer f = { 0 };
	bool sound = true;

	if (size == 0)
		return 0;
	plain = left = (struct cht_bytes){ data + 1, size - 1 };
	frame_pool_init(&pool, blocks, BLOCKS, scratch);
	for (size_t turn = 0; left.len > 0 && sound; turn++) {
		size_t n = piece(data[0], turn), room = framer_room(&f, &pool, &quota);

		HOLDS(room > 0 && room <= RECEIVE_BYTES);
		if (n > room)
			n = room;
		if (n > left.len)
			n = left.len;
		sound = feed(&f, &pool, &quota, (struct cht_bytes){ left.ptr, n }, &plain);
		left.ptr += n;
		left.len -= n;
	}
	if (sound)
		HOLDS(framer_at_eof(&f) == end_of(plain));
	framer_reset(&f, &pool, &quota);
	HOLDS(quota.used == 0 && framer_at_eof(&f) == FRAMER_EOF_CLEAN);
	HOLDS(framer_room(&f, &pool, &quota) == RECEIVE_BYTES);
	return 0;
}
