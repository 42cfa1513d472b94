/* SPDX-License-Identifier: Apache-2.0
 *
 * Extensions, details and coverage, encoded and decoded; frames cut and with bits turned.
 */
#include <cht/wire.h>

#include "check.h"

static uint8_t frame[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
static char longest[CHT_DETAIL_MAX_BYTES + 1];

static struct cht_declaration plain(void)
{
	return (struct cht_declaration){ .content_version = 2,
					 .pid = 77,
					 .monotonic_ns = UINT64_C(1) << 40,
					 .source_text = STR("process.exited"),
					 .comm = STR("cc1") };
}

static size_t coverage_of(uint8_t *out, size_t cap)
{
	const struct cht_coverage entries[] = {
		{ STR("process.spawned"), STR("active"), STR("proc-connector"), STR("") },
		{ STR("net.connect_attempted"), STR("absent"), STR(""), STR("no cgroup v2") },
		{ STR("fs.inotify_fired"), STR("degraded"), STR("inotify"), STR("watches") },
	};
	int n = cht_coverage_encode(entries, 3, out, cap);

	CHECK(n > 0);
	return (size_t)n;
}

/* Every key there is, so that a cut or a turned bit meets each of them. */
static int encode_all(void)
{
	struct cht_declaration d = plain();
	uint8_t coverage[512];

	d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED;
	d.agent_boot = UINT64_MAX;
	d.agent_seq = 300;
	d.agent_dropped = 0;
	d.details = (1u << CHT_N_DETAILS) - 1;
	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		switch (cht_detail_info((enum cht_detail)i)->kind) {
		case CHT_KIND_UINT: d.detail[i].num = i + 1; break;
		case CHT_KIND_TEXT: d.detail[i].text = STR("/bin/t\xc3\xa9xt"); break;
		case CHT_KIND_BYTES:
			d.detail[i].raw = (struct cht_bytes){ (const uint8_t *)"\xff\x01", 2 };
			break;
		case CHT_KIND_COVERAGE:
			d.detail[i].raw =
				(struct cht_bytes){ coverage, coverage_of(coverage, 512) };
			break;
		}
	}
	return cht_encode(&d, frame, sizeof(frame));
}

static uint8_t *body_copy(size_t n)
{
	uint8_t *copy = malloc(n + (n == 0));

	assert_non_null(copy);
	memcpy(copy, frame + CHT_FRAME_HEAD_BYTES, n);
	return copy;
}

static void test_all_keys_come_back(void **state)
{
	int n = encode_all();
	struct cht_declaration d;
	struct cht_coverage entry;
	size_t at = 0;

	(void)state;
	CHECK(n > 0);
	CHECK_INT(le32_load(frame), n - CHT_FRAME_HEAD_BYTES);
	CHECK_INT(cht_decode(frame + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES, &d,
			     NULL),
		  0);
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
	CHECK_INT(d.content_version, 2);
	CHECK_INT(d.extensions, 7);
	CHECK(d.agent_boot == UINT64_MAX);
	CHECK_INT(d.agent_seq, 300);
	CHECK_INT(d.agent_dropped, 0);
	CHECK_INT(d.details, (1u << CHT_N_DETAILS) - 1);
	CHECK_INT(d.detail[CHT_DETAIL_EXIT_CODE].num, CHT_DETAIL_EXIT_CODE + 1);
	CHECK_INT(d.detail[CHT_DETAIL_UID].num, CHT_DETAIL_UID + 1);
	CHECK_STR(d.detail[CHT_DETAIL_EXE].text, "/bin/t\xc3\xa9xt");
	CHECK_INT(d.detail[CHT_DETAIL_COMM_RAW].raw.len, 2);
	CHECK_INT(d.detail[CHT_DETAIL_COMM_RAW].raw.ptr[0], 0xff);
	CHECK(cht_coverage_next(d.detail[CHT_DETAIL_COVERAGE].raw, &at, &entry));
	CHECK_STR(entry.source, "process.spawned");
	CHECK_STR(entry.state, "active");
	CHECK_STR(entry.mechanism, "proc-connector");
	CHECK_STR(entry.reason, "");
	CHECK(cht_coverage_next(d.detail[CHT_DETAIL_COVERAGE].raw, &at, &entry));
	CHECK_STR(entry.reason, "no cgroup v2");
	CHECK(cht_coverage_next(d.detail[CHT_DETAIL_COVERAGE].raw, &at, &entry));
	CHECK(!cht_coverage_next(d.detail[CHT_DETAIL_COVERAGE].raw, &at, &entry));
}

static void test_every_prefix_is_refused_at_its_end(void **state)
{
	size_t n = (size_t)encode_all() - CHT_FRAME_HEAD_BYTES;

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *exact = body_copy(cut);
		struct cht_declaration d;
		struct cht_wire_fault why;

		CHECK_INT(cht_decode(exact, cut, &d, &why), CHT_E_WIRE);
		CHECK_INT(why.fault, CHT_FAULT_TRUNCATED);
		CHECK_INT(why.at, cut);
		free(exact);
	}
}

/* What still decodes must say the same after one more time through the encoder. */
static void check_again(const struct cht_declaration *d)
{
	static uint8_t once[sizeof(frame)], twice[sizeof(frame)];
	int n = cht_encode(d, once, sizeof(once));
	struct cht_declaration e;

	CHECK(n > 0);
	CHECK_INT(
		cht_decode(once + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES, &e, NULL),
		0);
	CHECK_INT(e.pid, d->pid);
	CHECK_INT(e.details, d->details);
	CHECK_INT(e.extensions, d->extensions);
	CHECK_STRS(e.source_text, d->source_text);
	CHECK_STRS(e.comm, d->comm);
	CHECK_INT(cht_encode(&e, twice, sizeof(twice)), n);
	CHECK(memcmp(once, twice, (size_t)n) == 0);
}

static void test_every_bit_flip_is_refused_or_consistent(void **state)
{
	size_t n = (size_t)encode_all() - CHT_FRAME_HEAD_BYTES, taken = 0;
	uint8_t *body = body_copy(n);

	(void)state;
	for (size_t bit = 0; bit < n * 8; bit++) {
		struct cht_declaration d;
		struct cht_wire_fault why;
		int r;

		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = cht_decode(body, n, &d, &why);
		if (r == 0) {
			check_again(&d);
			taken++;
		} else {
			CHECK(why.at <= n);
			CHECK(why.fault > CHT_FAULT_NONE && why.fault < CHT_N_FAULTS);
		}
		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(taken > 0 && taken < n * 8);
	free(body);
}

/* One detail alone, of this value or length. */
static int with_detail(enum cht_detail i, uint64_t amount)
{
	struct cht_declaration d = plain();

	d.details = 1u << i;
	switch (cht_detail_info(i)->kind) {
	case CHT_KIND_UINT: d.detail[i].num = amount; break;
	case CHT_KIND_TEXT: d.detail[i].text = (struct cht_str){ longest, amount }; break;
	case CHT_KIND_BYTES:
	case CHT_KIND_COVERAGE:
		d.detail[i].raw = (struct cht_bytes){ (const uint8_t *)longest, amount };
		break;
	}
	return cht_encode(&d, frame, sizeof(frame));
}

static void test_each_detail_is_taken_at_its_bound_and_refused_above(void **state)
{
	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		const struct cht_detail_info *info = cht_detail_info((enum cht_detail)i);
		struct cht_declaration d;
		int n;

		check_row = info->key;
		if (info->kind == CHT_KIND_COVERAGE)
			continue;
		n = with_detail((enum cht_detail)i, info->max);
		CHECK(n > 0);
		CHECK_INT(cht_decode(frame + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES,
				     &d, NULL),
			  0);
		CHECK_INT(d.details, 1 << i);
		CHECK_INT(with_detail((enum cht_detail)i, info->max + 1), CHT_E_RANGE);
	}
	check_row = "";
}

static size_t put(size_t at, const void *bytes, size_t n)
{
	memcpy(frame + at, bytes, n);
	return at + n;
}

/* exe and exe_raw of 4,084 and raw_len bytes: the pairs take 4,091 and raw_len + 11. */
static int decode_two(uint16_t raw_len, struct cht_wire_fault *why, size_t *key_at)
{
	struct cht_declaration d = plain();
	size_t at;

	d.details = 1u << CHT_DETAIL_EXE;
	d.detail[CHT_DETAIL_EXE].text = (struct cht_str){ longest, 4084 };
	at = (size_t)cht_encode(&d, frame, sizeof(frame));
	frame[CHT_FRAME_HEAD_BYTES]++; /* one pair more */
	*key_at = at - CHT_FRAME_HEAD_BYTES;
	at = put(at,
		 "\x67"
		 "exe_raw\x59",
		 9);
	be16_store(frame + at, raw_len);
	at = put(at + 2, longest, raw_len);
	return cht_decode(frame + CHT_FRAME_HEAD_BYTES, at - CHT_FRAME_HEAD_BYTES, &d, why);
}

static void test_details_may_take_8192_bytes_and_no_more(void **state)
{
	struct cht_wire_fault why;
	size_t key_at;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	CHECK_INT(decode_two(4090, &why, &key_at), 0);
	CHECK_INT(decode_two(4091, &why, &key_at), CHT_E_WIRE);
	CHECK_INT(why.fault, CHT_FAULT_DETAILS);
	CHECK_INT(why.at, key_at);
}

static void test_what_would_be_refused_is_not_encoded(void **state)
{
	const struct cht_str bad = STR("\xff"), long_text = { longest, CHT_TEXT_MAX_BYTES + 1 };
	struct cht_declaration d[9];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (unsigned i = 0; i < 9; i++)
		d[i] = plain();
	d[0].content_version = 0x100;
	d[1].source_text = bad;
	d[2].comm = bad;
	d[3].source_text = long_text;
	d[4].comm = long_text;
	d[5].extensions = 8;
	d[6].details = 1u << CHT_N_DETAILS;
	d[7].details = 1u << CHT_DETAIL_EXE | 1u << CHT_DETAIL_EXE_RAW;
	d[7].detail[CHT_DETAIL_EXE].text = (struct cht_str){ longest, 4096 };
	d[7].detail[CHT_DETAIL_EXE_RAW].raw = (struct cht_bytes){ (uint8_t *)longest, 4096 };
	d[8].details = 1u << CHT_DETAIL_COVERAGE;
	d[8].detail[CHT_DETAIL_COVERAGE].raw = (struct cht_bytes){ (const uint8_t *)"\x80\x80", 2 };
	for (unsigned i = 0; i < 9; i++)
		CHECK_INT(cht_encode(&d[i], frame, sizeof(frame)), CHT_E_RANGE);
	CHECK_INT(cht_encode(&d[0], frame, 0), CHT_E_RANGE);
}

static void test_too_little_room_is_told_at_every_size(void **state)
{
	int n = encode_all();
	static uint8_t whole[sizeof(frame)];
	struct cht_declaration d;

	(void)state;
	memcpy(whole, frame, (size_t)n);
	CHECK_INT(cht_decode(whole + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES, &d,
			     NULL),
		  0);
	for (size_t cap = 0; cap < (size_t)n; cap++) {
		uint8_t *exact = malloc(cap + (cap == 0));

		CHECK_INT(cht_encode(&d, exact, cap), CHT_E_FULL);
		free(exact);
	}
	CHECK_INT(cht_encode(&d, frame, (size_t)n), n);
	CHECK(memcmp(frame, whole, (size_t)n) == 0);
}

static void test_coverage_keeps_its_bounds(void **state)
{
	struct cht_coverage entries[CHT_COVERAGE_MAX + 1];
	uint8_t out[8192];
	int n;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (unsigned i = 0; i <= CHT_COVERAGE_MAX; i++)
		entries[i] = (struct cht_coverage){
			{ longest, 64 }, STR("degraded"), { longest, 64 }, { longest, 255 }
		};
	n = cht_coverage_encode(entries, CHT_COVERAGE_MAX, out, sizeof(out));
	CHECK(n > 0 && n < CHT_DETAIL_MAX_BYTES);
	CHECK_INT(cht_coverage_encode(entries, CHT_COVERAGE_MAX, out, (size_t)n - 1), CHT_E_FULL);
	CHECK_INT(cht_coverage_encode(entries, CHT_COVERAGE_MAX + 1, out, sizeof(out)),
		  CHT_E_RANGE);
	entries[0].source.len = 65;
	CHECK_INT(cht_coverage_encode(entries, 1, out, sizeof(out)), CHT_E_RANGE);
	entries[1].state = STR("asleep");
	CHECK_INT(cht_coverage_encode(entries + 1, 1, out, sizeof(out)), CHT_E_RANGE);
	entries[2].mechanism = STR("\xff");
	CHECK_INT(cht_coverage_encode(entries + 2, 1, out, sizeof(out)), CHT_E_RANGE);
	entries[3].reason.len = 256;
	CHECK_INT(cht_coverage_encode(entries + 3, 1, out, sizeof(out)), CHT_E_RANGE);
	CHECK_INT(cht_coverage_encode(entries, 0, out, sizeof(out)), 1);
}

static void test_a_walk_over_bad_coverage_ends(void **state)
{
	static const char *const bad[] = { "",    "\x81", "\x81\x80", "\x05", "\x81\x84\x60\x60",
					   "\xff" };
	struct cht_coverage entry;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cht_bytes raw = { (const uint8_t *)bad[i], strlen(bad[i]) };
		size_t at = 0;

		check_row = bad[i];
		CHECK(!cht_coverage_next(raw, &at, &entry));
		at = 100;
		CHECK(!cht_coverage_next(raw, &at, &entry));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys_come_back),
		cmocka_unit_test(test_every_prefix_is_refused_at_its_end),
		cmocka_unit_test(test_every_bit_flip_is_refused_or_consistent),
		cmocka_unit_test(test_each_detail_is_taken_at_its_bound_and_refused_above),
		cmocka_unit_test(test_details_may_take_8192_bytes_and_no_more),
		cmocka_unit_test(test_what_would_be_refused_is_not_encoded),
		cmocka_unit_test(test_too_little_room_is_told_at_every_size),
		cmocka_unit_test(test_coverage_keeps_its_bounds),
		cmocka_unit_test(test_a_walk_over_bad_coverage_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
