/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/table_file.h"
#include "table_dir.h"

static void expect(struct table *t, int slot, const char *name, uint64_t stored, uint64_t from,
		   uint64_t to)
{
	uint64_t n = 0, lost_from = 0, lost_to = 0;

	check_row = name;
	CHECK_INT(table_is_carried(t, slot, &n), stored > 0);
	CHECK_INT(n, stored);
	CHECK_INT(table_hole(t, slot, &lost_from, &lost_to), to > 0);
	CHECK_INT(lost_from, from);
	CHECK_INT(lost_to, to);
}

/* The first log had 1000 entries, then ten events of a and five of b; of the last four, two are
 * of a. The process was killed. */
static void leave(struct table *t, struct run *a, struct run *b, int *sa, int *sb)
{
	struct table_found found;
	uint64_t index = 1000;

	*a = must_run("a");
	*b = must_run("b");
	must_open(t, boot, &found);
	table_discard(t, "o/1");
	*sa = must_add(t, a);
	*sb = must_add(t, b);
	note(t, *sa, a, 8, &index);
	note(t, *sb, b, 3, &index);
	note(t, *sa, a, 2, &index); /* 1011, 1012 */
	note(t, *sb, b, 2, &index);
	table_close(t, false);
	must_open(t, boot, &found);
	CHECK(!found.lost);
}

static void note_continued(struct table *t, int slot, struct run *run, uint64_t index)
{
	run->sequence++;
	table_note(t, slot, run, EV_RUN_CONTINUED, index);
}

static void test_runs_go_on_in_the_log_after(void **state)
{
	struct table t = TABLE_NULL;
	struct table_found found;
	struct frames_left left;
	struct run a, b, c = must_run("c"), back;
	struct run_names names;
	int sa, sb, sc;

	(void)state;
	leave(&t, &a, &b, &sa, &sb);
	CHECK(table_succeed(&t, "o/2", 1012));
	CHECK_STR(str_of(table_origin(&t)), "o/2");
	expect(&t, sa, "a", 9, 10, 10);
	expect(&t, sb, "b", 3, 4, 5);
	sc = must_add(&t, &c);
	expect(&t, sc, "c begins here", 0, 0, 0);
	CHECK(table_load(&t, sa, &back, &names, &left));
	CHECK_INT(back.sequence, 10);
	table_settle(&t, 0);
	expect(&t, sa, "a, settled again", 9, 10, 10);

	note_continued(&t, sa, &a, 3);
	table_close(&t, false);
	must_open(&t, boot, &found);
	CHECK_STR(str_of(table_origin(&t)), "o/2");
	table_settle(&t, 4);
	expect(&t, sa, "a went on", 0, 0, 0);
	expect(&t, sb, "b still is to", 3, 4, 5);
	CHECK(table_load(&t, sa, &back, &names, &left));
	CHECK_INT(back.sequence, 11);
	CHECK_INT(back.first_index, 3);
	table_close(&t, true);
}

static void test_a_word_of_going_on_that_is_lost_is_said_again(void **state)
{
	struct table t = TABLE_NULL;
	struct table_found found;
	struct run a, b;
	uint64_t index = 4;
	int sa, sb;

	(void)state;
	leave(&t, &a, &b, &sa, &sb);
	CHECK(table_succeed(&t, "o/2", 1013));
	expect(&t, sa, "a", 10, 0, 0);
	note_continued(&t, sa, &a, 3);
	note(&t, sa, &a, 2, &index);
	table_close(&t, false);
	must_open(&t, boot, &found);
	table_settle(&t, 3);
	expect(&t, sa, "all of it", 10, 11, 13);
	index = 4;
	note_continued(&t, sa, &a, 3);
	note(&t, sa, &a, 2, &index);
	table_close(&t, false);
	must_open(&t, boot, &found);
	table_settle(&t, 4);
	expect(&t, sa, "all but the first", 0, 15, 16);
	table_close(&t, true);
}

static void test_a_run_goes_on_through_logs_that_have_nothing_of_it(void **state)
{
	struct table t = TABLE_NULL;
	struct run a, b;
	int sa, sb;

	(void)state;
	leave(&t, &a, &b, &sa, &sb);
	CHECK(table_succeed(&t, "o/2", 1012));
	CHECK(table_succeed(&t, "o/3", 2));
	CHECK_STR(str_of(table_origin(&t)), "o/3");
	expect(&t, sa, "a", 9, 10, 10);
	expect(&t, sb, "b", 3, 4, 5);
	table_close(&t, true);
}

/* The number of the log is the last that is written. */
static void test_killed_in_between_the_runs_are_of_the_old_log(void **state)
{
	const size_t at = offsetof(struct table_file, log);
	struct table t = TABLE_NULL;
	struct table_found found;
	struct run a, b;
	uint8_t *after;
	size_t len;
	int fd, sa, sb;

	(void)state;
	leave(&t, &a, &b, &sa, &sb);
	CHECK(table_succeed(&t, "o/2", 1012));
	table_close(&t, false);
	after = snapshot(&len);
	CHECK_INT(after[at], 1);
	fd = openat(dirfd_, "table", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, "", 1, (off_t)at) == 1);
	must_open(&t, boot, &found);
	CHECK(!found.lost);
	CHECK_STR(str_of(table_origin(&t)), "o/1");
	table_settle(&t, 1012);
	expect(&t, sa, "a, as if nothing was", 0, 10, 10);
	CHECK(table_succeed(&t, "o/2", 1012));
	expect(&t, sa, "a", 9, 10, 10);
	expect(&t, sb, "b", 3, 4, 5);
	table_close(&t, true);
	fd_close(&fd);
	free(after);
}

static void test_more_than_the_owners_reach_is_not_guessed(void **state)
{
	struct table t = TABLE_NULL;
	struct table_found found;
	struct run a = must_run("a");
	uint64_t index = 0;
	int sa;

	(void)state;
	must_open(&t, boot, &found);
	table_discard(&t, "o/1");
	sa = must_add(&t, &a);
	note(&t, sa, &a, TABLE_OWNERS + 10, &index);
	CHECK(!table_succeed(&t, "o/2", 9));
	CHECK_STR(str_of(table_origin(&t)), "o/1");
	CHECK(table_succeed(&t, "o/2", 10));
	expect(&t, sa, "a", 10, 11, TABLE_OWNERS + 10);
	table_close(&t, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_runs_go_on_in_the_log_after, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_word_of_going_on_that_is_lost_is_said_again,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_run_goes_on_through_logs_that_have_nothing_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_in_between_the_runs_are_of_the_old_log,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_than_the_owners_reach_is_not_guessed,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
