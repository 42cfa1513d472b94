/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <cht/silence.h>

enum { WINDOW = 10000, START = 500 };

static struct cht_silence fresh(void)
{
	struct cht_silence s;

	cht_silence_init(&s, WINDOW, START);
	return s;
}

static void test_the_window_is_closed_at_its_border(void **state)
{
	struct cht_silence s = fresh();
	struct cht_silence_signal signal = { 7, 7 };

	(void)state;
	CHECK(cht_silence_deadline(&s) == START + WINDOW);
	CHECK(!cht_silence_trigger(&s, START, &signal));
	CHECK(!cht_silence_trigger(&s, START + WINDOW - 1, &signal));
	CHECK(signal.window_ns == 7 && signal.elapsed_ns == 7);
	CHECK(cht_silence_trigger(&s, START + WINDOW, &signal));
	CHECK(signal.window_ns == WINDOW && signal.elapsed_ns == WINDOW);
}

static void test_it_fires_once_for_ever(void **state)
{
	struct cht_silence s = fresh();
	struct cht_silence_signal signal;

	(void)state;
	CHECK(cht_silence_trigger(&s, START + 3 * WINDOW, &signal));
	CHECK(signal.elapsed_ns == 3 * WINDOW);
	CHECK(!cht_silence_trigger(&s, START + 4 * WINDOW, &signal));
	cht_silence_heard(&s, START + 4 * WINDOW);
	CHECK(!cht_silence_trigger(&s, UINT64_MAX, &signal));
	CHECK(cht_silence_deadline(&s) == UINT64_MAX);
}

static void test_a_frame_moves_the_deadline_and_an_older_one_does_not(void **state)
{
	struct cht_silence s = fresh();
	struct cht_silence_signal signal;

	(void)state;
	cht_silence_heard(&s, START + 100);
	cht_silence_heard(&s, START + 40);
	CHECK(cht_silence_deadline(&s) == START + 100 + WINDOW);
	CHECK(!cht_silence_trigger(&s, START + 100 + WINDOW - 1, &signal));
	CHECK(cht_silence_trigger(&s, START + 100 + WINDOW, &signal));
}

static void test_a_clock_before_the_start_is_no_silence(void **state)
{
	struct cht_silence s = fresh();
	struct cht_silence_signal signal;

	(void)state;
	CHECK(!cht_silence_trigger(&s, 0, &signal));
	CHECK(!cht_silence_trigger(&s, START - 1, &signal));
}

static void test_what_we_did_not_read_is_not_silence(void **state)
{
	struct cht_silence s = fresh();
	struct cht_silence_signal signal;

	(void)state;
	cht_silence_pause(&s, START + 4000);
	cht_silence_pause(&s, START + 6000); /* already paused: the first counts */
	CHECK(cht_silence_deadline(&s) == UINT64_MAX);
	CHECK(!cht_silence_trigger(&s, START + 50 * WINDOW, &signal));
	cht_silence_resume(&s, START + 50 * WINDOW);
	cht_silence_resume(&s, START + 60 * WINDOW);
	CHECK(cht_silence_deadline(&s) == START + 50 * WINDOW + 6000);
	CHECK(!cht_silence_trigger(&s, START + 50 * WINDOW + 5999, &signal));
	CHECK(cht_silence_trigger(&s, START + 50 * WINDOW + 6000, &signal));
	CHECK(signal.elapsed_ns == WINDOW);
}

static void test_a_frame_told_while_paused_counts_from_then(void **state)
{
	struct cht_silence s = fresh();

	(void)state;
	cht_silence_pause(&s, START + 1000);
	cht_silence_heard(&s, START + 3000);
	cht_silence_resume(&s, START + 5000);
	CHECK(cht_silence_deadline(&s) == START + 5000 + WINDOW);
	check_row = "and resuming before it was told changes nothing";
	cht_silence_pause(&s, START + 6000);
	cht_silence_heard(&s, START + 9000);
	cht_silence_resume(&s, START + 8000);
	CHECK(cht_silence_deadline(&s) == START + 9000 + WINDOW);
}

static void test_a_pause_at_time_zero_is_a_pause(void **state)
{
	struct cht_silence s;
	struct cht_silence_signal signal;

	(void)state;
	cht_silence_init(&s, WINDOW, 0);
	cht_silence_pause(&s, 0);
	CHECK(!cht_silence_trigger(&s, 2 * WINDOW, &signal));
}

static void test_windows_at_the_ends_of_the_range(void **state)
{
	struct cht_silence s;
	struct cht_silence_signal signal;

	(void)state;
	cht_silence_init(&s, UINT64_MAX, 5);
	CHECK(cht_silence_deadline(&s) == UINT64_MAX);
	CHECK(!cht_silence_trigger(&s, UINT64_MAX, &signal));
	cht_silence_init(&s, 0, 5);
	CHECK(cht_silence_deadline(&s) == 5);
	CHECK(cht_silence_trigger(&s, 5, &signal));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_window_is_closed_at_its_border),
		cmocka_unit_test(test_it_fires_once_for_ever),
		cmocka_unit_test(test_a_frame_moves_the_deadline_and_an_older_one_does_not),
		cmocka_unit_test(test_a_clock_before_the_start_is_no_silence),
		cmocka_unit_test(test_what_we_did_not_read_is_not_silence),
		cmocka_unit_test(test_a_frame_told_while_paused_counts_from_then),
		cmocka_unit_test(test_a_pause_at_time_zero_is_a_pause),
		cmocka_unit_test(test_windows_at_the_ends_of_the_range),
	};

	return cmocka_run_group_tests_name("cell_silence", tests, NULL, NULL);
}
