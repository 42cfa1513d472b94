/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cli/synth.h"

static const uint64_t borders[] = {
	0, 1, 23, 24, 25, 255, 256, 65535, 65536, UINT32_MAX, SYNTH_WIDE_MIN, UINT64_MAX,
};
enum { N_BORDERS = sizeof(borders) / sizeof(borders[0]) };

static struct synth_options options_of(bool has_seq)
{
	return (struct synth_options){ .source = STR("net.connect_attempted"),
				       .comm = STR("curl"),
				       .pid = 70000,
				       .has_seq = has_seq };
}

static struct synth *make(const struct synth_options *options)
{
	struct synth *s = malloc(sizeof(*s));
	struct cht_err err;

	CHECK_INT(synth_init(s, options, &err), 0);
	return s;
}

static void check_kind(const struct synth *s, const struct synth_options *o, enum synth_kind kind)
{
	for (size_t i = 0; i < N_BORDERS; i++) {
		struct synth_numbers numbers = { SYNTH_WIDE_MIN + i * UINT64_C(0x0123456789ab),
						 UINT64_MAX - i, borders[i] };
		uint8_t patched[SYNTH_FRAME_MAX], built[SYNTH_FRAME_MAX];
		int n = synth_build(o, kind, &numbers, built, sizeof(built));

		CHECK(n > 0);
		CHECK_INT(synth_put(s, kind, &numbers, patched), n);
		CHECK(memcmp(patched, built, (size_t)n) == 0);
	}
}

static void test_a_patched_frame_is_the_encoded_one(void **state)
{
	(void)state;
	for (int has_seq = 0; has_seq < 2; has_seq++) {
		struct synth_options o = options_of(has_seq == 1);
		struct synth *s = make(&o);

		for (unsigned kind = 0; kind < SYNTH_N_KINDS; kind++)
			check_kind(s, &o, (enum synth_kind)kind);
		free(s);
	}
}

/* Decodes a frame of this kind as the receiver would. */
static int decode(enum synth_kind kind, struct cht_declaration *d, struct cht_wire_fault *why)
{
	static uint8_t frame[SYNTH_FRAME_MAX];
	struct synth_options o = options_of(true);
	struct synth_numbers numbers = { SYNTH_WIDE_MIN, UINT64_C(0xfedcba9876543210), 300 };
	int n = synth_build(&o, kind, &numbers, frame, sizeof(frame));

	CHECK(n > CHT_FRAME_HEAD_BYTES);
	CHECK_INT(le32_load(frame), n - CHT_FRAME_HEAD_BYTES);
	return cht_decode(frame + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES, d, why);
}

static void test_a_plain_frame_says_what_was_asked_for(void **state)
{
	struct cht_declaration d;

	(void)state;
	CHECK_INT(decode(SYNTH_PLAIN, &d, NULL), 0);
	CHECK_INT(d.source, CHT_SOURCE_NET_CONNECT_ATTEMPTED);
	CHECK_STR(d.comm, "curl");
	CHECK_INT(d.pid, 70000);
	CHECK_INT(d.content_version, 1);
	CHECK(d.monotonic_ns == SYNTH_WIDE_MIN);
	CHECK(d.agent_boot == UINT64_C(0xfedcba9876543210));
	CHECK_INT(d.agent_seq, 300);
	CHECK_INT(d.agent_dropped, 0);
	CHECK_INT(d.forged, 0);
}

static void test_a_hello_promises_no_heartbeat(void **state)
{
	struct cht_declaration d;

	(void)state;
	CHECK_INT(decode(SYNTH_HELLO, &d, NULL), 0);
	CHECK_INT(d.source, CHT_SOURCE_AGENT_HELLO);
	CHECK((d.details & 1u << CHT_DETAIL_HEARTBEAT_INTERVAL_MS) != 0);
	CHECK_INT(d.detail[CHT_DETAIL_HEARTBEAT_INTERVAL_MS].num, 0);
	CHECK((d.details & 1u << CHT_DETAIL_COVERAGE) != 0);
}

static void test_each_fault_is_the_one_it_is_named_for(void **state)
{
	struct cht_declaration d;
	struct cht_wire_fault why;

	(void)state;
	CHECK_INT(decode(SYNTH_BAD_CBOR, &d, &why), CHT_E_WIRE);
	CHECK_INT(why.at, 0);
	CHECK_INT(decode(SYNTH_VERSION, &d, &why), CHT_E_VERSION);
	CHECK_INT(why.value, 0x100);
	CHECK_INT(decode(SYNTH_FORGED, &d, NULL), 0);
	CHECK_INT(d.forged, 1u << CHT_FORGED_CELL_ID | 1u << CHT_FORGED_RUN_ID_CAMEL);
	CHECK_INT(decode(SYNTH_UNKNOWN, &d, NULL), 0);
	CHECK_INT(d.source, CHT_SOURCE_OTHER);
}

static void test_texts_over_their_bound_are_refused(void **state)
{
	char text[CHT_TEXT_MAX_BYTES + 1];
	struct synth_options o = options_of(true);
	struct synth *s = malloc(sizeof(*s));
	struct cht_err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	o.source = o.comm = (struct cht_str){ text, CHT_TEXT_MAX_BYTES };
	CHECK_INT(synth_init(s, &o, &err), 0);
	o.comm.len++;
	CHECK_INT(synth_init(s, &o, &err), CHT_E_RANGE);
	o.comm = STR("\xff");
	CHECK_INT(synth_init(s, &o, &err), CHT_E_RANGE);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_patched_frame_is_the_encoded_one),
		cmocka_unit_test(test_a_plain_frame_says_what_was_asked_for),
		cmocka_unit_test(test_a_hello_promises_no_heartbeat),
		cmocka_unit_test(test_each_fault_is_the_one_it_is_named_for),
		cmocka_unit_test(test_texts_over_their_bound_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
