/* SPDX-License-Identifier: Apache-2.0
 *
 * Many hashes at once: two messages go side by side, and when one ends the next takes its lane.
 * Where there are no lanes, and for what is left over at the end, it is one after the other.
 */
#include <string.h>

#include "base/bytes.h"
#include "tlog/lanes.h"
#include "tlog/tlog.h"

enum { BLOCK = LANES_BLOCK_BYTES, LENGTH_BYTES = 8 };

/* FIPS 180-4 section 5.3.3. */
static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

/* One message under way: a first block of its own, whole blocks where they stand, then the last one
 * or two, padded. */
struct stream {
	uint32_t state[8];
	uint8_t head[BLOCK], tail[2 * BLOCK];
	const uint8_t *at; /* next whole block */
	size_t n_whole;    /* such blocks left */
	unsigned tail_at, tail_end;
	bool has_head;
	struct tlog_hash *out;
};

/* The message 0x00 || entry. */
static void stream_begin(struct stream *s, struct cht_bytes entry, struct tlog_hash *out)
{
	size_t total = 1 + entry.len, first = entry.len < BLOCK - 1 ? entry.len : BLOCK - 1, rest;

	memcpy(s->state, initial, sizeof(initial));
	s->out = out;
	s->has_head = total >= BLOCK;
	s->at = entry.ptr + first;
	s->n_whole = s->has_head ? (total - BLOCK) / BLOCK : 0;
	rest = total % BLOCK;
	memset(s->tail, 0, sizeof(s->tail));
	if (s->has_head) {
		s->head[0] = 0;
		memcpy(s->head + 1, entry.ptr, BLOCK - 1);
		memcpy(s->tail, entry.ptr + entry.len - rest, rest);
	} else if (entry.len > 0) {
		memcpy(s->tail + 1, entry.ptr, entry.len);
	}
	s->tail[rest] = 0x80;
	s->tail_at = 0;
	s->tail_end = rest + 1 + LENGTH_BYTES > BLOCK ? 2 * BLOCK : BLOCK;
	be64_store(s->tail + s->tail_end - LENGTH_BYTES, (uint64_t)total * 8);
}

static bool stream_is_over(const struct stream *s)
{
	return s->tail_at == s->tail_end;
}

/* There is one: the stream is not over. */
static const uint8_t *next_block(struct stream *s)
{
	const uint8_t *block = s->at;

	if (s->has_head) {
		s->has_head = false;
		return s->head;
	}
	if (s->n_whole > 0) {
		s->n_whole--;
		s->at += BLOCK;
		return block;
	}
	block = s->tail + s->tail_at;
	s->tail_at += BLOCK;
	return block;
}

static void stream_end(const struct stream *s)
{
	for (size_t i = 0; i < 8; i++)
		be32_store(s->out->b + 4 * i, s->state[i]);
}

/* Puts the next message into a lane; false when there is none. */
static bool feed(struct stream *s, const struct cht_bytes *entries, unsigned n, unsigned *next,
		 struct tlog_hash *out)
{
	if (*next == n)
		return false;
	stream_begin(s, entries[*next], &out[*next]);
	(*next)++;
	return true;
}

static void side_by_side(const struct cht_bytes *entries, unsigned n, struct tlog_hash *out)
{
	static const uint8_t idle[BLOCK];
	struct stream s[2];
	unsigned next = 0;
	bool on[2];

	for (int i = 0; i < 2; i++)
		on[i] = feed(&s[i], entries, n, &next, out);
	while (on[0] || on[1]) {
		const uint8_t *a = on[0] ? next_block(&s[0]) : idle;
		const uint8_t *b = on[1] ? next_block(&s[1]) : idle;

		lanes_compress(s[0].state, a, s[1].state, b);
		for (int i = 0; i < 2; i++) {
			if (!on[i] || !stream_is_over(&s[i]))
				continue;
			stream_end(&s[i]);
			on[i] = feed(&s[i], entries, n, &next, out);
		}
	}
}

void tlog_leaves(const struct cht_bytes *entries, unsigned n, struct tlog_hash *out)
{
	if (n > 1 && lanes_are_there())
		side_by_side(entries, n, out);
	else
		for (unsigned i = 0; i < n; i++)
			tlog_leaf(entries[i], &out[i]);
}
