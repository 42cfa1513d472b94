/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cell/cell.h"

enum { ALL = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED };

static struct cht_declaration frame(uint64_t boot, uint64_t seq, uint64_t dropped)
{
	return (struct cht_declaration){ .source = CHT_SOURCE_PROCESS_SPAWNED,
					 .extensions = ALL,
					 .agent_boot = boot,
					 .agent_seq = seq,
					 .agent_dropped = dropped };
}

static struct cht_declaration of_agent(enum cht_source source, uint64_t seq, uint64_t dropped)
{
	struct cht_declaration d = frame(9, seq, dropped);

	d.source = source;
	return d;
}

static struct cht_declaration of_kind(char kind, uint64_t seq, uint64_t dropped)
{
	switch (kind) {
	case '+': return of_agent(CHT_SOURCE_AGENT_HELLO, seq, dropped);
	case 'h': return of_agent(CHT_SOURCE_AGENT_HEARTBEAT, seq, dropped);
	case '-': return of_agent(CHT_SOURCE_AGENT_BYE, seq, dropped);
	default: return frame(9, seq, dropped);
	}
}

/* One step of a conversation: what the frame says, and what is to come of it. */
struct step {
	const char *why;
	char kind; /* f: an event, +: hello, h: heartbeat, -: bye */
	uint64_t seq, dropped;
	uint64_t in_guest, on_the_way, late, from, to;
};

static void play(const struct step *steps, size_t n)
{
	struct boot boots[CELL_BOOTS] = { { .boot = 0 } };

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		struct cht_declaration d = of_kind(s->kind, s->seq, s->dropped);
		struct gap gap;
		bool got;

		check_row = s->why;
		got = gap_account(boots, &d, false, i, &gap);
		CHECK_INT(gap.in_guest, s->in_guest);
		CHECK_INT(gap.on_the_way, s->on_the_way);
		CHECK_INT(gap.late, s->late);
		CHECK_INT(gap.from_seq, s->from);
		CHECK_INT(gap.to_seq, s->to);
		CHECK(got == (s->in_guest + s->on_the_way + s->late > 0));
	}
}

static void test_missing_numbers_are_told_apart(void **state)
{
	static const struct step steps[] = {
		{ "first", 'f', 1, 0, 0, 0, 0, 0, 0 },
		{ "next", 'f', 2, 0, 0, 0, 0, 0, 0 },
		{ "one lost", 'f', 4, 0, 0, 1, 0, 3, 3 },
		{ "one dropped", 'f', 6, 1, 1, 0, 0, 5, 5 },
		{ "k > d: two dropped, three lost", 'f', 12, 3, 2, 3, 0, 7, 11 },
		{ "d > k: three dropped, none lost", 'f', 14, 6, 3, 0, 0, 13, 13 },
		{ "whose other numbers pass later", 'f', 17, 6, 0, 0, 0, 15, 16 },
		{ "and then no more", 'f', 19, 6, 0, 1, 0, 18, 18 },
		{ "a counter that goes back says nothing", 'f', 20, 2, 0, 0, 0, 0, 0 },
		{ "nor when it returns", 'f', 21, 6, 0, 0, 0, 0, 0 },
	};

	(void)state;
	play(steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_what_an_agent_says_of_itself_carries_the_current_number(void **state)
{
	static const struct step steps[] = {
		{ "before any event", '+', 0, 0, 0, 0, 0, 0, 0 },
		{ "nor then", 'h', 0, 0, 0, 0, 0, 0, 0 },
		{ "first", 'f', 1, 0, 0, 0, 0, 0, 0 },
		{ "same number", 'h', 1, 0, 0, 0, 0, 0, 0 },
		{ "again", 'h', 1, 0, 0, 0, 0, 0, 0 },
		{ "the last event was dropped", 'h', 2, 1, 1, 0, 0, 2, 2 },
		{ "the next did not come", 'h', 3, 1, 0, 1, 0, 3, 3 },
		{ "but it does", 'f', 3, 1, 0, 0, 1, 0, 0 },
		{ "next", 'f', 4, 1, 0, 0, 0, 0, 0 },
		{ "an old heartbeat", 'h', 2, 1, 0, 0, 0, 0, 0 },
		{ "drops told before their numbers", 'h', 4, 3, 2, 0, 0, 0, 0 },
		{ "then passed", 'h', 6, 3, 0, 0, 0, 5, 6 },
		{ "a new connection's hello", '+', 6, 3, 0, 0, 0, 0, 0 },
		{ "next", 'f', 7, 3, 0, 0, 0, 0, 0 },
		{ "bye gives up the queue", '-', 9, 5, 2, 0, 0, 8, 9 },
	};

	(void)state;
	play(steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_a_late_frame_gives_back_and_a_second_copy_does_not(void **state)
{
	static const struct step steps[] = {
		{ "far ahead", 'f', 5, 0, 0, 4, 0, 1, 4 },
		{ "late", 'f', 2, 0, 0, 0, 1, 0, 0 },
		{ "twice", 'f', 2, 0, 0, 0, 0, 0, 0 },
		{ "the newest twice", 'f', 5, 0, 0, 0, 0, 0, 0 },
		{ "late", 'f', 4, 0, 0, 0, 1, 0, 0 },
		{ "number 0 is none", 'f', 0, 0, 0, 0, 0, 0, 0 },
		{ "beyond the window", 'f', 200, 0, 0, 194, 0, 6, 199 },
		{ "late, out of the window", 'f', 1, 0, 0, 0, 1, 0, 0 },
		{ "late, at its edge", 'f', 200 - 63, 0, 0, 0, 1, 0, 0 },
		{ "twice at its edge", 'f', 200 - 63, 0, 0, 0, 0, 0, 0 },
		{ "late, just out of it", 'f', 200 - 64, 0, 0, 0, 1, 0, 0 },
		{ "next", 'f', 201, 0, 0, 0, 0, 0, 0 },
		{ "a whole window on", 'f', 201 + 64, 0, 0, 63, 0, 202, 264 },
		{ "of which none has come yet", 'f', 264, 0, 0, 0, 1, 0, 0 },
	};

	(void)state;
	play(steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_a_drop_that_was_none_is_not_charged_to_the_way(void **state)
{
	static const struct step steps[] = {
		{ "a drop further on", 'f', 1, 1, 1, 0, 0, 0, 0 },
		{ "2 is taken for it", 'f', 3, 1, 0, 0, 0, 2, 2 },
		{ "but was only late", 'f', 2, 1, 0, 0, 0, 0, 0 },
		{ "so this one is it", 'f', 5, 1, 0, 0, 0, 4, 4 },
	};

	(void)state;
	play(steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_claims_at_the_end_of_the_range_do_not_wrap(void **state)
{
	static const struct step steps[] = {
		{ "all of them lost", 'f', UINT64_MAX, 0, 0, UINT64_MAX - 1, 0, 1, UINT64_MAX - 1 },
		{ "and dropped", 'f', UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0, 0, 0 },
	};

	(void)state;
	play(steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_each_boot_counts_from_nothing(void **state)
{
	struct boot boots[CELL_BOOTS] = { { .boot = 0 } };
	struct cht_declaration d;
	struct gap gap;

	(void)state;
	for (uint64_t boot = 0; boot < CELL_BOOTS; boot++) {
		d = frame(boot, 3, 1);
		CHECK(gap_account(boots, &d, false, 100 + boot, &gap));
		CHECK_INT(gap.in_guest, 1);
		CHECK_INT(gap.on_the_way, 1);
	}
	d = frame(0, 4, 1);
	CHECK(!gap_account(boots, &d, false, 1000, &gap));
	check_row = "one more takes the place of that unheard for longest: 1, not 0";
	d = frame(999, 1, 0);
	CHECK(!gap_account(boots, &d, false, 1001, &gap));
	d = frame(0, 5, 1);
	CHECK(!gap_account(boots, &d, false, 1002, &gap));
	d = frame(1, 4, 1);
	CHECK(gap_account(boots, &d, false, 1003, &gap));
	CHECK_INT(gap.on_the_way, 2);
}

static void test_without_its_keys_a_frame_says_nothing(void **state)
{
	struct boot boots[CELL_BOOTS] = { { .boot = 0 } };
	struct cht_declaration d = frame(1, 10, 5);
	struct gap gap;

	(void)state;
	d.extensions = 0;
	CHECK(!gap_account(boots, &d, false, 1, &gap));
	d.extensions = CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED;
	CHECK(!gap_account(boots, &d, false, 1, &gap));
	d.extensions = CHT_EXT_AGENT_BOOT;
	CHECK(!gap_account(boots, &d, false, 1, &gap));
	d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_DROPPED;
	CHECK(gap_account(boots, &d, false, 1, &gap));
	CHECK_INT(gap.in_guest, 5);
	CHECK_INT(gap.on_the_way, 0);
	d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ;
	CHECK(gap_account(boots, &d, false, 1, &gap));
	CHECK_INT(gap.in_guest, 0);
	CHECK_INT(gap.on_the_way, 4);
}

static void test_a_continued_run_begins_where_each_agent_is(void **state)
{
	struct boot boots[CELL_BOOTS] = { { .boot = 0 } };
	struct cht_declaration d = frame(1, 100, 7);
	struct gap gap;

	(void)state;
	CHECK(!gap_account(boots, &d, true, 1, &gap));
	CHECK_INT(gap.on_the_way, 0);
	d = frame(1, 103, 8);
	CHECK(gap_account(boots, &d, true, 1, &gap));
	CHECK_INT(gap.in_guest, 1);
	CHECK_INT(gap.on_the_way, 1);
	CHECK_INT(gap.from_seq, 101);
}

/* xorshift64: the same run each time. */
static uint64_t dice = UINT64_C(0x9e3779b97f4a7c15);

static unsigned roll(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % sides);
}

enum { EVENTS = 400, REACH = 20 };

/* An agent that sees EVENTS, drops some, queues the rest; a way that loses, doubles and swaps. */
static void play_at_random(bool counter_read_when_sent)
{
	static struct cht_declaration way[3 * EVENTS];
	struct boot boots[CELL_BOOTS] = { { .boot = 0 } };
	uint64_t in_guest = 0, on_the_way = 0, late = 0, dropped = 0, arrived = 0;
	bool came[EVENTS + 1] = { false };
	struct cht_declaration last;
	size_t n = 0;

	for (uint64_t seq = 1; seq <= EVENTS; seq++) {
		if (roll(8) == 0)
			dropped++;
		else if (roll(8) != 0)
			way[n++] = frame(9, seq, dropped);
		if (n > 0 && roll(10) == 0) {
			way[n] = way[n - 1];
			n++;
		}
		if (roll(10) == 0)
			way[n++] = of_agent(roll(2) == 0 ? CHT_SOURCE_AGENT_HELLO
							 : CHT_SOURCE_AGENT_HEARTBEAT,
					    seq, dropped);
	}
	for (size_t i = 0; counter_read_when_sent && i < n; i++)
		way[i].agent_dropped = way[i + REACH < n ? i + REACH : n - 1].agent_dropped;
	for (size_t i = 0; i < n; i++) {
		/* Within its twenty: farther than 64 numbers a copy is not known for one. */
		size_t j = i / REACH * REACH + roll(REACH);
		struct cht_declaration swap = way[i];

		if (roll(2) != 0 || j >= n)
			continue;
		way[i] = way[j];
		way[j] = swap;
	}
	last = of_agent(CHT_SOURCE_AGENT_BYE, EVENTS, dropped);
	way[n++] = last;
	for (size_t i = 0; i < n; i++) {
		struct gap gap;

		(void)gap_account(boots, &way[i], false, i, &gap);
		in_guest += gap.in_guest;
		on_the_way += gap.on_the_way;
		late += gap.late;
		if (way[i].source == CHT_SOURCE_PROCESS_SPAWNED && !came[way[i].agent_seq]) {
			came[way[i].agent_seq] = true;
			arrived++;
		}
		CHECK(late <= on_the_way);
	}
	CHECK_INT(in_guest, dropped);
	CHECK_INT(on_the_way - late, EVENTS - dropped - arrived);
}

static void test_sums_hold_whatever_the_way_does(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		check_row = round % 2 == 0 ? "counter when queued" : "counter when sent";
		play_at_random(round % 2 == 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_numbers_are_told_apart),
		cmocka_unit_test(test_what_an_agent_says_of_itself_carries_the_current_number),
		cmocka_unit_test(test_a_late_frame_gives_back_and_a_second_copy_does_not),
		cmocka_unit_test(test_a_drop_that_was_none_is_not_charged_to_the_way),
		cmocka_unit_test(test_claims_at_the_end_of_the_range_do_not_wrap),
		cmocka_unit_test(test_each_boot_counts_from_nothing),
		cmocka_unit_test(test_without_its_keys_a_frame_says_nothing),
		cmocka_unit_test(test_a_continued_run_begins_where_each_agent_is),
		cmocka_unit_test(test_sums_hold_whatever_the_way_does),
	};

	return cmocka_run_group_tests_name("cell_gap", tests, NULL, NULL);
}
