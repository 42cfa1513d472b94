/* SPDX-License-Identifier: Apache-2.0
 *
 * When a cell is silent, on what ground, and when it is again not. Every now is invented.
 */
#include "cell_life.h"

static void hello(uint64_t ns, int64_t interval_ms)
{
	struct cht_declaration d = declaration(CHT_SOURCE_AGENT_HELLO);
	struct cht_now now = at(ns);

	if (interval_ms >= 0) {
		d.details = 1u << CHT_DETAIL_HEARTBEAT_INTERVAL_MS;
		d.detail[CHT_DETAIL_HEARTBEAT_INTERVAL_MS].num = (uint64_t)interval_ms;
	}
	cell_note_frame(&cell, &d, &on_first, &now);
	tell_state(&now);
	CHECK(cell_stamp(&cell, &d, &on_first, &now, &out));
	CHECK_INT(out.kind, EV_GUEST_AGENT_HELLO);
}

/* Fires at its deadline, not a nanosecond before, and once. */
static void check_silence(uint64_t deadline, const char *basis, uint64_t window, uint64_t episode)
{
	CHECK(!next(deadline - 1));
	CHECK(cell_deadline(&cell) == deadline);
	check_next(deadline, EV_GUEST_AGENT_SILENCED);
	CHECK_STR(out.facts.silenced.basis, basis);
	CHECK(out.facts.silenced.window_ns == window);
	CHECK(out.facts.silenced.elapsed_ns == window);
	CHECK_INT(out.facts.silenced.episode, episode);
	CHECK(!next(deadline));
	CHECK(!next(deadline + 1000 * S));
	CHECK(cell_deadline(&cell) == UINT64_MAX);
}

static void check_pauses(const struct pauses *p, uint64_t n, uint64_t ns)
{
	CHECK_INT(p->n, n);
	CHECK(p->ns == ns);
}

static void test_an_agent_never_heard_is_told_once(void **state)
{
	(void)state;
	check_silence(START + 60 * S, "never-heard", 60 * S, 1);
}

static void test_windows_are_as_configured(void **state)
{
	(void)state;
	begin((struct cell_options){ .boot_window_ns = 3 * S, .keepalive_window_ns = 2 * S });
	check_silence(START + 3 * S, "never-heard", 3 * S, 1);
	frame(CHT_SOURCE_OTHER, START + 4 * S);
	check_next(START + 4 * S, EV_GUEST_AGENT_RESUMED);
	check_silence(START + 6 * S, "frames-only", 2 * S, 2);
}

static void test_the_first_frame_starts_the_keep_alive(void **state)
{
	(void)state;
	frame(CHT_SOURCE_PROCESS_SPAWNED, START + 55 * S);
	CHECK(!next(START + 60 * S));
	check_silence(START + 65 * S, "frames-only", KEEPALIVE, 1);
}

static void test_a_shorter_window_is_not_missed_after_a_longer(void **state)
{
	(void)state;
	CHECK(!next(START)); /* now it waits for the end of the boot window */
	frame(CHT_SOURCE_PROCESS_SPAWNED, START + 1 * S);
	check_silence(START + 11 * S, "frames-only", KEEPALIVE, 1);
}

static void test_a_hello_promises_heartbeats_unless_it_does_not(void **state)
{
	static const struct {
		const char *why;
		int64_t interval_ms;
		const char *basis;
	} rows[] = { { "no interval given", -1, "heartbeat" },
		     { "3 s", 3000, "heartbeat" },
		     { "just within the window", 9999, "heartbeat" },
		     { "none are sent", 0, "frames-only" },
		     { "not within the window", 10000, "frames-only" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].why;
		CHECK_INT(begin_plain(state), 0);
		hello(START + 1 * S, rows[i].interval_ms);
		check_silence(START + 11 * S, rows[i].basis, KEEPALIVE, 1);
	}
}

static void test_what_a_hello_does_not_say_is_three_seconds(void **state)
{
	(void)state;
	begin((struct cell_options){ .keepalive_window_ns = 3 * S });
	hello(START + 1 * S, -1);
	check_silence(START + 4 * S, "frames-only", 3 * S, 1);
	begin((struct cell_options){ .keepalive_window_ns = 4 * S });
	hello(START + 1 * S, -1);
	check_silence(START + 5 * S, "heartbeat", 4 * S, 1);
}

static void test_a_heartbeat_is_life_and_no_event(void **state)
{
	struct cht_declaration d = declaration(CHT_SOURCE_AGENT_HEARTBEAT);
	struct cht_now now = at(START + 8 * S);

	(void)state;
	hello(START, 3000);
	cell_note_frame(&cell, &d, &on_first, &now);
	CHECK(!cell_stamp(&cell, &d, &on_first, &now, &out));
	CHECK_INT(cell.run.sequence, 2); /* the state and the hello */
	CHECK_INT(cell.frames.heartbeats, 1);
	check_silence(START + 18 * S, "heartbeat", KEEPALIVE, 1);
}

static void test_a_refused_frame_is_no_life(void **state)
{
	struct cht_wire_fault why = { .fault = CHT_FAULT_UTF8, .at = 3 };

	(void)state;
	cell_note_refused(&cell, &on_first, &why);
	check_next(START + 5 * S, EV_FRAMES_REFUSED);
	check_silence(START + 60 * S, "never-heard", 60 * S, 1);
}

static void test_a_good_frame_ends_an_episode(void **state)
{
	(void)state;
	frame(CHT_SOURCE_OTHER, START + 2 * S);
	check_silence(START + 12 * S, "frames-only", KEEPALIVE, 1);
	frame(CHT_SOURCE_OTHER, START + 20 * S);
	CHECK(cell_has_pending(&cell));
	CHECK_INT(cell_deadline(&cell), 0);
	check_next(START + 20 * S, EV_GUEST_AGENT_RESUMED);
	CHECK_INT(out.facts.agent_resumed.episode, 1);
	CHECK(out.facts.agent_resumed.silent_ns == 18 * S);
	CHECK(!next(START + 20 * S));
	check_silence(START + 30 * S, "frames-only", KEEPALIVE, 2);
	frame(CHT_SOURCE_OTHER, START + 31 * S);
	check_next(START + 31 * S, EV_GUEST_AGENT_RESUMED);
	CHECK_INT(out.facts.agent_resumed.episode, 2);
}

static void test_after_never_heard_it_can_be_heard(void **state)
{
	(void)state;
	check_silence(START + 60 * S, "never-heard", 60 * S, 1);
	frame(CHT_SOURCE_OTHER, START + 61 * S);
	check_next(START + 61 * S, EV_GUEST_AGENT_RESUMED);
	CHECK(out.facts.agent_resumed.silent_ns == 61 * S);
	check_silence(START + 71 * S, "frames-only", KEEPALIVE, 2);
}

static void test_once_means_once(void **state)
{
	(void)state;
	begin((struct cell_options){ .silence_once = true });
	frame(CHT_SOURCE_OTHER, START + 1 * S);
	check_silence(START + 11 * S, "frames-only", KEEPALIVE, 1);
	frame(CHT_SOURCE_OTHER, START + 12 * S);
	CHECK(!next(START + 12 * S));
	CHECK(!next(START + 100 * S));
	CHECK(cell_deadline(&cell) == UINT64_MAX);
}

static void test_once_holds_for_an_agent_never_heard_too(void **state)
{
	(void)state;
	begin((struct cell_options){ .silence_once = true });
	check_silence(START + 60 * S, "never-heard", 60 * S, 1);
	frame(CHT_SOURCE_OTHER, START + 61 * S);
	frame(CHT_SOURCE_OTHER, START + 62 * S);
	CHECK(!next(START + 100 * S));
}

static void test_a_cell_that_we_do_not_read_is_not_silent(void **state)
{
	struct cht_now stopped = at(START + 4 * S), resumed = at(START + 100 * S);

	(void)state;
	frame(CHT_SOURCE_OTHER, START);
	cell_note_paused(&cell, true, &stopped);
	CHECK(!next(START + 99 * S));
	CHECK(cell_deadline(&cell) == UINT64_MAX);
	CHECK(!next(START + 100 * S));
	cell_note_paused(&cell, false, &resumed);
	check_silence(START + 106 * S, "frames-only", KEEPALIVE, 1);
	check_pauses(&out.facts.silenced.pauses, 1, 96 * S);
}

static void test_pauses_are_counted_as_ours(void **state)
{
	struct cht_now now = at(START + 1 * S);

	(void)state;
	frame(CHT_SOURCE_OTHER, START);
	cell_note_paused(&cell, false, &now); /* there is none */
	cell_note_paused(&cell, true, &now);
	now = at(START + 2 * S);
	cell_note_paused(&cell, true, &now); /* the same one */
	now = at(START + 4 * S);
	cell_note_paused(&cell, false, &now);
	cell_note_paused(&cell, false, &now);
	check_silence(START + 13 * S, "frames-only", KEEPALIVE, 1);
	check_pauses(&out.facts.silenced.pauses, 1, 3 * S);
	now = at(START + 20 * S);
	cell_note_paused(&cell, true, &now);
	now = at(START + 25 * S); /* and it lasts */
	cell_stamp_sealed(&cell, STR("requested"), &now, &out);
	check_pauses(&out.facts.sealed.pauses, 2, 8 * S);
}

static void test_a_cell_always_read_has_no_pauses(void **state)
{
	struct cht_now now = at(START + 60 * S);

	(void)state;
	check_silence(START + 60 * S, "never-heard", 60 * S, 1);
	check_pauses(&out.facts.silenced.pauses, 0, 0);
	cell_stamp_sealed(&cell, STR("requested"), &now, &out);
	check_pauses(&out.facts.sealed.pauses, 0, 0);
}

static void test_a_pause_outlives_the_first_frame_and_an_episode(void **state)
{
	struct cht_now now = at(START + 1 * S);

	(void)state;
	cell_note_paused(&cell, true, &now);
	frame(CHT_SOURCE_OTHER, START + 2 * S); /* was already in our hands */
	CHECK(!next(START + 500 * S));
	now = at(START + 500 * S);
	cell_note_paused(&cell, false, &now);
	check_silence(START + 510 * S, "frames-only", KEEPALIVE, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_agent_never_heard_is_told_once, begin_plain),
		cmocka_unit_test_setup(test_windows_are_as_configured, begin_plain),
		cmocka_unit_test_setup(test_the_first_frame_starts_the_keep_alive, begin_plain),
		cmocka_unit_test_setup(test_a_shorter_window_is_not_missed_after_a_longer,
				       begin_plain),
		cmocka_unit_test(test_what_a_hello_does_not_say_is_three_seconds),
		cmocka_unit_test_setup(test_a_hello_promises_heartbeats_unless_it_does_not,
				       begin_plain),
		cmocka_unit_test_setup(test_a_heartbeat_is_life_and_no_event, begin_plain),
		cmocka_unit_test_setup(test_a_refused_frame_is_no_life, begin_plain),
		cmocka_unit_test_setup(test_a_good_frame_ends_an_episode, begin_plain),
		cmocka_unit_test_setup(test_after_never_heard_it_can_be_heard, begin_plain),
		cmocka_unit_test_setup(test_once_means_once, begin_plain),
		cmocka_unit_test_setup(test_once_holds_for_an_agent_never_heard_too, begin_plain),
		cmocka_unit_test_setup(test_a_cell_that_we_do_not_read_is_not_silent, begin_plain),
		cmocka_unit_test_setup(test_pauses_are_counted_as_ours, begin_plain),
		cmocka_unit_test_setup(test_a_cell_always_read_has_no_pauses, begin_plain),
		cmocka_unit_test_setup(test_a_pause_outlives_the_first_frame_and_an_episode,
				       begin_plain),
	};

	return cmocka_run_group_tests_name("cell_episodes", tests, NULL, NULL);
}
