/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "daemon/budget.h"
#include "daemon/deadlines.h"
#include "table_dir.h"

static const struct frames_left all_different = {
	{ 100, 0, 3, 2, 1 }, 7, { 8, 9, 1, 2, 3 }, { 10, 11, 4, 5, 6 }, 12, 13, 14, 15, 16
};

static void test_a_killed_process_leaves_exact_numbers(void **state)
{
	struct run a = must_run("a"), b = must_run("b"), back;
	uint64_t counts[EV_N_KINDS];
	struct run_names names;
	struct frames_left back_left;
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 1000;
	int sa, sb;

	(void)state;
	must_open(&t, boot, &found);
	CHECK(found.is_new && found.lost && !found.was_stopped);
	a.first_index = 1000;
	sa = must_add(&t, &a);
	sb = must_add(&t, &b);
	CHECK(sa != sb);
	note(&t, sa, &a, 10, &index); /* 1000..1009 */
	note(&t, sb, &b, 5, &index);  /* 1010..1014 */
	table_note_host(&t, index++); /* 1015 */
	note(&t, sa, &a, 4, &index);  /* 1016..1019 */
	table_note_frames(&t, sa, &all_different);
	/* As after kill -9: nothing is closed in order. */
	table_close(&t, false);
	must_open(&t, boot, &found);
	CHECK(!found.is_new && !found.lost && !found.was_stopped && !found.other_boot);
	CHECK(table_load(&t, sa, &back, &names, &back_left));
	CHECK_STR(str_of(back.cell_id), "a");
	CHECK_STRS(str_of(back.run_id), str_of(a.run_id));
	CHECK_INT(back.sequence, 14);
	CHECK_INT(back.bits.c, a.bits.c);
	CHECK_INT(back.first_index, 1000);
	table_counts(&t, sa, counts);
	CHECK_INT(counts[EV_GUEST_PROCESS_SPAWNED], 14);
	CHECK_INT(back_left.frames.stored, 14);
	CHECK_INT(back_left.frames.received, 14 + 3 + 2 + 1);
	CHECK_INT(back_left.connections, 7);
	CHECK_INT(back_left.untold.quota, 8);
	CHECK_INT(back_left.untold.space, 9);
	CHECK_INT(back_left.told_sequence, 12);
	CHECK_INT(back_left.ledger_bytes, 16);
	table_close(&t, true);
	must_open(&t, other_boot, &found);
	CHECK(found.was_stopped && found.other_boot);
	table_close(&t, true);
}

/* A killed process's table, opened anew with so many entries kept: the hole in slot s. */
static void check_hole(struct table *t, int s, uint64_t kept, uint64_t from, uint64_t to)
{
	struct table_found found;
	uint64_t a = 0, b = 0;

	table_close(t, false);
	must_open(t, boot, &found);
	table_settle(t, kept);
	CHECK(table_hole(t, s, &a, &b) == (to > 0));
	CHECK_INT(a, from);
	CHECK_INT(b, to);
}

static void test_what_the_ledger_kept_decides_the_holes(void **state)
{
	static const struct {
		uint64_t kept, a_from, a_to, b_from, b_to;
	} rows[] = {
		{ 1020, 0, 0, 0, 0 },   { 1019, 14, 14, 0, 0 }, { 1018, 13, 14, 0, 0 },
		{ 1015, 11, 14, 0, 0 }, { 1012, 11, 14, 3, 5 }, { 1005, 6, 14, 1, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run a = must_run("a"), b = must_run("b");
		struct table t = TABLE_NULL;
		struct table_found found;
		uint64_t index = 1000;
		int sa, sb;

		(void)unlinkat(dirfd_, "table", 0);
		must_open(&t, boot, &found);
		sa = must_add(&t, &a);
		sb = must_add(&t, &b);
		note(&t, sa, &a, 10, &index); /* 1000..1009 */
		note(&t, sb, &b, 5, &index);  /* 1010..1014 */
		table_note_host(&t, index++); /* 1015 */
		note(&t, sa, &a, 4, &index);  /* 1016..1019 */
		check_hole(&t, sa, rows[i].kept, rows[i].a_from, rows[i].a_to);
		check_hole(&t, sb, rows[i].kept, rows[i].b_from, rows[i].b_to);
		table_close(&t, true);
	}
}

static void test_a_hole_stays_until_its_declaration_is_stored(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 10, &index);
	check_hole(&t, s, 6, 7, 10);
	/* Killed before a word: the same again. */
	check_hole(&t, s, 6, 7, 10);
	/* The host's events and the declaration (11) were accepted and lost. */
	index = 6;
	table_note_host(&t, index++);
	note(&t, s, &a, 1, &index);
	check_hole(&t, s, 6, 7, 11);
	/* Declared by 12, stored; 13 and 14 lost. */
	index = 6;
	note(&t, s, &a, 3, &index);
	check_hole(&t, s, 7, 13, 14);
	index = 7;
	note(&t, s, &a, 1, &index);
	check_hole(&t, s, 8, 0, 0);
	table_close(&t, true);
}

static void test_a_torn_mark_gives_the_one_before(void **state)
{
	struct run a = must_run("a"), back;
	struct run_names names;
	struct frames_left left;
	struct table t = TABLE_NULL;
	struct table_found found;
	struct stat st;
	uint64_t index = 0;
	uint8_t *whole;
	int slot, fd, seen = 0;

	(void)state;
	must_open(&t, boot, &found);
	slot = must_add(&t, &a);
	note(&t, slot, &a, 9, &index);
	table_close(&t, false);
	fd = openat(dirfd_, "table", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	whole = malloc((size_t)st.st_size);
	CHECK(whole != NULL && pread(fd, whole, (size_t)st.st_size, 0) == st.st_size);
	/* Each byte of the file that holds the newest sequence, spoiled in turn. */
	for (off_t at = 0; at + 8 <= st.st_size; at += 8) {
		uint64_t word;
		uint8_t bad;

		memcpy(&word, whole + at, sizeof(word));
		if (word != 9)
			continue;
		bad = (uint8_t)(whole[at] ^ 0x40);
		CHECK_INT(pwrite(fd, &bad, 1, at), 1);
		must_open(&t, boot, &found);
		if (!found.lost && table_load(&t, slot, &back, &names, &left) && back.sequence == 8)
			seen++;
		table_close(&t, false);
		CHECK_INT(pwrite(fd, whole + at, 1, at), 1);
	}
	/* The mark's sequence is one of them; its count, which is 9 too, is another. */
	CHECK_INT(seen, 1);
	free(whole);
	fd_close(&fd);
}

static void test_an_event_killed_before_its_number_is_no_loss(void **state)
{
	const size_t owners_end = (size_t)TABLE_OWNERS * 2 + 64;
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 100;
	uint8_t *before, *after;
	size_t len;
	int s, fd;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 9, &index); /* 100..108 */
	before = snapshot(&len);
	note(&t, s, &a, 1, &index); /* 109: its owner stands, its number does not */
	after = snapshot(&len);
	CHECK(memcmp(before, after, owners_end) != 0);
	fd = openat(dirfd_, "table", O_WRONLY | O_CLOEXEC);
	CHECK(pwrite(fd, before + owners_end, len - owners_end, (off_t)owners_end) ==
	      (ssize_t)(len - owners_end));
	fd_close(&fd);
	check_hole(&t, s, 106, 7, 9); /* 7, 8 and 9 are lost; 6 is stored */
	table_close(&t, true);
	free(before);
	free(after);
}

static void test_a_seal_that_is_stored_ends_the_run(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 4, &index);
	CHECK(!table_is_sealed(&t, s));
	a.sequence++;
	table_note(&t, s, &a, EV_RUN_SEALED, index++);
	check_hole(&t, s, 4, 5, 5);
	CHECK(!table_is_sealed(&t, s));
	table_close(&t, false);
	must_open(&t, boot, &found);
	a.sequence++;
	index = 4;
	table_note(&t, s, &a, EV_RUN_SEALED, index++);
	check_hole(&t, s, 5, 0, 0);
	CHECK(table_is_sealed(&t, s));
	table_close(&t, true);
}

static void test_a_boot_ends_what_no_orderly_stop_saved(void **state)
{
	static const struct {
		bool stopped, lost;
	} rows[] = { { true, false }, { false, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run a = must_run("a");
		struct table t = TABLE_NULL;
		struct table_found found;
		uint64_t index = 0;
		int at = -1;

		(void)unlinkat(dirfd_, "table", 0);
		must_open(&t, boot, &found);
		note(&t, must_add(&t, &a), &a, 3, &index);
		table_close(&t, rows[i].stopped);
		must_open(&t, other_boot, &found);
		CHECK(found.lost == rows[i].lost && found.other_boot == !rows[i].lost);
		CHECK(table_next(&t, &at) == !rows[i].lost);
		/* Killed before all was settled, and not lost: the other boot is still told. */
		table_close(&t, true);
		must_open(&t, other_boot, &found);
		CHECK(found.other_boot == !rows[i].lost);
		table_begin_boot(&t, other_boot);
		table_close(&t, true);
		must_open(&t, other_boot, &found);
		CHECK(!found.other_boot && !found.lost);
		table_close(&t, true);
	}
}

static void test_one_process_has_the_table(void **state)
{
	struct table t = TABLE_NULL, second = TABLE_NULL;
	struct table_found found;
	struct cht_err err;

	(void)state;
	must_open(&t, boot, &found);
	CHECK_INT(table_open(&second, dirfd_, boot, &found, &err), CHT_E_STATE);
	table_close(&second, false);
	table_close(&t, true);
}

static void test_a_discarded_table_is_empty(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	struct stat st;
	int at = -1;

	(void)state;
	must_open(&t, boot, &found);
	CHECK(fstat(t.fd, &st) == 0);
	check_row = "no page of it can fail to be written";
	CHECK(st.st_blocks * 512 >= st.st_size);
	CHECK(must_add(&t, &a) >= 0);
	table_discard(&t, "o/1");
	CHECK(!table_next(&t, &at));
	CHECK_STR(str_of(table_origin(&t)), "o/1");
	table_close(&t, true);
	must_open(&t, boot, &found);
	CHECK(!found.lost && !found.other_boot && found.was_stopped);
	CHECK_STR(str_of(table_origin(&t)), "o/1");
	table_close(&t, true);
}

static void test_a_spoiled_file_is_lost_and_made_anew(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	int fd, at = -1;

	(void)state;
	must_open(&t, boot, &found);
	CHECK(must_add(&t, &a) >= 0);
	table_close(&t, true);
	fd = openat(dirfd_, "table", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, "XXXX", 4, 0) == 4);
	must_open(&t, boot, &found);
	CHECK(found.lost && !found.is_new);
	CHECK(!table_next(&t, &at));
	table_close(&t, true);
	CHECK(ftruncate(fd, 100) == 0);
	must_open(&t, boot, &found);
	CHECK(found.lost && !found.is_new);
	CHECK(must_add(&t, &a) >= 0);
	table_close(&t, true);
	fd_close(&fd);
}

static void test_slots_come_back(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	struct stat st;
	int last = -1, n = 0;

	(void)state;
	must_open(&t, boot, &found);
	for (int i = 0; i < TABLE_SLOTS; i++)
		last = must_add(&t, &a);
	CHECK(last == TABLE_SLOTS - 1);
	CHECK_INT(table_add(&t, &a, NULL), CHT_E_LIMIT);
	table_remove(&t, 9000);
	table_remove(&t, 77);
	CHECK_INT(must_add(&t, &a), 77);
	CHECK_INT(must_add(&t, &a), 9000);
	CHECK_INT(table_add(&t, &a, NULL), CHT_E_LIMIT);
	table_close(&t, false);
	check_row = "all of them are there at the next start, and none is free";
	must_open(&t, boot, &found);
	CHECK(fstat(t.fd, &st) == 0 && st.st_blocks * 512 >= st.st_size);
	for (int at = -1; table_next(&t, &at);)
		n++;
	CHECK_INT(n, TABLE_SLOTS);
	CHECK_INT(table_add(&t, &a, NULL), CHT_E_LIMIT);
	table_close(&t, true);
}

/* What an earlier run of a slot left is nothing of the next one's. */
static void test_a_slot_keeps_nothing_of_its_last_tenant(void **state)
{
	struct run a = must_run("a"), b = must_run("b"), back;
	uint64_t counts[EV_N_KINDS];
	struct run_names names;
	struct frames_left back_left;
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0, n, m;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	table_discard(&t, "o/1");
	s = must_add(&t, &a);
	note(&t, s, &a, 10, &index);
	for (int i = 0; i < 3; i++)
		table_note_frames(&t, s, &all_different);
	CHECK(table_succeed(&t, "o/2", 5));
	CHECK(table_is_carried(&t, s, &n) && table_hole(&t, s, &n, &m));
	a.sequence++;
	table_note(&t, s, &a, EV_RUN_CONTINUED, 0);
	table_remove(&t, s);
	b.first_index = 7;
	CHECK_INT(must_add(&t, &b), s);
	b.sequence++;
	table_note(&t, s, &b, EV_RUN_OPENED, 7);
	CHECK(!table_is_carried(&t, s, &n) && !table_hole(&t, s, &n, &m));
	CHECK(table_load(&t, s, &back, &names, &back_left));
	CHECK_STR(str_of(back.cell_id), "b");
	CHECK_INT(back.first_index, 7);
	CHECK_INT(back.sequence, 1);
	table_counts(&t, s, counts);
	for (int kind = 0; kind < EV_N_KINDS; kind++)
		CHECK_INT(counts[kind], kind == EV_RUN_OPENED);
	CHECK_INT(back_left.frames.received, 0);
	CHECK_INT(back_left.connections, 0);
	CHECK_INT(back_left.told_sequence, 0);
	table_close(&t, true);
}

static void test_the_earliest_deadline_is_first(void **state)
{
	enum { N = 257 };
	struct deadlines d;
	struct cht_err err = { 0 };
	uint32_t seed = 1;

	(void)state;
	CHECK_INT(deadlines_open(&d, N, &err), 0);
	for (int round = 0; round < 20000; round++) {
		uint64_t least = UINT64_MAX;

		seed = seed * 1664525u + 1013904223u;
		deadlines_set(&d, (seed >> 8) % N, (seed >> 16) % 1000);
		for (uint32_t i = 0; i < N; i++)
			least = d.at_ns[i] < least ? d.at_ns[i] : least;
		CHECK_INT(d.at_ns[deadlines_first(&d)], least);
	}
	deadlines_close(&d);
}

static void test_a_budget_is_spent_and_comes_back(void **state)
{
	struct budget b = budget_init(1000, 50, 0);

	(void)state;
	for (int i = 0; i < 50; i++)
		CHECK(budget_take(&b, 1, 0));
	CHECK(!budget_take(&b, 1, 0));
	CHECK(!budget_take(&b, 1, NS_PER_MS - 1));
	CHECK(budget_take(&b, 1, NS_PER_MS));
	/* Never more than the burst, however long the rest. */
	CHECK(budget_take(&b, 50, 3600 * NS_PER_S));
	CHECK(!budget_take(&b, 1, 3600 * NS_PER_S));
	/* Into debt: ready when it is paid. */
	CHECK(!budget_spend(&b, 100, 3600 * NS_PER_S));
	CHECK_INT(budget_ready_ns(&b, 10), 3600 * NS_PER_S + 110 * NS_PER_MS);
	CHECK(budget_take(&b, 10, 3600 * NS_PER_S + 110 * NS_PER_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_killed_process_leaves_exact_numbers, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_the_ledger_kept_decides_the_holes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_hole_stays_until_its_declaration_is_stored,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_torn_mark_gives_the_one_before, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_an_event_killed_before_its_number_is_no_loss,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_seal_that_is_stored_ends_the_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_boot_ends_what_no_orderly_stop_saved, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_one_process_has_the_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_discarded_table_is_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_spoiled_file_is_lost_and_made_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_slots_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_slot_keeps_nothing_of_its_last_tenant,
						set_up, tear_down),
		cmocka_unit_test(test_the_earliest_deadline_is_first),
		cmocka_unit_test(test_a_budget_is_spent_and_comes_back),
	};

	return cmocka_run_group_tests_name("daemon_table", tests, NULL, NULL);
}
