/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict decoder says what the published guest crate said of the same bytes.
 */
#include <cht/wire.h>

#include "tsv.h"

static void check_fields(const struct tsv *t, const struct cht_declaration *d)
{
	uint8_t comm[CHT_GUEST_FRAME_MAX_BYTES * 2];
	uint64_t v;
	size_t n;

	CHECK(read_u64(t->column[4], UINT32_MAX, &v));
	CHECK_INT(d->pid, v);
	CHECK(read_u64(t->column[5], UINT64_MAX, &v));
	CHECK(d->monotonic_ns == v);
	CHECK(read_hex(t->column[6], comm, sizeof(comm), &n));
	CHECK_STRS(d->comm, ((struct cht_str){ (const char *)comm, n }));
	CHECK_STRS(d->source_text, t->column[7]);
	CHECK_STR(t->column[7], cht_source_name(d->source));
	CHECK_INT(d->content_version, 1);
	CHECK_INT(d->extensions | d->details | d->forged, 0);
}

static void check_line(const struct tsv *t, unsigned *faults)
{
	struct cht_str want = t->column[3];
	enum cht_guest_fault got;
	struct cht_declaration d;
	uint8_t *bytes;
	size_t len;

	bytes = tsv_hex(t->column[2], &len);
	got = str_eq(t->column[1], STR("f")) ? cht_guest_decode(bytes, len, &d)
					     : cht_guest_decode_body(bytes, len, &d);
	if (str_eq(want, STR("panic")))
		want = STR("UnexpectedEof");
	CHECK_STRS(str_of(cht_guest_fault_name(got)), want);
	if (got == CHT_GUEST_OK)
		check_fields(t, &d);
	*faults |= 1u << got;
	free(bytes);
}

static void test_the_crates_verdicts(void **state)
{
	/* the crate names UnsupportedMajor and never gives it */
	const unsigned all =
		((1u << CHT_N_GUEST_FAULTS) - 1) & ~(1u << CHT_GUEST_UNSUPPORTED_MAJOR);
	struct tsv *t = tsv_open("tests/golden/guest_verdicts.tsv");
	unsigned n = 0, faults = 0;

	(void)state;
	for (; tsv_next(t); n++) {
		char row[128];

		snprintf(row, sizeof(row), "line %u: %.*s", t->line, (int)t->column[0].len,
			 t->column[0].ptr);
		check_row = row;
		check_line(t, &faults);
	}
	check_row = "";
	CHECK_INT(faults, all);
	CHECK(n > 1600);
	tsv_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_crates_verdicts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
