/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames as the published agent writes them, and bodies as the published receiver judges them.
 */
#include <cht/wire.h>

#include "tsv.h"

static struct cht_declaration fields_of(const struct tsv *t, char *comm)
{
	struct cht_declaration d = { .content_version = 1, .source_text = t->column[0] };
	uint64_t pid;
	size_t n;

	CHECK(read_u64(t->column[1], UINT32_MAX, &pid));
	CHECK(read_hex(t->column[2], (uint8_t *)comm, CHT_TEXT_MAX_BYTES, &n));
	CHECK(read_u64(t->column[3], UINT64_MAX, &d.monotonic_ns));
	d.pid = (uint32_t)pid;
	d.comm = (struct cht_str){ comm, n };
	return d;
}

static void check_decodes(const uint8_t *frame, size_t len, const struct cht_declaration *want)
{
	struct cht_declaration got;

	CHECK_INT(cht_decode(frame + CHT_FRAME_HEAD_BYTES, len - CHT_FRAME_HEAD_BYTES, &got, NULL),
		  0);
	CHECK_INT(got.content_version, 1);
	CHECK_INT(got.pid, want->pid);
	CHECK(got.monotonic_ns == want->monotonic_ns);
	CHECK_STRS(got.source_text, want->source_text);
	CHECK_STRS(got.comm, want->comm);
	CHECK(got.source != CHT_SOURCE_OTHER);
	CHECK_INT(got.extensions | got.details | got.forged, 0);
}

static void test_frames_both_ways(void **state)
{
	struct tsv *t = tsv_open("tests/golden/frames.tsv");
	unsigned n = 0;

	(void)state;
	for (; tsv_next(t); n++) {
		char comm[CHT_TEXT_MAX_BYTES], row[32];
		struct cht_declaration want = fields_of(t, comm);
		uint8_t out[1024], *frame;
		size_t len;

		snprintf(row, sizeof(row), "line %u", t->line);
		check_row = row;
		frame = tsv_hex(t->column[4], &len);
		check_decodes(frame, len, &want);
		CHECK_INT(cht_encode(&want, out, sizeof(out)), len);
		CHECK(memcmp(out, frame, len) == 0);
		CHECK_INT(cht_encode(&want, out, len), len);
		CHECK_INT(cht_encode(&want, out, len - 1), CHT_E_FULL);
		free(frame);
	}
	tsv_close(t);
	CHECK_INT(n, 40);
}

static int code_of(struct cht_str verdict)
{
	if (str_eq(verdict, STR("accept")))
		return CHT_OK;
	if (str_eq(verdict, STR("version")))
		return CHT_E_VERSION;
	CHECK_STR(verdict, "wire");
	return CHT_E_WIRE;
}

static void check_verdicts(const char *name, unsigned at_least)
{
	struct tsv *t = tsv_open(name);
	unsigned n = 0;

	for (; tsv_next(t); n++) {
		struct cht_declaration d;
		struct cht_wire_fault why;
		uint8_t *body;
		char row[256];
		size_t len;

		snprintf(row, sizeof(row), "line %u: %.*s", t->line, (int)t->column[0].len,
			 t->column[0].ptr);
		check_row = row;
		body = tsv_hex(t->column[1], &len);
		CHECK_INT(cht_decode(body, len, &d, &why), code_of(t->column[3]));
		free(body);
	}
	tsv_close(t);
	CHECK(n >= at_least);
}

static void test_verdicts_on_bodies(void **state)
{
	(void)state;
	check_verdicts("tests/golden/verdicts.tsv", 55);
	check_verdicts("tests/golden/verdicts_more.tsv", 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_both_ways),
		cmocka_unit_test(test_verdicts_on_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
