/* SPDX-License-Identifier: Apache-2.0 */
#include "cell_life.h"

/* A good frame that there is no space for. */
static void drop(enum cht_source source, uint64_t ns)
{
	struct cht_declaration d = declaration(source);
	struct cht_now now = at(ns);

	cell_note_frame(&cell, &d, &on_first, &now);
	cell_drop(&cell, &d);
}

static void test_what_is_dropped_is_counted_and_has_no_number(void **state)
{
	const struct frame_counts *f = &cell.frames;

	(void)state;
	frame(CHT_SOURCE_PROCESS_SPAWNED, START);
	CHECK_INT(cell.run.sequence, 2); /* with the state */
	for (int i = 0; i < 10; i++)
		drop(CHT_SOURCE_PROCESS_SPAWNED, START + 1);
	drop(CHT_SOURCE_AGENT_HEARTBEAT, START + 1);
	drop(CHT_SOURCE_AGENT_BYE, START + 1);
	CHECK_INT(cell.run.sequence, 2);
	CHECK_INT(f->dropped, 11);
	CHECK_INT(f->heartbeats, 1);
	CHECK_INT(f->stored, 1);
	CHECK_INT(f->received, f->stored + f->heartbeats + f->refused + f->dropped);
	CHECK_INT(cell_deadline(&cell), 0);
	CHECK(cell_has_pending(&cell));
	check_next(START + 2, EV_GUEST_TELEMETRY_DROPPED);
	CHECK_INT(out.facts.dropped.no_space, 11);
	CHECK_INT(out.facts.dropped.over_quota, 0);
	CHECK(!next(START + 3));
	CHECK(cell_deadline(&cell) > START);
}

static void test_it_is_told_first_and_whatever_was_told_before(void **state)
{
	struct cht_wire_fault why = { .fault = CHT_FAULT_TAG };

	(void)state;
	(void)cell_note_opened(&cell, 1, 2, 3);
	drop(CHT_SOURCE_PROCESS_SPAWNED, START);
	check_next(START, EV_GUEST_TELEMETRY_DROPPED);
	check_next(START, EV_CHANNEL_OPENED);
	CHECK(!next(START));
	/* In the second of the one before. */
	cell_note_refused(&cell, &on_first, &why);
	drop(CHT_SOURCE_PROCESS_SPAWNED, START + 5);
	check_next(START + 6, EV_GUEST_TELEMETRY_DROPPED);
	CHECK_INT(out.facts.dropped.no_space, 1);
	check_next(START + 6, EV_FRAMES_REFUSED);
	CHECK(!next(START + 6));
}

static void test_a_frame_that_is_dropped_is_life(void **state)
{
	(void)state;
	frame(CHT_SOURCE_PROCESS_SPAWNED, START);
	CHECK(!next(START));
	drop(CHT_SOURCE_PROCESS_SPAWNED, START + KEEPALIVE - 1);
	check_next(START + KEEPALIVE + 1, EV_GUEST_TELEMETRY_DROPPED);
	CHECK(!next(START + KEEPALIVE + 1));
	check_next(START + 2 * KEEPALIVE, EV_GUEST_AGENT_SILENCED);
}

static void test_what_an_earlier_process_did_not_tell_is_told(void **state)
{
	(void)state;
	cell_note_untold(&cell, 0, 0);
	CHECK(!next(START));
	cell_note_untold(&cell, 3, 4);
	check_next(START, EV_GUEST_TELEMETRY_DROPPED);
	CHECK_INT(out.facts.dropped.over_quota, 3);
	CHECK_INT(out.facts.dropped.no_space, 4);
	CHECK_INT(cell.frames.dropped, 0);
	CHECK(!next(START));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_dropped_is_counted_and_has_no_number,
				       begin_plain),
		cmocka_unit_test_setup(test_it_is_told_first_and_whatever_was_told_before,
				       begin_plain),
		cmocka_unit_test_setup(test_a_frame_that_is_dropped_is_life, begin_plain),
		cmocka_unit_test_setup(test_what_an_earlier_process_did_not_tell_is_told,
				       begin_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
