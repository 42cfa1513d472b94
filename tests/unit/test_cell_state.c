/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of a cell's state, by which clock, and what a frame costs it. Every now is invented.
 */
#include "cell_life.h"

/* Silence is judged by CLOCK_MONOTONIC, which no one can set and which stands still while the host
 * is suspended: the others may go where they like. */
static void test_no_other_clock_makes_a_silence(void **state)
{
	static const struct {
		const char *why;
		int64_t real_ns;
		uint64_t boot_ns;
	} rows[] = { { "set forward by ten years", INT64_C(315360000000000000), 0 },
		     { "set back by ten years", -INT64_C(315360000000000000), 0 },
		     { "set back before 1970", INT64_MIN / 2, 0 },
		     { "suspended for a week", INT64_C(604800000000000),
		       UINT64_C(604800000000000) } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_now now;

		check_row = rows[i].why;
		CHECK_INT(begin_plain(state), 0);
		frame(CHT_SOURCE_PROCESS_SPAWNED, START);
		for (uint64_t s = 1; s < 10; s++) {
			now = at(START + s * S);
			now.realtime_ns += rows[i].real_ns;
			now.boottime_ns += rows[i].boot_ns;
			CHECK(!cell_next(&cell, &now, &out));
		}
		CHECK_INT(cell.state, CELL_LIVE);
		CHECK(cell_deadline(&cell) == START + 10 * S);
		now.monotonic_ns = START + 10 * S;
		CHECK(cell_next(&cell, &now, &out));
		CHECK_INT(out.kind, EV_GUEST_AGENT_SILENCED);
	}
}

static void check_change(uint64_t ns, enum cell_state from, enum cell_state to, uint32_t count)
{
	struct cht_now now = at(ns);

	CHECK(cell_next(&cell, &now, &out));
	CHECK_INT(out.kind, EV_CELL_STATE_CHANGED);
	CHECK_INT(out.facts.state_changed.from, from);
	CHECK_INT(out.facts.state_changed.to, to);
	CHECK_INT(out.facts.state_changed.count, count);
}

static bool has_next(uint64_t ns)
{
	struct cht_now now = at(ns);

	return cell_next(&cell, &now, &out);
}

static void test_each_change_is_told_with_its_witnesses(void **state)
{
	const struct facts_state_changed *f = &out.facts.state_changed;
	struct cht_declaration d = declaration(CHT_SOURCE_AGENT_HELLO);
	struct cht_now now = at(START);

	(void)state;
	(void)cell_note_opened(&cell, 7, 0, 0);
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_RUNS, &now);
	cell_note_frame(&cell, &d, &on_first, &now);
	CHECK(cell_has_pending(&cell));
	check_next(START, EV_CHANNEL_OPENED);
	check_change(START, CELL_EXPECTED, CELL_LIVE, 1);
	CHECK_INT(f->basis, STATE_BY_FRAME);
	CHECK_INT(f->epoch, 0);
	CHECK_INT(f->witnesses.open, 1);
	CHECK(f->witnesses.is_heard);
	CHECK_INT(f->witnesses.told, TOLD_NOTHING);
	CHECK_INT(f->witnesses.said[WITNESS_VMM_PROCESS], SAID_RUNS);
	CHECK_INT(f->witnesses.said[WITNESS_CGROUP_CPU], SAID_NOTHING);
	now = at(START + 5 * S);
	cell_note_witness(&cell, WITNESS_CGROUP_CPU, SAID_STILL, &now);
	now = at(START + 10 * S);
	CHECK(cell_next(&cell, &now, &out));
	CHECK_INT(out.kind, EV_GUEST_AGENT_SILENCED);
	CHECK_INT(out.facts.silenced.witnesses.said[WITNESS_CGROUP_CPU], SAID_STILL);
	CHECK_INT(out.facts.silenced.witnesses.said[WITNESS_VMM_PROCESS], SAID_RUNS);
	CHECK(!out.facts.silenced.witnesses.is_heard);
	check_change(START + 10 * S, CELL_LIVE, CELL_HUNG, 1);
	CHECK_INT(f->basis, STATE_BY_WINDOW);
	check_row = "what others do is told at once";
	cell_note_told(&cell, TOLD_PAUSED, &now);
	check_change(START + 10 * S, CELL_HUNG, CELL_PAUSED, 1);
	CHECK_INT(f->basis, STATE_BY_STATEMENT);
	CHECK_INT(f->witnesses.told, TOLD_PAUSED);
	cell_note_told(&cell, TOLD_RESTORED, &now);
	check_change(START + 10 * S, CELL_PAUSED, CELL_RESTORED, 1);
	CHECK_INT(f->epoch, 1);
	CHECK_INT(f->witnesses.said[WITNESS_VMM_PROCESS], SAID_NOTHING);
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_RUNS, &now);
	now = at(START + 11 * S - 1);
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_GONE, &now);
	CHECK(!has_next(START + 11 * S - 1));
	check_change(START + 11 * S, CELL_RESTORED, CELL_GONE, 1);
	CHECK_INT(f->basis, STATE_BY_WITNESS);
	CHECK(!has_next(START + 11 * S));
}

static void test_a_vmm_that_lasted_is_missed_at_once(void **state)
{
	struct cht_now now = at(START);

	(void)state;
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_RUNS, &now);
	frame(CHT_SOURCE_AGENT_HEARTBEAT, START + S / 2);
	now = at(START + S);
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_GONE, &now);
	check_change(START + S, CELL_LIVE, CELL_GONE, 1);
}

/* A process that connects, sends and ends, fifty times a second. */
static void test_vmms_that_come_and_go_are_told_once_a_second(void **state)
{
	uint64_t told = 0;

	(void)state;
	for (uint64_t i = 1; i <= 500; i++) {
		struct cht_frame_facts facts = { .connection = i };
		struct cht_declaration d = declaration(CHT_SOURCE_OTHER);
		struct cht_now now = at(START + i * S / 50);

		(void)cell_note_opened(&cell, 7, 0, 0);
		cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_RUNS, &now);
		cell_note_frame(&cell, &d, &facts, &now);
		cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_GONE, &now);
		while (cell_next(&cell, &now, &out))
			told += out.kind == EV_CELL_STATE_CHANGED;
	}
	CHECK_INT(told, 10);
}

/* A VM that is throttled ten times a second. */
static void test_what_a_guest_can_provoke_is_told_once_a_second(void **state)
{
	uint64_t told = 0, counted = 0;

	(void)state;
	frame(CHT_SOURCE_AGENT_HEARTBEAT, START);
	for (uint64_t i = 1; i <= 100; i++) {
		struct cht_now now = at(START + i * S / 10);

		cell_note_witness(&cell, WITNESS_CGROUP_CPU, i % 2 ? SAID_STARVED : SAID_RUNS,
				  &now);
		while (cell_next(&cell, &now, &out)) {
			CHECK_INT(out.kind, EV_CELL_STATE_CHANGED);
			counted += out.facts.state_changed.count;
			told++;
		}
	}
	CHECK_INT(told, 10);
	CHECK_INT(counted + cell.changes, 100);
}

static void test_what_we_missed_is_counted_as_ours(void **state)
{
	struct cht_now now = at(START + 20 * S);

	(void)state;
	cell_note_late(&cell, START + 17 * S, &now);
	CHECK_INT(cell_pauses(&cell, &now).n, 1);
	CHECK(cell_pauses(&cell, &now).ns == 3 * S);
	CHECK(cell_deadline(&cell) == START + 66 * S);
	check_row = "a statement of others is none of ours";
	cell_note_told(&cell, TOLD_PAUSED, &now);
	CHECK_INT(cell_pauses(&cell, &now).n, 1);
	check_row = "while we do not read anyway it is one pause";
	cell_note_paused(&cell, true, &now);
	now = at(START + 30 * S);
	cell_note_late(&cell, START + 25 * S, &now);
	CHECK_INT(cell_pauses(&cell, &now).n, 2);
	CHECK(cell_pauses(&cell, &now).ns == 13 * S);
}

static void test_two_reasons_for_a_pause_are_one_time(void **state)
{
	struct cht_now now = at(START + 5 * S);

	(void)state;
	frame(CHT_SOURCE_PROCESS_SPAWNED, START);
	cell_note_witness(&cell, WITNESS_CGROUP_CPU, SAID_STARVED, &now);
	now = at(START + 4 * S); /* the line finds out later since when it did not read */
	cell_note_paused(&cell, true, &now);
	now = at(START + 7 * S);
	cell_note_witness(&cell, WITNESS_CGROUP_CPU, SAID_RUNS, &now);
	CHECK(cell.silence.paused_ns != 0);
	now = at(START + 8 * S);
	cell_note_paused(&cell, false, &now);
	CHECK(!next(START + 8 * S));
	CHECK(cell_deadline(&cell) == START + 14 * S);
	CHECK(cell_pauses(&cell, &now).ns == 4 * S);
}

static void test_a_word_counts_since_the_last_frame_and_for_a_window(void **state)
{
	struct cht_now now = at(START + 2 * S), later = at(START + 12 * S);

	(void)state;
	frame(CHT_SOURCE_PROCESS_SPAWNED, START);
	cell_note_witness(&cell, WITNESS_CGROUP_CPU, SAID_STILL, &now);
	cell_note_witness(&cell, WITNESS_VMM_PROCESS, SAID_RUNS, &now);
	CHECK_INT(cell_witness(&cell, WITNESS_CGROUP_CPU, &later), SAID_STILL);
	later = at(START + 12 * S + 1);
	CHECK_INT(cell_witness(&cell, WITNESS_CGROUP_CPU, &later), SAID_NOTHING);
	CHECK_INT(cell_witness(&cell, WITNESS_VMM_PROCESS, &later), SAID_RUNS);
	frame(CHT_SOURCE_PROCESS_SPAWNED, START + 3 * S);
	CHECK_INT(cell_witness(&cell, WITNESS_CGROUP_CPU, &now), SAID_NOTHING);
	CHECK_INT(cell_witness(&cell, WITNESS_VMM_PROCESS, &now), SAID_RUNS);
}

static void test_a_frame_of_a_live_cell_moves_one_time_and_nothing_else(void **state)
{
	struct cht_cell before;

	(void)state;
	frame(CHT_SOURCE_AGENT_HEARTBEAT, START);
	CHECK(!next(START));
	before = cell;
	frame(CHT_SOURCE_AGENT_HEARTBEAT, START + 3 * S);
	CHECK(cell.silence.heard_ns == START + 3 * S);
	CHECK_INT(cell.state, before.state);
	CHECK_INT(cell.changes, before.changes);
	CHECK_INT(cell.run.sequence, before.run.sequence);
	CHECK_INT(cell.frames.heartbeats, before.frames.heartbeats + 1);
	CHECK(cell.next_ns == START + 10 * S); /* looked at then, and found to have moved */
	CHECK(!next(START + 10 * S));
	CHECK(cell.next_ns == START + 13 * S);
	check_next(START + 13 * S, EV_GUEST_AGENT_SILENCED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_two_reasons_for_a_pause_are_one_time, begin_plain),
		cmocka_unit_test_setup(test_a_word_counts_since_the_last_frame_and_for_a_window,
				       begin_plain),
		cmocka_unit_test(test_no_other_clock_makes_a_silence),
		cmocka_unit_test_setup(test_each_change_is_told_with_its_witnesses, begin_plain),
		cmocka_unit_test_setup(test_what_a_guest_can_provoke_is_told_once_a_second,
				       begin_plain),
		cmocka_unit_test_setup(test_a_vmm_that_lasted_is_missed_at_once, begin_plain),
		cmocka_unit_test_setup(test_vmms_that_come_and_go_are_told_once_a_second,
				       begin_plain),
		cmocka_unit_test_setup(test_what_we_missed_is_counted_as_ours, begin_plain),
		cmocka_unit_test_setup(test_a_frame_of_a_live_cell_moves_one_time_and_nothing_else,
				       begin_plain),
	};

	return cmocka_run_group_tests_name("cell_state", tests, NULL, NULL);
}
