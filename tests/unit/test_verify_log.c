/* SPDX-License-Identifier: Apache-2.0
 *
 * What the log says of itself: how it began, what may be missing, how it ended, what goes on in it.
 */
#include "note_util.h"

#include <sys/fsuid.h>

#include "base/limits.h"

static struct cht_cell cell;

static struct made begun(void)
{
	struct made m = { .now = { 1762348800000000000, 1000, 1000 } };

	add_host_started(&m);
	return m;
}

static void add_pruned(struct made *m, uint64_t min_index)
{
	struct cht_stamped s = { 0 };

	run_stamp(&m->host, EV_LEDGER_PRUNED, &m->now, &s);
	s.facts.pruned.min_index = min_index;
	add(m, &s);
}

static void add_closed(struct made *m)
{
	struct cht_stamped s = { 0 };

	run_stamp(&m->host, EV_LOG_CLOSED, &m->now, &s);
	s.facts.log_closed = (struct facts_log_closed){ .reason = STR("rotation"),
							.successor = STR("test/ff"),
							.successor_vkey = STR("x") };
	add(m, &s);
}

/* A segment and more of entries that no longer matter, then these. */
static void write_behind(const struct made *m, uint64_t before)
{
	struct made nobody = { 0 };

	write_made(&nobody);
	tree_open(made_dir);
	tree_grow(before);
	for (unsigned i = 0; i < m->n; i++)
		tree_add(m->entries[i].ptr, m->entries[i].len);
	tree_publish();
	tree_close();
}

static void test_entries_may_be_missing_where_it_was_declared(void **state)
{
	static const struct {
		const char *why;
		uint64_t min_index; /* declared; 0: nothing */
		uint64_t begins;    /* sequence at which the run's first entry here stands */
		int verdict, of_run;
		enum verify_fault fault;
	} rows[] = {
		{ "as declared", SEGMENT_ENTRIES, 1, 0, 0, VERIFY_SOUND },
		{ "not declared", 0, 1, 11, 11, VERIFY_HEAD_MISSING },
		{ "less declared", SEGMENT_ENTRIES - 1, 1, 11, 11, VERIFY_HEAD_MISSING },
		{ "and a run began there", SEGMENT_ENTRIES, 4, 10, 10, VERIFY_SOUND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const struct verify_options run_1 = { .run_id = "run-1" };
		static const struct verify_options tree = { .by_hash_alone = true };
		struct made m = begun();
		struct verify_report report;

		check_row = rows[i].why;
		/* What the host said before is gone with the segment. */
		while (m.n > 0)
			free((void *)(uintptr_t)m.entries[--m.n].ptr);
		if (rows[i].min_index > 0)
			add_pruned(&m, rows[i].min_index);
		add_run_opened(&m, &cell, "run-1");
		cell.run.first_index = SEGMENT_ENTRIES + m.n - 1;
		for (unsigned k = 1; k < 4; k++)
			add_frame(&m, &cell, k, 0);
		add_sealed(&m, &cell);
		for (uint64_t k = 1; k < rows[i].begins; k++) {
			unsigned at = rows[i].min_index > 0;

			free((void *)(uintptr_t)m.entries[at].ptr);
			memmove(m.entries + at, m.entries + at + 1,
				(m.n - at - 1) * sizeof(m.entries[0]));
			m.n--;
		}
		write_behind(&m, SEGMENT_ENTRIES);
		CHECK_INT(unlink(made_path(first_segment)), 0);
		report = verify_now(&none);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
		CHECK_INT(report.left_out, SEGMENT_ENTRIES);
		CHECK_INT(report.first_index, SEGMENT_ENTRIES);
		CHECK_INT(report.all.losses[VERIFY_LOSS_PRUNED], rows[i].begins - 1);
		report = verify_now(&run_1);
		check_verdict(&report, rows[i].of_run);
		report = verify_now(&tree);
		check_verdict(&report, rows[i].fault == VERIFY_SOUND ? 0 : 11);
		CHECK_INT(report.first.fault, rows[i].fault);
		made_free(&m);
	}
}

static void test_a_segment_in_the_middle_is_never_pruned(void **state)
{
	static const struct verify_options tree = { .by_hash_alone = true };
	struct made m = begun();
	struct verify_report report;

	(void)state;
	add_pruned(&m, 2 * SEGMENT_ENTRIES);
	write_behind(&m, 2 * SEGMENT_ENTRIES);
	CHECK_INT(unlink(made_path("ledger/entries/00000000000000065536")), 0);
	report = verify_now(&tree);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_MISSING);
	CHECK_INT(report.first.at.index, SEGMENT_ENTRIES);
	made_free(&m);
}

/* Takes the first two segments away once reading has begun. */
static void prune_meanwhile(void *context, uint64_t entries, uint64_t of)
{
	(void)of;
	if (entries == 0 || *(bool *)context)
		return;
	*(bool *)context = true;
	CHECK_INT(unlink(made_path(first_segment)), 0);
	CHECK_INT(unlink(made_path("ledger/entries/00000000000000065536")), 0);
}

static void test_what_is_pruned_as_we_read_is_no_damage(void **state)
{
	bool is_done = false;
	struct verify_options options = { .progress = prune_meanwhile, .context = &is_done };
	struct made m = begun();
	struct verify_report report;

	(void)state;
	while (m.n > 0)
		free((void *)(uintptr_t)m.entries[--m.n].ptr);
	add_pruned(&m, 2 * SEGMENT_ENTRIES);
	add_host_stopped(&m);
	write_behind(&m, 2 * SEGMENT_ENTRIES);
	report = verify_now(&options);
	CHECK(is_done);
	check_verdict(&report, 0);
	CHECK_INT(report.left_out, 2 * SEGMENT_ENTRIES);
	made_free(&m);
}

static void test_the_first_entry_opens_this_very_log(void **state)
{
	static const struct {
		const char *why, *origin, *key_of; /* key_of: null: the log's own */
		int verdict;
	} rows[] = {
		{ "its own", TREE_ORIGIN, NULL, 0 },
		{ "another origin", "test.example/other", NULL, 11 },
		{ "another key", TREE_ORIGIN, "x+00000000+AQ==", 11 },
		{ "a key with more behind it", TREE_ORIGIN, TREE_ORIGIN, 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = { .now = { 1762348800000000000, 1000, 1000 } };
		struct cht_stamped s = { 0 };
		struct verify_report report;

		check_row = rows[i].why;
		begin_host(&m, STR(TREE_ORIGIN));
		run_stamp(&m.host, EV_LOG_OPENED, &m.now, &s);
		s.facts.log_opened = (struct facts_log_opened){
			.origin = str_of(rows[i].origin),
			.vkey = str_of(rows[i].key_of != NULL ? rows[i].key_of : made_vkey()),
			.reason = STR("rotation"),
			.predecessor = { STR("test.example/before"), STR("x"), 42 },
		};
		add(&m, &s);
		report = verify_made(&m, NULL);
		check_verdict(&report, rows[i].verdict);
		CHECK_STR(str_of(report.predecessor), "test.example/before");
		CHECK_INT(report.predecessor_size, 42);
		if (rows[i].verdict == 11)
			CHECK_INT(report.first.fault, VERIFY_NOT_OPENED);
		made_free(&m);
	}
}

static void test_a_closed_log_ends(void **state)
{
	struct made m = begun();
	struct verify_report report;

	(void)state;
	add_closed(&m);
	add_host_stopped(&m);
	report = verify_made(&m, NULL);
	check_verdict(&report, 0);
	CHECK(report.is_closed);
	add_run_opened(&m, &cell, "run-1");
	report = verify_made(&m, NULL);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_AFTER_CLOSED);
	CHECK_INT(report.first.at.index, 4);
	made_free(&m);
}

static void test_a_run_goes_on_from_the_log_before(void **state)
{
	static const struct {
		const char *why;
		struct facts_run_continued facts;
		uint64_t number; /* before run.continued's own */
		int verdict;
		uint64_t lost;
	} rows[] = {
		{ "without a loss", { .last_sequence = 41 }, 41, 0, 0 },
		{ "some lost", { .last_sequence = 41, .lost_from = 42, .lost_to = 44 }, 44, 10, 3 },
		{ "one more missing", { .last_sequence = 41 }, 42, 11, 0 },
		{ "a hole before what is lost",
		  { .last_sequence = 41, .lost_from = 43, .lost_to = 44 },
		  44,
		  11,
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = begun(), scratch = begun();
		struct facts_run_continued facts = rows[i].facts;
		struct cht_stamped s = { 0 };
		struct verify_report report;

		check_row = rows[i].why;
		facts.origin = STR("test.example/before");
		add_run_opened(&scratch, &cell, "run-1");
		run_continue(&cell.run, cell.run.bits, rows[i].number, m.n);
		cell_stamp_continued(&cell, &facts, &m.now, &s);
		add(&m, &s);
		add_frame(&m, &cell, 5, 0);
		add_sealed(&m, &cell);
		report = verify_made(&m, NULL);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.all.losses[VERIFY_LOSS_HOLES], rows[i].lost);
		if (rows[i].verdict == 11)
			CHECK_INT(report.first.fault, VERIFY_HOLE);
		made_free(&scratch);
		made_free(&m);
	}
}

/* As a member of the group that may read the ledger: root without its rights to files. */
static void test_a_state_directory_need_not_be_listed(void **state)
{
	struct verify_trust *trust = test_trust(true, true);
	struct made m = begun();
	struct verify_report report;
	int before;

	(void)state;
	write_made(&m);
	CHECK_INT(chmod(made_dir, 0110), 0);
	before = setfsuid(65534);
	report = verify_with(trust, &(const struct verify_options){ 0 });
	(void)setfsuid((uid_t)before);
	CHECK_INT(chmod(made_dir, 0700), 0);
	check_verdict(&report, 0);
	CHECK_INT(report.entries, m.n);
	verify_trust_free(trust);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_may_be_missing_where_it_was_declared),
		cmocka_unit_test(test_a_segment_in_the_middle_is_never_pruned),
		cmocka_unit_test(test_what_is_pruned_as_we_read_is_no_damage),
		cmocka_unit_test(test_the_first_entry_opens_this_very_log),
		cmocka_unit_test(test_a_closed_log_ends),
		cmocka_unit_test(test_a_run_goes_on_from_the_log_before),
		cmocka_unit_test(test_a_state_directory_need_not_be_listed),
	};

	return cmocka_run_group_tests_name("verify_log", tests, setup_made, teardown_made);
}
