/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clk.h"
#include "cell/step.h"

enum { MS = 1000000 };

#define T INT64_C(1762348800000000000)
#define B UINT64_C(86400000000000)

/* A watch that began with the clocks T - B apart. */
static struct step_watch begin(void)
{
	struct step_reading first = { T, B, B + 1000 };
	struct step_watch watch;

	step_watch_init(&watch, &first);
	return watch;
}

static void test_a_step_is_told_above_100_ms_and_only_when_certain(void **state)
{
	static const struct {
		const char *why;
		struct step_reading at;
		int64_t step;
	} rows[] = {
		{ "nothing happened", { T + 60 * MS, B + 60 * MS, B + 60 * MS }, 0 },
		{ "100 ms ahead", { T + 101 * MS, B + MS, B + MS }, 0 },
		{ "a nanosecond more", { T + 101 * MS + 1, B + MS, B + MS }, 100 * MS + 1 },
		{ "100 ms back", { T - 99 * MS, B + MS, B + MS }, 0 },
		{ "a nanosecond more, back", { T - 99 * MS - 1, B + MS, B + MS }, -100 * MS - 1 },
		{ "late by 500 ms at worst", { T + MS, B + MS, B + 501 * MS }, 0 },
		{ "ahead by 200 ms less 150 at worst", { T + 201 * MS, B + MS, B + 151 * MS }, 0 },
		{ "ahead by 400 ms less 150", { T + 401 * MS, B + MS, B + 151 * MS }, 250 * MS },
		{ "back by 400 ms and maybe more",
		  { T - 399 * MS, B + MS, B + 900 * MS },
		  -400 * MS },
		{ "both went on by an hour: slept",
		  { T + 3600 * INT64_C(1000) * MS, B + 3600 * UINT64_C(1000) * MS,
		    B + 3600 * UINT64_C(1000) * MS },
		  0 },
		{ "to 1970", { 0, B, B }, -T },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct step_watch watch = begin();
		struct facts_clock_stepped f = { .step_ns = 0 };
		bool told = step_watch_judge(&watch, &rows[i].at, &f);

		check_row = rows[i].why;
		CHECK_INT(told, rows[i].step != 0);
		CHECK_INT(f.step_ns, rows[i].step);
		CHECK_INT(watch.apart_ns, T - (int64_t)B + rows[i].step);
		if (!told)
			continue;
		CHECK_INT(f.before_ns, T - (int64_t)B);
		CHECK_INT(f.after_ns - f.before_ns, f.step_ns);
		CHECK_INT(f.steady_boot_ns, B);
		CHECK(!step_watch_judge(&watch, &rows[i].at, &f));
	}
}

static void test_small_steps_add_up(void **state)
{
	struct step_watch watch = begin();
	struct facts_clock_stepped f;

	(void)state;
	for (int i = 1; i <= 100; i++) {
		struct step_reading at = { T + i * (60 + 1000) * INT64_C(1000000),
					   B + (uint64_t)i * 1000 * MS,
					   B + (uint64_t)i * 1000 * MS };
		bool told = step_watch_judge(&watch, &at, &f);

		CHECK_INT(told, i % 2 == 0);
		if (told)
			CHECK_INT(f.step_ns, 120 * MS);
	}
}

static void test_a_look_moves_what_is_steady_and_nothing_else(void **state)
{
	struct step_watch watch = begin();
	struct cht_now good = { T + 7 * MS, 1, B + 7 * MS }, bad = { T + 300 * MS, 1, B + 8 * MS };
	struct step_reading at = { T + 300 * MS, B + 8 * MS, B + 8 * MS };
	struct facts_clock_stepped f;

	(void)state;
	CHECK(!step_watch_is_off(&watch, &good));
	CHECK(step_watch_is_off(&watch, &bad));
	CHECK(step_watch_is_off(&watch, &bad));
	CHECK_INT(watch.apart_ns, T - (int64_t)B);
	CHECK(step_watch_judge(&watch, &at, &f));
	CHECK_INT(f.steady_boot_ns, B + 7 * MS);
	CHECK(!step_watch_is_off(&watch, &bad));
	CHECK(step_watch_is_off(&watch, &good));
}

static void test_absurd_clocks_do_not_overflow(void **state)
{
	static const int64_t real[] = { INT64_MIN, -1, 0, INT64_MAX };
	static const uint64_t boot[] = { 0, INT64_MAX, UINT64_MAX };

	(void)state;
	for (size_t a = 0; a < 4 * 3; a++)
		for (size_t b = 0; b < 4 * 3; b++) {
			struct step_reading x = { real[a / 3], boot[a % 3], boot[a % 3] };
			struct step_reading y = { real[b / 3], boot[b % 3], boot[b % 3] };
			struct step_watch watch;
			struct facts_clock_stepped f;

			step_watch_init(&watch, &x);
			CHECK(!step_watch_judge(&watch, &x, &f));
			(void)step_watch_judge(&watch, &y, &f);
			CHECK(!step_watch_judge(&watch, &y, &f));
		}
}

static void test_the_clocks_of_this_machine_stand_still_to_each_other(void **state)
{
	struct step_watch watch;
	struct step_reading at;
	struct facts_clock_stepped f;

	(void)state;
	clk_read_apart(&at.realtime_ns, &at.boot_before_ns, &at.boot_after_ns);
	step_watch_init(&watch, &at);
	for (int i = 0; i < 10000; i++) {
		uint64_t before = at.boot_after_ns;

		clk_read_apart(&at.realtime_ns, &at.boot_before_ns, &at.boot_after_ns);
		CHECK(before <= at.boot_before_ns && at.boot_before_ns <= at.boot_after_ns);
		CHECK(!step_watch_judge(&watch, &at, &f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_is_told_above_100_ms_and_only_when_certain),
		cmocka_unit_test(test_small_steps_add_up),
		cmocka_unit_test(test_a_look_moves_what_is_steady_and_nothing_else),
		cmocka_unit_test(test_the_clocks_of_this_machine_stand_still_to_each_other),
		cmocka_unit_test(test_absurd_clocks_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
