/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream in pieces of any size; how it can end; what happens when blocks are short.
 */
#include "check.h"

#include "wire/framer.h"

enum { BLOCKS = 40, BLOCK_BYTES = PARTIAL_BLOCK_BYTES, HEAD = CHT_FRAME_HEAD_BYTES };

static struct frame_block blocks[BLOCKS];
static uint8_t scratch[CHT_FRAME_MAX_BYTES];
static uint8_t stream[4 * (CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES)];

struct rig {
	struct framer f;
	struct frame_pool pool;
	struct frame_quota quota;
};

static struct rig rig_of(size_t n_blocks, uint16_t max)
{
	struct rig r = { .quota = { .max = max } };

	frame_pool_init(&r.pool, blocks, n_blocks, scratch);
	return r;
}

static int next(struct rig *r, struct cht_bytes *in, uint64_t now_ns, struct cht_bytes *body)
{
	return framer_next(&r->f, &r->pool, &r->quota, in, now_ns, body);
}

static size_t room(const struct rig *r)
{
	return framer_room(&r->f, &r->pool, &r->quota);
}

/* A frame whose body counts up from `first`; the offset behind it. */
static size_t put_frame(size_t at, uint32_t len, uint8_t first)
{
	le32_store(stream + at, len);
	at += CHT_FRAME_HEAD_BYTES;
	for (uint32_t i = 0; i < len; i++)
		stream[at + i] = (uint8_t)(first + i * 7);
	return at + len;
}

static void check_body(struct cht_bytes body, uint32_t len, uint8_t first)
{
	CHECK_INT(body.len, len);
	for (uint32_t i = 0; i < len; i++)
		if (body.ptr[i] != (uint8_t)(first + i * 7))
			fail_msg("byte %u of %u", i, len);
}

static const uint32_t lengths[] = { 1, 91, 300, 2 };
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/* Feeds stream[0..end) in pieces and expects the frames of lengths[] in their order. */
static void check_pieces(size_t end, size_t piece)
{
	struct rig r = rig_of(BLOCKS, BLOCKS);
	unsigned found = 0;

	for (size_t at = 0; at < end; at += piece) {
		size_t n = end - at < piece ? end - at : piece;
		uint8_t *exact = malloc(n);
		struct cht_bytes in = { exact, n }, body;
		int got;

		memcpy(exact, stream + at, n);
		while ((got = next(&r, &in, 1, &body)) == 1) {
			CHECK(found < N_LENGTHS);
			check_body(body, lengths[found], (uint8_t)found);
			found++;
		}
		CHECK_INT(got, 0);
		CHECK_INT(in.len, 0);
		free(exact);
	}
	CHECK_INT(found, N_LENGTHS);
	CHECK_INT(framer_at_eof(&r.f), FRAMER_EOF_CLEAN);
	CHECK_INT(r.quota.used, 0);
}

static size_t put_lengths(void)
{
	size_t end = 0;

	for (unsigned i = 0; i < N_LENGTHS; i++)
		end = put_frame(end, lengths[i], (uint8_t)i);
	return end;
}

static void test_pieces_of_every_size_give_the_same_bodies(void **state)
{
	size_t end = put_lengths();

	(void)state;
	for (size_t piece = 1; piece <= end; piece++)
		check_pieces(end, piece);
}

static void test_a_cut_at_every_byte_gives_the_same_bodies(void **state)
{
	size_t end = put_lengths();

	(void)state;
	for (size_t cut = 0; cut <= end; cut++) {
		struct rig r = rig_of(BLOCKS, BLOCKS);
		struct cht_bytes first = { stream, cut }, second = { stream + cut, end - cut },
				 body;
		unsigned found = 0;

		while (next(&r, &first, 1, &body) == 1)
			check_body(body, lengths[found], (uint8_t)found), found++;
		while (next(&r, &second, 1, &body) == 1)
			check_body(body, lengths[found], (uint8_t)found), found++;
		CHECK_INT(found, N_LENGTHS);
	}
}

static void test_a_whole_frame_is_handed_out_in_place(void **state)
{
	size_t end = put_frame(0, 100, 3);
	struct rig r = rig_of(0, 0);
	struct cht_bytes in = { stream, end }, body;

	(void)state;
	CHECK_INT(next(&r, &in, 1, &body), 1);
	CHECK(body.ptr == stream + CHT_FRAME_HEAD_BYTES);
	CHECK_INT(in.len, 0);
}

static void test_the_end_is_told_apart_at_every_position(void **state)
{
	size_t end = put_frame(0, 5000, 1);

	(void)state;
	for (size_t cut = 0; cut <= end; cut++) {
		struct rig r = rig_of(BLOCKS, BLOCKS);
		struct cht_bytes in = { stream, cut }, body;
		enum framer_eof want = cut == 0 || cut == end ? FRAMER_EOF_CLEAN
				       : cut < 4              ? FRAMER_EOF_IN_LENGTH
							      : FRAMER_EOF_IN_BODY;

		CHECK_INT(next(&r, &in, 1, &body), cut == end);
		CHECK_INT(framer_at_eof(&r.f), want);
	}
}

static const struct {
	const char *why;
	uint32_t len;
	int want;
} heads[] = {
	{ "zero", 0, CHT_E_WIRE },
	{ "one above", CHT_FRAME_MAX_BYTES + 1, CHT_E_WIRE },
	{ "all ones", UINT32_MAX, CHT_E_WIRE },
	{ "big-endian 91", 0x5b000000, CHT_E_WIRE },
	{ "one", 1, 0 },
	{ "the longest", CHT_FRAME_MAX_BYTES, 0 },
};

static void test_a_bad_length_is_told_as_soon_as_it_is_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		check_row = heads[i].why;
		le32_store(stream, heads[i].len);
		for (size_t cut = 0; cut < CHT_FRAME_HEAD_BYTES; cut++) {
			struct rig r = rig_of(BLOCKS, BLOCKS);
			struct cht_bytes in = { stream, cut }, body;

			CHECK_INT(next(&r, &in, 1, &body), 0);
			in = (struct cht_bytes){ stream + cut, CHT_FRAME_HEAD_BYTES - cut };
			CHECK_INT(next(&r, &in, 1, &body), heads[i].want);
			if (heads[i].want < 0)
				CHECK_INT(next(&r, &in, 1, &body), heads[i].want);
			framer_reset(&r.f, &r.pool, &r.quota);
			CHECK_INT(r.quota.used, 0);
		}
	}
}

static void test_frames_at_the_borders_of_blocks_come_whole(void **state)
{
	(void)state;
	for (uint32_t len = BLOCK_BYTES - 6; len < BLOCK_BYTES * 2 + 3;
	     len = len == BLOCK_BYTES + 3 ? BLOCK_BYTES * 2 - 6 : len + 1) {
		size_t end = put_frame(put_frame(0, len, 9), 10, 4);

		for (size_t cut = len - 10; cut < end; cut++) {
			struct rig r = rig_of(BLOCKS, BLOCKS);
			struct cht_bytes in = { stream, cut }, body;
			unsigned found = 0;

			if (next(&r, &in, 1, &body) == 1)
				check_body(body, len, 9), found++;
			CHECK_INT(next(&r, &in, 1, &body), 0);
			in = (struct cht_bytes){ stream + cut, end - cut };
			if (found == 0) {
				CHECK_INT(next(&r, &in, 1, &body), 1);
				check_body(body, len, 9);
			}
			CHECK_INT(next(&r, &in, 1, &body), 1);
			check_body(body, 10, 4);
			CHECK_INT(r.quota.used, 0);
		}
	}
}

static void test_the_longest_frame_byte_by_byte(void **state)
{
	size_t end = put_frame(0, CHT_FRAME_MAX_BYTES, 5);
	struct rig r = rig_of(BLOCKS, 32);
	struct cht_bytes body = { NULL, 0 };

	(void)state;
	for (size_t at = 0; at < end; at++) {
		struct cht_bytes in = { stream + at, 1 };

		CHECK_INT(next(&r, &in, 1, &body), at == end - 1);
	}
	check_body(body, CHT_FRAME_MAX_BYTES, 5);
	CHECK_INT(r.quota.used, 0);
	CHECK_INT(room(&r), RECEIVE_BYTES);
}

static void test_what_room_allows_can_be_kept_and_no_more(void **state)
{
	const uint16_t quotas[] = { 1, 2, 3 };

	(void)state;
	put_frame(0, CHT_FRAME_MAX_BYTES, 5);
	for (unsigned i = 0; i < 3; i++) {
		struct rig r = rig_of(BLOCKS, quotas[i]);
		struct cht_bytes in = { stream, 1000 }, body;

		CHECK_INT(room(&r), HEAD + quotas[i] * BLOCK_BYTES);
		CHECK_INT(next(&r, &in, 1, &body), 0);
		CHECK_INT(room(&r), HEAD + quotas[i] * BLOCK_BYTES - 1000);
		in = (struct cht_bytes){ stream + 1000, room(&r) };
		CHECK_INT(next(&r, &in, 1, &body), 0);
		CHECK_INT(room(&r), 0);
		in = (struct cht_bytes){ stream, 1 };
		CHECK_INT(next(&r, &in, 1, &body), CHT_E_FULL);
		framer_reset(&r.f, &r.pool, &r.quota);
		CHECK_INT(room(&r), HEAD + quotas[i] * BLOCK_BYTES);
	}
}

/* Two framers, each to its last byte but one, then to the end. */
static void run_two(struct rig *r, size_t end)
{
	struct framer other = { 0 };
	struct cht_bytes in = { stream, end - 1 }, body;

	CHECK_INT(next(r, &in, 1, &body), 0);
	in = (struct cht_bytes){ stream, end - 1 };
	CHECK_INT(framer_next(&other, &r->pool, &r->quota, &in, 1, &body), 0);
	CHECK_INT(r->quota.used, LIMIT_PARTIAL_BLOCKS);
	CHECK_INT(r->pool.n_free + r->pool.n_fresh, 0);
	in = (struct cht_bytes){ stream + end - 1, 1 };
	CHECK_INT(framer_next(&other, &r->pool, &r->quota, &in, 1, &body), 1);
	check_body(body, CHT_FRAME_MAX_BYTES, 5);
	in = (struct cht_bytes){ stream + end - 1, 1 };
	CHECK_INT(next(r, &in, 1, &body), 1);
	check_body(body, CHT_FRAME_MAX_BYTES, 5);
	CHECK_INT(r->quota.used, 0);
	CHECK_INT(r->pool.n_free, LIMIT_PARTIAL_BLOCKS);
}

static void test_a_cell_may_have_two_of_the_longest_frames_under_way(void **state)
{
	size_t end = put_frame(0, CHT_FRAME_MAX_BYTES, 5);
	struct rig r = rig_of(LIMIT_PARTIAL_BLOCKS, LIMIT_PARTIAL_BLOCKS);

	(void)state;
	run_two(&r, end);
	run_two(&r, end); /* out of what was given back */
}

static void test_an_empty_pool_leaves_no_room_until_one_gives_back(void **state)
{
	struct rig r = rig_of(1, 32);
	struct framer other = { 0 };
	struct cht_bytes in = { stream, 10 }, body;

	(void)state;
	put_frame(0, 100, 5);
	CHECK_INT(next(&r, &in, 1, &body), 0);
	CHECK_INT(framer_room(&other, &r.pool, &r.quota), 0);
	CHECK_INT(room(&r), HEAD + BLOCK_BYTES - 10);
	in = (struct cht_bytes){ stream + 10, 94 };
	CHECK_INT(next(&r, &in, 1, &body), 1);
	check_body(body, 100, 5);
	CHECK_INT(framer_room(&other, &r.pool, &r.quota), HEAD + BLOCK_BYTES);
}

static void test_a_frame_stalls_from_its_first_byte(void **state)
{
	struct rig r = rig_of(BLOCKS, BLOCKS);
	size_t end = put_frame(put_frame(0, 50, 5), 50, 5);
	const uint64_t start = 1000 * NS_PER_S;
	struct cht_bytes in = { stream, 1 }, body;

	(void)state;
	CHECK(!framer_is_stalled(&r.f, UINT64_MAX, LIMIT_STALL_NS));
	CHECK_INT(next(&r, &in, start, &body), 0);
	CHECK(!framer_is_stalled(&r.f, start - 1, LIMIT_STALL_NS));
	CHECK(!framer_is_stalled(&r.f, start + LIMIT_STALL_NS - 1, LIMIT_STALL_NS));
	in = (struct cht_bytes){ stream + 1, 20 };
	CHECK_INT(next(&r, &in, start + LIMIT_STALL_NS - 1, &body), 0);
	CHECK(framer_is_stalled(&r.f, start + LIMIT_STALL_NS, LIMIT_STALL_NS));
	/* the rest, and the beginning of the next: another clock */
	in = (struct cht_bytes){ stream + 21, 54 - 21 + 3 };
	CHECK_INT(next(&r, &in, start + LIMIT_STALL_NS, &body), 1);
	CHECK_INT(r.f.started_ns, 0);
	CHECK_INT(next(&r, &in, start + LIMIT_STALL_NS, &body), 0);
	CHECK(!framer_is_stalled(&r.f, start + 2 * LIMIT_STALL_NS - 1, LIMIT_STALL_NS));
	CHECK(framer_is_stalled(&r.f, start + 2 * LIMIT_STALL_NS, LIMIT_STALL_NS));
	in = (struct cht_bytes){ stream + 57, end - 57 };
	CHECK_INT(next(&r, &in, start + 3 * LIMIT_STALL_NS, &body), 1);
	CHECK(!framer_is_stalled(&r.f, UINT64_MAX, LIMIT_STALL_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_of_every_size_give_the_same_bodies),
		cmocka_unit_test(test_a_cut_at_every_byte_gives_the_same_bodies),
		cmocka_unit_test(test_a_whole_frame_is_handed_out_in_place),
		cmocka_unit_test(test_the_end_is_told_apart_at_every_position),
		cmocka_unit_test(test_a_bad_length_is_told_as_soon_as_it_is_there),
		cmocka_unit_test(test_frames_at_the_borders_of_blocks_come_whole),
		cmocka_unit_test(test_the_longest_frame_byte_by_byte),
		cmocka_unit_test(test_what_room_allows_can_be_kept_and_no_more),
		cmocka_unit_test(test_a_cell_may_have_two_of_the_longest_frames_under_way),
		cmocka_unit_test(test_an_empty_pool_leaves_no_room_until_one_gives_back),
		cmocka_unit_test(test_a_frame_stalls_from_its_first_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
