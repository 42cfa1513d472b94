/* SPDX-License-Identifier: Apache-2.0
 *
 * Ledgers as they were written: what is there, what is missing, and who vouches for it.
 */
#include "verify_util.h"

static struct cht_cell cell;

static struct made begun(enum cht_algorithm algorithm)
{
	struct made m = { .signer = test_signer(algorithm, NULL, NULL),
			  .now = { 1762348800000000000, 1000, 1000 } };

	add_host_started(&m);
	add_run_opened(&m, &cell, "run-1");
	return m;
}

static void ended(struct made *m)
{
	add_sealed(m, &cell);
	add_host_stopped(m);
}

static void check_losses(const struct verify_report *report, enum verify_loss loss, uint64_t n)
{
	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++)
		CHECK_INT(report->all.losses[i], i == loss ? n : 0);
}

static void test_a_whole_signed_ledger_is_clean(void **state)
{
	static const enum cht_algorithm algorithms[] = { CHT_ALGORITHM_ED25519,
							 CHT_ALGORITHM_HMAC_SHA256 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct cht_signer *signer = test_signer(algorithms[i % 2], NULL, NULL);
		struct verify_report report;
		struct made m;

		cht_signer_set_order(signer, i < 2 ? CHT_ORDER_STRUCT : CHT_ORDER_SORTED);
		m = usual(signer);
		check_row = i < 2 ? "struct order" : "sorted order";
		report = verify_made(&m, NULL);
		check_verdict(&report, 0);
		CHECK_INT(report.entries, USUAL_ENTRIES);
		CHECK_INT(report.authenticated, USUAL_ENTRIES);
		CHECK_INT(report.n_signers, 1);
		CHECK_INT(report.signers[0].entries, USUAL_ENTRIES);
		CHECK(report.signers[0].is_known && report.signers[0].is_hmac == (i % 2 == 1));
		CHECK_INT(report.all.runs_opened, 1);
		CHECK_INT(report.all.runs_sealed, 1);
		CHECK_INT(report.all.runs_unsealed, 0);
		CHECK_INT(report.all.provenances[VERIFY_DECLARED], USUAL_FRAMES);
		CHECK_INT(report.all.provenances[VERIFY_OBSERVED], 4);
		CHECK_INT(report.all.provenances[VERIFY_DERIVED], 1);
		CHECK_INT(report.all.received, USUAL_FRAMES);
		CHECK_INT(report.all.stored, USUAL_FRAMES);
		CHECK(!report.host_runs_on && report.host_starts == 1);
		CHECK_STR(str_of(report.first_time), "2025-11-05T13:20:00.000000000Z");
		made_free(&m);
	}
}

static void test_what_nobody_vouches_for_is_12(void **state)
{
	static const struct {
		const char *why;
		enum cht_algorithm algorithm;
		bool ed25519, hmac, vkey, require;
		int verdict;
	} rows[] = {
		{ "no envelopes", CHT_ALGORITHM_OFF, true, true, true, false, 0 },
		{ "no envelopes, no keys for them", CHT_ALGORITHM_OFF, false, false, true, false,
		  0 },
		{ "no key of the log", CHT_ALGORITHM_OFF, true, true, false, false, 12 },
		{ "envelopes required", CHT_ALGORITHM_OFF, true, true, true, true, 11 },
		{ "envelopes, no keys for them", CHT_ALGORITHM_ED25519, false, false, true, false,
		  0 },
		{ "keys of another kind", CHT_ALGORITHM_ED25519, false, true, true, false, 12 },
		{ "a MAC, and only public keys", CHT_ALGORITHM_HMAC_SHA256, true, false, true, true,
		  12 },
		{ "all of it", CHT_ALGORITHM_ED25519, true, false, true, true, 0 },
		{ "envelopes alone", CHT_ALGORITHM_ED25519, true, false, false, true, 12 },
		{ "nothing given", CHT_ALGORITHM_ED25519, false, false, false, false, 12 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_options options = { .require_signed = rows[i].require };
		struct verify_trust *trust =
			rows[i].vkey ? test_trust(rows[i].ed25519, rows[i].hmac)
				     : envelope_trust(rows[i].ed25519, rows[i].hmac);
		struct made m = usual(test_signer(rows[i].algorithm, NULL, NULL));
		struct verify_report report;

		check_row = rows[i].why;
		write_made(&m);
		report = verify_with(trust, &options);
		check_verdict(&report, rows[i].verdict);
		CHECK((report.why_cannot_tell != NULL) == (rows[i].verdict == 12));
		CHECK_INT(report.checkpoint.by, rows[i].vkey ? VERIFY_BY_KEY : VERIFY_BY_HINT);
		verify_trust_free(trust);
		made_free(&m);
	}
}

static void frames_with_a_gap(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	add_frame(m, &cell, 5, 0);
}

static void frames_with_drops(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	add_frame(m, &cell, 4, 2);
}

static void a_late_frame(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	add_frame(m, &cell, 3, 0);
	add_frame(m, &cell, 2, 0);
}

static void an_agent_that_does_not_count(struct made *m)
{
	add_frame(m, &cell, 0, 0);
	add_frame(m, &cell, 0, 0);
}

static void refused_frames(struct made *m)
{
	struct cht_frame_facts facts = { 1, 0, 100, 1000 };
	struct cht_wire_fault why = { 0 };

	cell_note_refused(&cell, &facts, &why);
	cell_note_refused(&cell, &facts, &why);
	add_frame(m, &cell, 1, 0);
	cell_note_refused(&cell, &facts, &why);
}

static void over_quota(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	cell.ledger_quota = 10;
	cell_note_stored(&cell, 100);
	add_frame(m, &cell, 2, 0);
	add_frame(m, &cell, 3, 0);
	cell.ledger_quota = 0;
	add_frame(m, &cell, 4, 0);
}

static void resumed(struct made *m, uint64_t lost, uint64_t says_from)
{
	struct facts_run_resumed facts = { .cause = STR("unclean restart") };
	struct cht_stamped s = { 0 };

	add_frame(m, &cell, 1, 0);
	cell.run.sequence += lost;
	cell.run.is_continued = true;
	if (lost > 0) {
		facts.lost_from = says_from;
		facts.lost_to = cell.run.sequence;
	}
	cell_stamp_resumed(&cell, &facts, &m->now, &s);
	add(m, &s);
	add_frame(m, &cell, 2, 0);
}

static void a_declared_hole(struct made *m)
{
	resumed(m, 3, 3);
}

static void a_hole_declared_too_small(struct made *m)
{
	resumed(m, 3, 4);
}

static void a_restart_without_loss(struct made *m)
{
	resumed(m, 0, 0);
}

static void a_hole_that_nobody_declared(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	cell.run.sequence++;
	add_frame(m, &cell, 2, 0);
}

static void an_unclean_stop(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	add_host_started(m);
}

static void a_cut_recovery(struct made *m)
{
	struct cht_stamped s = { 0 };

	run_stamp(&m->host, EV_LEDGER_RECOVERED, &m->now, &s);
	s.facts.recovered =
		(struct facts_recovered){ .kept = m->n, .from = 1, .to = 2, .cut_bytes = 17 };
	add(m, &s);
}

static void a_seal_that_lost_a_frame(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	cell.frames.received++;
}

static void a_seal_that_forgot_an_event(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	cell.run.counts[EV_GUEST_PROCESS_SPAWNED]--;
}

static void a_seal_of_another_place(struct made *m)
{
	add_frame(m, &cell, 1, 0);
	cell.run.first_index++;
}

static void a_start_of_another_place(struct made *m)
{
	struct cht_stamped s = { 0 };

	add_host_stopped(m);
	begin_host(m, STR("o"));
	run_stamp(&m->host, EV_HOST_STARTED, &m->now, &s);
	s.facts.host_started = (struct facts_host_started){ .next_index = m->n + 1 };
	add(m, &s);
}

static const struct {
	const char *why;
	void (*happen)(struct made *m);
	enum verify_loss loss;
	uint64_t n;
	int verdict;
	enum verify_fault fault;
} rows[] = {
	{ "lost on the way", frames_with_a_gap, VERIFY_LOSS_ON_THE_WAY, 3, 10, VERIFY_SOUND },
	{ "dropped in the guest", frames_with_drops, VERIFY_LOSS_IN_GUEST, 2, 10, VERIFY_SOUND },
	{ "late, so not lost", a_late_frame, VERIFY_LOSS_ON_THE_WAY, 1, 0, VERIFY_SOUND },
	{ "refused", refused_frames, VERIFY_LOSS_REFUSED, 3, 10, VERIFY_SOUND },
	{ "over quota", over_quota, VERIFY_LOSS_OVER_QUOTA, 2, 10, VERIFY_SOUND },
	{ "an agent that does not count", an_agent_that_does_not_count, VERIFY_N_LOSSES, 0, 10,
	  VERIFY_SOUND },
	{ "a declared hole", a_declared_hole, VERIFY_LOSS_HOLES, 3, 10, VERIFY_SOUND },
	{ "a hole declared too small", a_hole_declared_too_small, VERIFY_N_LOSSES, 0, 11,
	  VERIFY_HOLE },
	{ "a restart without loss", a_restart_without_loss, VERIFY_N_LOSSES, 0, 0, VERIFY_SOUND },
	{ "a hole", a_hole_that_nobody_declared, VERIFY_N_LOSSES, 0, 11, VERIFY_HOLE },
	{ "an unclean stop", an_unclean_stop, VERIFY_LOSS_UNCLEAN_STOP, 1, 10, VERIFY_SOUND },
	{ "a recovery that cut", a_cut_recovery, VERIFY_LOSS_CUT, 1, 10, VERIFY_SOUND },
	{ "a seal whose frames do not add up", a_seal_that_lost_a_frame, VERIFY_N_LOSSES, 0, 11,
	  VERIFY_CONTRADICTION },
	{ "a seal whose events do not add up", a_seal_that_forgot_an_event, VERIFY_N_LOSSES, 0, 11,
	  VERIFY_CONTRADICTION },
	{ "a seal of another place", a_seal_of_another_place, VERIFY_N_LOSSES, 0, 11,
	  VERIFY_MOVED },
	{ "a start of another place", a_start_of_another_place, VERIFY_N_LOSSES, 0, 11,
	  VERIFY_MOVED },
};

static void test_losses_by_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = begun(CHT_ALGORITHM_HMAC_SHA256);
		struct verify_report report;

		check_row = rows[i].why;
		rows[i].happen(&m);
		ended(&m);
		report = verify_made(&m, NULL);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
		check_losses(&report, rows[i].loss, rows[i].n);
		made_free(&m);
	}
}

/* Numbers of a guest: 2^64 - 3 on the way and 3 in the guest. */
static void test_losses_do_not_add_up_to_none(void **state)
{
	struct made m = begun(CHT_ALGORITHM_HMAC_SHA256);
	struct verify_options of_run = { .run_id = "run-1" };
	struct verify_report report;

	(void)state;
	add_frame(&m, &cell, 1, 0);
	add_frame(&m, &cell, UINT64_MAX, 0);
	add_frame(&m, &cell, UINT64_MAX, 3);
	ended(&m);
	check_row = "2^64";
	report = verify_made(&m, NULL);
	CHECK_INT(report.all.losses[VERIFY_LOSS_ON_THE_WAY], UINT64_MAX - 2);
	CHECK_INT(report.all.losses[VERIFY_LOSS_IN_GUEST], 3);
	check_verdict(&report, 10);
	report = verify_made(&m, &of_run);
	check_verdict(&report, 10);
	made_free(&m);
}

/* What comes late to one guest was lost before this log; the other's loss is in it. */
static void test_what_comes_late_to_one_run_is_no_gain_of_another(void **state)
{
	static struct cht_cell late;
	struct made m = begun(CHT_ALGORITHM_HMAC_SHA256);
	struct verify_report report;

	(void)state;
	add_run_opened(&m, &late, "run-late");
	add_frame(&m, &late, 1, 0);
	add_frame(&m, &cell, 1, 0);
	add_frame(&m, &cell, 3, 0);
	late.met->boots[0].missing = 1;
	late.met->boots[0].arrived = 0;
	add_frame(&m, &late, 1, 0);
	add_sealed(&m, &late);
	ended(&m);
	report = verify_made(&m, NULL);
	check_row = "late";
	CHECK_INT(report.all.late, 1);
	CHECK_INT(report.all.losses[VERIFY_LOSS_ON_THE_WAY], 1);
	check_verdict(&report, 10);
	made_free(&m);
}

static void test_only_agents_that_do_not_count_are_exempted(void **state)
{
	static const struct verify_options allow = { .allow_unbounded = true };
	static void (*const happen[])(struct made *) = { an_agent_that_does_not_count,
							 frames_with_a_gap };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct made m = begun(CHT_ALGORITHM_HMAC_SHA256);
		struct verify_report report;

		happen[i](&m);
		ended(&m);
		report = verify_made(&m, &allow);
		check_verdict(&report, i == 0 ? 0 : 10);
		CHECK_INT(report.all.uncounted, i == 0 ? 2 : 0);
		made_free(&m);
	}
}

static void test_one_run_is_judged_alone(void **state)
{
	static const struct {
		const char *why, *run;
		int verdict;
	} asked[] = { { "the whole ledger", NULL, 10 },
		      { "the whole one", "run-whole", 0 },
		      { "the one with a gap", "run-gap", 10 },
		      { "the open one", "run-open", 10 },
		      { "one that is not there", "run", 12 } };
	static struct cht_cell whole, open;
	struct made m = { .signer = test_signer(CHT_ALGORITHM_ED25519, NULL, NULL),
			  .now = { 1762348800000000000, 1000, 1000 } };

	(void)state;
	add_host_started(&m);
	add_run_opened(&m, &whole, "run-whole");
	add_run_opened(&m, &cell, "run-gap");
	add_run_opened(&m, &open, "run-open");
	add_frame(&m, &whole, 1, 0);
	frames_with_a_gap(&m);
	add_frame(&m, &open, 1, 0);
	add_sealed(&m, &whole);
	add_sealed(&m, &cell);
	add_host_stopped(&m);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct verify_options options = { .run_id = asked[i].run };
		struct verify_report report = verify_made(&m, &options);

		check_row = asked[i].why;
		check_verdict(&report, asked[i].verdict);
		CHECK_INT(report.all.runs_unsealed, 1);
		CHECK_STR(str_of(report.unsealed[0].run_id), "run-open");
		CHECK_STR(str_of(report.unsealed[0].cell_id), "cell-1");
		CHECK_INT(report.unsealed[0].first_index, 4);
		CHECK_INT(report.unsealed[0].last_sequence, 2);
	}
	made_free(&m);
}

/* In this shape events have no member sequence and no channel: ids carry the numbers. */
/* One that was killed, one that ended, one that goes on. */
static void test_a_run_of_the_host_ends_with_its_stop(void **state)
{
	static const int verdicts[] = { 10, 0, 10 };
	struct made m = { .now = { 1762348800000000000, 1000, 1000 } };
	char ids[3][CHT_ATTRIBUTION_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add_host_started(&m);
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", m.host.run_id);
		if (i == 1)
			add_host_stopped(&m);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct verify_options options = { .run_id = ids[i] };
		struct verify_report report = verify_made(&m, &options);

		check_row = ids[i];
		check_verdict(&report, verdicts[i]);
		CHECK_INT(report.all.losses[VERIFY_LOSS_UNCLEAN_STOP], 1);
		CHECK_INT(report.run.losses[VERIFY_LOSS_UNCLEAN_STOP], i == 0);
		CHECK_INT(report.run.runs_unsealed, i == 2);
		CHECK_INT(report.all.runs_unsealed, 0);
	}
	made_free(&m);
}

static void test_the_rust_shape_is_followed_by_its_ids(void **state)
{
	static const struct verify_options allow = { .allow_unbounded = true };
	struct made m = begun(CHT_ALGORITHM_ED25519);
	struct verify_report report;

	(void)state;
	m.shape = CHT_SHAPE_RUST;
	for (unsigned i = 1; i < 5; i++)
		add_frame(&m, &cell, i, 0);
	ended(&m);
	report = verify_made(&m, &allow);
	check_verdict(&report, 0);
	CHECK_INT(report.all.uncounted, 4);
	CHECK_INT(report.unnumbered, 0);
	free((void *)(uintptr_t)m.entries[4].ptr);
	memmove(m.entries + 4, m.entries + 5, (m.n - 5) * sizeof(m.entries[0]));
	m.n--;
	report = verify_made(&m, &allow);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HOLE);
	CHECK_INT(report.first.at.index, 4);
	made_free(&m);
}

struct calls {
	uint64_t n, last;
};

static void count_calls(void *context, uint64_t entries, uint64_t of)
{
	struct calls *calls = context;

	CHECK(entries > calls->last && of == 10000);
	calls->last = entries;
	calls->n++;
}

static void test_progress_is_told(void **state)
{
	struct calls calls = { 0 };
	struct verify_options options = { .progress = count_calls, .context = &calls };
	struct verify_trust *trust = test_trust(false, false);
	struct made none = { 0 };
	struct verify_report report;

	(void)state;
	write_made(&none);
	tree_open(made_dir);
	tree_grow(10000);
	tree_close();
	report = verify_with(trust, &options);
	check_verdict(&report, 11);
	CHECK_INT(report.n_findings, 10000);
	CHECK(calls.n > 1);
	verify_trust_free(trust);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_signed_ledger_is_clean),
		cmocka_unit_test(test_what_nobody_vouches_for_is_12),
		cmocka_unit_test(test_losses_by_cause),
		cmocka_unit_test(test_losses_do_not_add_up_to_none),
		cmocka_unit_test(test_what_comes_late_to_one_run_is_no_gain_of_another),
		cmocka_unit_test(test_only_agents_that_do_not_count_are_exempted),
		cmocka_unit_test(test_one_run_is_judged_alone),
		cmocka_unit_test(test_a_run_of_the_host_ends_with_its_stop),
		cmocka_unit_test(test_the_rust_shape_is_followed_by_its_ids),
		cmocka_unit_test(test_progress_is_told),
	};

	return cmocka_run_group_tests_name("verify_answers", tests, setup_made, teardown_made);
}
