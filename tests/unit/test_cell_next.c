/* SPDX-License-Identifier: Apache-2.0
 *
 * What a cell says by itself, and when. Every now is invented.
 */
#include "cell_life.h"

/* Everything a guest can provoke: the first at once, then one a second with the counts since. */
struct provocation {
	const char *name;
	enum event_kind kind;
	void (*provoke)(void);
	uint64_t (*count)(void);
};

static void provoke_opened(void)
{
	(void)cell_note_opened(&cell, 10, 20, 30);
}

static uint64_t count_opened(void)
{
	CHECK(out.facts.channel_opened.connection == cell.connections);
	CHECK_INT(out.facts.channel_opened.peer_pid, 10);
	CHECK_INT(out.facts.channel_opened.peer_uid, 20);
	CHECK_INT(out.facts.channel_opened.peer_gid, 30);
	CHECK_INT(out.facts.channel_opened.open, cell.open);
	return out.facts.channel_opened.count;
}

static void provoke_closed(void)
{
	cell_note_closed(&cell, 4, CLOSE_BAD_LENGTH, true, 3, 200);
}

static uint64_t count_closed(void)
{
	CHECK(out.facts.channel_closed.reasons[CLOSE_BAD_LENGTH] == out.facts.channel_closed.count);
	CHECK(out.facts.channel_closed.frames == 3 * out.facts.channel_closed.count);
	CHECK(out.facts.channel_closed.bytes == 200 * out.facts.channel_closed.count);
	CHECK_INT(out.facts.channel_closed.connection, 4);
	return out.facts.channel_closed.count;
}

static void provoke_refused(void)
{
	struct cht_wire_fault why = { .fault = CHT_FAULT_TAG, .at = 11 };

	cell_note_refused(&cell, &on_first, &why);
}

static uint64_t count_refused(void)
{
	CHECK_INT(out.facts.refused.connection, 1);
	CHECK_INT(out.facts.refused.first, CHT_FAULT_TAG);
	CHECK_INT(out.facts.refused.first_at, 11);
	CHECK_INT(out.facts.refused.first_bytes, 80);
	CHECK(out.facts.refused.faults[CHT_FAULT_TAG] == out.facts.refused.count);
	return out.facts.refused.count;
}

static void provoke_forged(void)
{
	struct cht_declaration d = declaration(CHT_SOURCE_OTHER);
	struct cht_now now = at(START);

	d.forged = 1u << CHT_FORGED_RUN_ID;
	cell_note_frame(&cell, &d, &on_first, &now);
}

static uint64_t count_forged(void)
{
	CHECK_INT(out.facts.forged.keys, 1u << CHT_FORGED_RUN_ID);
	CHECK_INT(out.facts.forged.connection, 1);
	return out.facts.forged.count;
}

static uint64_t seq;

static void provoke_gap(void)
{
	struct cht_declaration d = declaration(CHT_SOURCE_OTHER);
	struct cht_now now = at(START);

	d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ;
	d.agent_boot = 77;
	d.agent_seq = seq += 2;
	cell_note_frame(&cell, &d, &on_first, &now);
}

static uint64_t count_gap(void)
{
	CHECK_INT(out.facts.dropped.agent_boot, 77);
	CHECK_INT(out.facts.dropped.from_seq, seq - 1);
	CHECK_INT(out.facts.dropped.to_seq, seq - 1);
	CHECK_INT(out.facts.dropped.over_quota, 0);
	return out.facts.dropped.on_the_way;
}

static const struct provocation provocations[] = {
	{ "channel.opened", EV_CHANNEL_OPENED, provoke_opened, count_opened },
	{ "channel.closed", EV_CHANNEL_CLOSED, provoke_closed, count_closed },
	{ "frames.refused", EV_FRAMES_REFUSED, provoke_refused, count_refused },
	{ "attribution_forged", EV_GUEST_ATTRIBUTION_FORGED, provoke_forged, count_forged },
	{ "telemetry.dropped", EV_GUEST_TELEMETRY_DROPPED, provoke_gap, count_gap },
};

static void test_what_is_provoked_is_told_once_a_second(void **state)
{
	for (size_t i = 0; i < sizeof(provocations) / sizeof(provocations[0]); i++) {
		const struct provocation *p = &provocations[i];

		check_row = p->name;
		CHECK_INT(begin_plain(state), 0);
		frame(CHT_SOURCE_OTHER, START);
		seq = 0;
		CHECK(!cell_has_pending(&cell));
		p->provoke();
		CHECK(cell_has_pending(&cell));
		CHECK_INT(cell_deadline(&cell), 0);
		check_next(START, p->kind);
		CHECK_INT(p->count(), 1);
		CHECK(!next(START));
		for (int n = 0; n < 1000; n++) {
			p->provoke();
			CHECK(!next(START + S - 1));
		}
		CHECK(cell_deadline(&cell) == START + S);
		check_next(START + S, p->kind);
		CHECK_INT(p->count(), 1000);
		check_row = "a flush does not wait";
		p->provoke();
		{
			struct cht_now now = at(START + S + 1);

			CHECK(cell_flush(&cell, &now, &out));
			CHECK_INT(out.kind, p->kind);
			CHECK_INT(p->count(), 1);
			CHECK(!cell_flush(&cell, &now, &out));
		}
		CHECK(!cell_has_pending(&cell));
		CHECK_INT(counts[p->kind], 3);
	}
}

static void test_kinds_do_not_share_a_window(void **state)
{
	size_t n = sizeof(provocations) / sizeof(provocations[0]);

	(void)state;
	frame(CHT_SOURCE_OTHER, START);
	seq = 0;
	for (size_t i = 0; i < n; i++)
		provocations[i].provoke();
	for (size_t i = 0; i < n; i++) {
		CHECK(next(START));
		CHECK_INT(out.kind, provocations[i].kind);
	}
	CHECK(!next(START));
}

static void test_one_refused_at_the_door_was_never_open(void **state)
{
	(void)state;
	CHECK_INT(cell_note_opened(&cell, 1, 2, 3), 1);
	CHECK_INT(cell_note_opened(&cell, 1, 2, 3), 2);
	cell_note_closed(&cell, 2, CLOSE_OVER_LIMIT, false, 0, 0);
	CHECK_INT(cell.open, 2);
	cell_note_closed(&cell, 1, CLOSE_CLEAN, true, 5, 6);
	CHECK_INT(cell.open, 1);
	check_next(START, EV_CHANNEL_OPENED);
	CHECK_INT(out.facts.channel_opened.count, 2);
	check_next(START, EV_CHANNEL_CLOSED);
	CHECK_INT(out.facts.channel_closed.count, 2);
	CHECK_INT(out.facts.channel_closed.reasons[CLOSE_OVER_LIMIT], 1);
	CHECK_INT(out.facts.channel_closed.reasons[CLOSE_CLEAN], 1);
	CHECK_INT(out.facts.channel_closed.open, 1);
}

static void test_every_source_has_its_kind(void **state)
{
	static const struct {
		enum cht_source source;
		enum event_kind kind;
	} rows[] = { { CHT_SOURCE_OTHER, EV_GUEST_DECLARATION },
		     { CHT_SOURCE_PROCESS_SPAWNED, EV_GUEST_PROCESS_SPAWNED },
		     { CHT_SOURCE_PROCESS_EXITED, EV_GUEST_PROCESS_EXITED },
		     { CHT_SOURCE_CAPABILITY_DENIED, EV_GUEST_CAPABILITY_DENIED },
		     { CHT_SOURCE_FS_INOTIFY_FIRED, EV_GUEST_FS_INOTIFY_FIRED },
		     { CHT_SOURCE_NET_CONNECT_ATTEMPTED, EV_GUEST_NET_CONNECT_ATTEMPTED },
		     { CHT_SOURCE_AGENT_HELLO, EV_GUEST_AGENT_HELLO },
		     { CHT_SOURCE_AGENT_BYE, EV_GUEST_AGENT_BYE } };
	struct cht_now now = at(START + 3);

	(void)state;
	CHECK_INT(sizeof(rows) / sizeof(rows[0]), CHT_N_SOURCES - 1); /* a heartbeat has none */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_declaration d = declaration(rows[i].source);

		CHECK(cell_stamp(&cell, &d, &on_first, &now, &out));
		CHECK_INT(out.kind, rows[i].kind);
		CHECK_INT(out.sequence, i + 1);
		CHECK(out.guest == &d && out.frame.frame_bytes == 80 && !out.stale);
		CHECK_INT(out.at.boottime_ns, START + 12);
	}
}

static void test_a_frame_of_an_earlier_epoch_is_stale(void **state)
{
	struct cht_declaration d = declaration(CHT_SOURCE_OTHER);
	struct cht_frame_facts facts = { .connection = 1, .epoch = 2 };
	struct cht_now now = at(START);

	(void)state;
	cell.epoch = 2;
	CHECK(cell_stamp(&cell, &d, &facts, &now, &out));
	CHECK(!out.stale);
	cell.epoch = 3;
	CHECK(cell_stamp(&cell, &d, &facts, &now, &out));
	CHECK(out.stale);
}

static void test_over_the_quota_frames_are_counted_and_told_once_a_minute(void **state)
{
	struct cht_declaration d = declaration(CHT_SOURCE_OTHER);
	struct cht_now now = at(START);

	(void)state;
	begin((struct cell_options){ .ledger_quota = 1000 });
	cell_note_stored(&cell, 999);
	CHECK(cell_stamp(&cell, &d, &on_first, &now, &out));
	cell_note_stored(&cell, 1);
	for (int i = 0; i < 7; i++)
		CHECK(!cell_stamp(&cell, &d, &on_first, &now, &out));
	CHECK_INT(cell.frames.dropped, 7);
	check_next(START, EV_GUEST_TELEMETRY_DROPPED);
	CHECK_INT(out.facts.dropped.over_quota, 7);
	CHECK(!cell_stamp(&cell, &d, &on_first, &now, &out));
	seq = 0;
	provoke_gap(); /* what is missing on the guest's side waits with it */
	CHECK(!next(START + 10 * S - 1));
	check_next(START + 10 * S, EV_GUEST_AGENT_SILENCED);
	CHECK(!next(START + 60 * S - 1));
	check_next(START + 60 * S, EV_GUEST_TELEMETRY_DROPPED);
	CHECK_INT(out.facts.dropped.over_quota, 1);
	CHECK_INT(out.facts.dropped.on_the_way, 1);
	check_row = "a heartbeat is still one, and host events go on";
	d.source = CHT_SOURCE_AGENT_HEARTBEAT;
	CHECK(!cell_stamp(&cell, &d, &on_first, &now, &out));
	CHECK_INT(cell.frames.heartbeats, 1);
	provoke_refused();
	check_next(START + 61 * S, EV_FRAMES_REFUSED);
}

static void test_a_run_begins_goes_on_and_ends(void **state)
{
	struct facts_run_resumed facts = { .cause = STR("unclean restart"), .lost_from = 3 };
	struct cht_now now = at(START);

	(void)state;
	begin((struct cell_options){ .expected_uid = 77, .boot_window_ns = 4 });
	cell_stamp_opened(&cell, NULL, &now, &out);
	CHECK_INT(out.kind, EV_RUN_OPENED);
	CHECK_INT(out.sequence, 1);
	CHECK_STR(out.facts.opened.socket, "/run/v.sock_9001");
	CHECK_INT(out.facts.opened.expected_uid, 77);
	CHECK(out.facts.opened.keepalive_window_ns == KEEPALIVE);
	CHECK(out.facts.opened.boot_window_ns == 4);
	frame(CHT_SOURCE_OTHER, START);
	cell_stamp_resumed(&cell, &facts, &now, &out);
	CHECK_INT(out.kind, EV_RUN_RESUMED);
	CHECK_INT(out.facts.run_resumed.lost_from, 3);
	CHECK_STR(out.facts.run_resumed.socket, "/run/v.sock_9001");
	cell_stamp_sealed(&cell, STR("requested"), &now, &out);
	CHECK_INT(out.kind, EV_RUN_SEALED);
	CHECK_INT(out.sequence, 5); /* with the state */
	CHECK_INT(out.facts.sealed.frames.received, 1);
	CHECK_STR(out.facts.sealed.reason, "requested");
	CHECK_INT(out.run->counts[EV_RUN_SEALED], 1);
}

static void test_a_bad_registration_is_refused(void **state)
{
	static char longer[CELL_CHANNEL_MAX + 1];
	struct cell_options o = { .cell_id = STR("c"), .names = &names, .met = &met };
	struct cht_now now = at(START);
	struct cht_err err;

	(void)state;
	memset(longer, 'p', sizeof(longer));
	o.channel = (struct cht_str){ longer, CELL_CHANNEL_MAX };
	CHECK_INT(cell_init(&cell, &o, &now, &err), 0);
	o.channel.len++;
	CHECK_INT(cell_init(&cell, &o, &now, &err), CHT_E_RANGE);
	CHECK(strstr(err.text, "channel") != NULL);
	o.channel = STR("/run/\xff");
	CHECK_INT(cell_init(&cell, &o, &now, &err), CHT_E_RANGE);
	o.channel = (struct cht_str){ "/run\0x", 6 };
	CHECK_INT(cell_init(&cell, &o, &now, &err), CHT_E_RANGE);
	o.channel = STR("");
	o.cell_id = STR("no such id");
	CHECK_INT(cell_init(&cell, &o, &now, &err), CHT_E_RANGE);
	CHECK(strstr(err.text, "cell id") != NULL);
}

static void test_the_public_stamp_takes_each_frame(void **state)
{
	struct cht_declaration d = declaration(CHT_SOURCE_AGENT_HEARTBEAT);
	struct cht_now now = at(START + 7);
	const struct cht_stamped *s;

	(void)state;
	cell.last = &out;
	s = cht_stamp(&cell, &d, &on_first, &now);
	CHECK_INT(s->kind, EV_GUEST_DECLARATION);
	CHECK_STR(cht_stamped_cell_id(s), "cell-1");
	CHECK_STR(cht_stamped_run_id(s), "run-1");
	CHECK_STR(cht_stamped_spec_signature_hash(s), "unspecified");
	CHECK_INT(cht_stamped_sequence(s), 1);
	CHECK_INT(cht_stamped_received_realtime_ns(s), START + 12);
	CHECK(cht_stamped_declaration(s) == &d);
	CHECK_INT(cht_stamped_sequence(cht_stamp(&cell, &d, &on_first, &now)), 2);
	CHECK(cell.heard);
	CHECK_INT(cell.frames.stored, 2);
}

/* Most of a cell's memory is for who connects: of one that nobody did, all of its life leaves that
 * memory alone, whatever is in it. */
static void test_a_cell_that_nobody_met_needs_no_more_than_itself(void **state)
{
	struct cht_now now = at(START + 60 * S);
	char texts[64];
	struct cell_met before;

	(void)state;
	memset(&met, 0xff, sizeof(met));
	before = met;
	CHECK_INT(cell_texts_bytes(&cell), sizeof("cell-1run-1unspecified/run/v.sock_9001") + 3);
	cell_move_texts(&cell, texts);
	memset(&names, 0, sizeof(names));
	cell_stamp_opened(&cell, NULL, &now, &out);
	CHECK_STR(cht_stamped_cell_id(&out), "cell-1");
	CHECK_STR(cht_stamped_run_id(&out), "run-1");
	CHECK_STR(out.facts.opened.socket, "/run/v.sock_9001");
	CHECK_INT(cell_deadline(&cell), START + 60 * S);
	check_next(START + 60 * S, EV_GUEST_AGENT_SILENCED);
	CHECK(!next(START + 120 * S) && !cell_has_pending(&cell));
	CHECK(!cell_flush(&cell, &now, &out));
	CHECK(cell_deadline(&cell) == UINT64_MAX);
	cell_stamp_sealed(&cell, STR("requested"), &now, &out);
	CHECK(memcmp(&before, &met, sizeof(met)) == 0);
}

/* xorshift64: the same run each time. */
static uint64_t dice = UINT64_C(0x2545f4914f6cdd1d);

static unsigned roll(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % sides);
}

/* One step of a random life. */
static void live(uint64_t ns)
{
	struct cht_declaration d = declaration((enum cht_source)roll(CHT_N_SOURCES));
	struct cht_wire_fault why = { .fault = (enum cht_fault)(1 + roll(CHT_N_FAULTS - 1)) };
	struct cht_now now = at(ns);

	switch (roll(8)) {
	case 0: cell_note_refused(&cell, &on_first, &why); return;
	case 1: (void)cell_note_opened(&cell, 1, 1, 1); return;
	case 2: cell_note_closed(&cell, 1, CLOSE_CLEAN, true, 1, 1); return;
	case 3: cell_note_paused(&cell, roll(2) == 0, &now); return;
	default: break;
	}
	d.forged = (uint16_t)(roll(5) == 0);
	d.extensions = roll(8);
	d.agent_boot = roll(3);
	d.agent_seq = roll(50);
	d.agent_dropped = roll(20);
	cell_note_frame(&cell, &d, &on_first, &now);
	(void)cell_stamp(&cell, &d, &on_first, &now, &out);
	cell_note_stored(&cell, roll(400));
}

/* Whatever happens: the sums hold, the sequence counts every event once, and neither the one
 * compare on the path of a frame nor the deadline hides anything that is due. */
static void test_sums_and_deadlines_hold_in_any_life(void **state)
{
	uint64_t told[EV_N_KINDS] = { 0 };

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint64_t ns = START;

		begin((struct cell_options){ .ledger_quota = round % 2 == 0 ? 0 : 40000 });
		for (int i = 0; i < 2000; i++) {
			struct cht_now now = at(ns += roll(4) == 0 ? roll(4000000) * 1000ull : 0);
			struct frame_counts f;
			uint64_t sum = 0;

			live(ns);
			CHECK(cell_deadline(&cell) >= cell.next_ns);
			while (cell_next(&cell, &now, &out))
				told[out.kind]++;
			CHECK(cell_deadline(&cell) > ns);
			f = cell.frames;
			CHECK(f.received == f.stored + f.heartbeats + f.refused + f.dropped);
			for (int k = 0; k < EV_N_KINDS; k++)
				sum += counts[k];
			CHECK(sum == cell.run.sequence);
		}
		CHECK(counts[EV_GUEST_AGENT_SILENCED] <= counts[EV_GUEST_AGENT_RESUMED] + 1);
	}
	CHECK(told[EV_GUEST_AGENT_SILENCED] > 0 && told[EV_GUEST_AGENT_RESUMED] > 0);
	CHECK(told[EV_GUEST_TELEMETRY_DROPPED] > 0 && told[EV_FRAMES_REFUSED] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_provoked_is_told_once_a_second, begin_plain),
		cmocka_unit_test_setup(test_kinds_do_not_share_a_window, begin_plain),
		cmocka_unit_test_setup(test_one_refused_at_the_door_was_never_open, begin_plain),
		cmocka_unit_test_setup(test_every_source_has_its_kind, begin_plain),
		cmocka_unit_test_setup(test_a_frame_of_an_earlier_epoch_is_stale, begin_plain),
		cmocka_unit_test_setup(
			test_over_the_quota_frames_are_counted_and_told_once_a_minute, begin_plain),
		cmocka_unit_test_setup(test_a_run_begins_goes_on_and_ends, begin_plain),
		cmocka_unit_test_setup(test_a_bad_registration_is_refused, begin_plain),
		cmocka_unit_test_setup(test_a_cell_that_nobody_met_needs_no_more_than_itself,
				       begin_plain),
		cmocka_unit_test_setup(test_the_public_stamp_takes_each_frame, begin_plain),
		cmocka_unit_test_setup(test_sums_and_deadlines_hold_in_any_life, begin_plain),
	};

	return cmocka_run_group_tests_name("cell_next", tests, NULL, NULL);
}
