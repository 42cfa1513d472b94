/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_util.h"

#include <sys/wait.h>

static void test_init_makes_an_origin_once(void **state)
{
	char first[LEDGER_ORIGIN_MAX + 1] = { 0 }, again[LEDGER_ORIGIN_MAX + 1] = { 0 };
	struct stat st;

	(void)state;
	CHECK(fd_read_file(AT_FDCWD, path_of("ledger/origin"), first, sizeof(first), NULL) ==
	      (ssize_t)strlen("test/0123456789abcdef\n"));
	CHECK(strncmp(first, "test/", 5) == 0);
	CHECK_INT(ledger_init(scratch, "other", NULL), 0);
	CHECK(fd_read_file(AT_FDCWD, path_of("ledger/origin"), again, sizeof(again), NULL) > 0);
	CHECK_STR(str_of(again), first);
	CHECK_INT(stat(path_of("ledger/entries"), &st), 0);
	CHECK_INT(st.st_mode & 07777 & ~0750u, 0);
	CHECK_INT(stat(path_of("ledger/origin"), &st), 0);
	CHECK_INT(st.st_mode & 07777 & ~0640u, 0);
}

static void test_init_refuses_what_is_no_name(void **state)
{
	static const char *const bad[] = {
		"",    "A",
		"a b", "a/b",
		"a_b", "\xc3\xa9",
		"a\n", "0123456789012345678901234567890123456789012345678901234567890123"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK_INT(ledger_init(path_of("new"), bad[i], NULL), CHT_E_CONFIG);
		CHECK_INT(size_of(path_of("new")), -1);
	}
}

static void test_init_does_not_name_entries_that_lost_their_origin(void **state)
{
	(void)state;
	make_ledger(3, true);
	CHECK_INT(unlink(path_of("ledger/origin")), 0);
	CHECK_INT(ledger_init(scratch, "test", NULL), CHT_E_STATE);
}

static void test_a_missing_ledger_names_init(void **state)
{
	static const char *const where[] = { "nowhere", "", "." };
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	struct cht_err err;

	(void)state;
	CHECK_INT(unlink(path_of("ledger/origin")), 0);
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		err = (struct cht_err){ 0 };
		CHECK_INT(ledger_open(&ledger, path_of(where[i]), &found, &err), CHT_E_CONFIG);
		CHECK(strstr(err.text, "--init") != NULL);
	}
}

static void test_what_is_committed_is_read_back(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	open_ledger(&ledger, &found);
	CHECK(found.was_clean && found.is_new && found.kept == 0 && found.cut_bytes == 0);
	CHECK(strncmp(ledger.origin, "test/", 5) == 0);
	CHECK_INT(count_ledger(), 0);
	commit(&ledger, 1);
	CHECK_INT(count_ledger(), 1);
	commit(&ledger, 1000);
	CHECK_INT(count_ledger(), 1001);
	CHECK_INT(ledger_commit(&ledger, (struct cht_bytes){ NULL, 0 }, 0, NULL), 0);
	CHECK_INT(size_of(segment_path(0)), bytes_up_to(1001));
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean && !found.is_new);
	CHECK(found.kept == 1001 && found.unclean_from == 1001);
	ledger_close(&ledger);
}

static void test_segments_end_at_65536_wherever_a_batch_does(void **state)
{
	static const unsigned before[] = { 1, 2, 100, 65535, 65536 };

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;

		make_ledger(SEGMENT_ENTRIES - before[i] % SEGMENT_ENTRIES, true);
		open_ledger(&ledger, &found);
		commit(&ledger, before[i] % SEGMENT_ENTRIES);
		CHECK_INT(size_of(segment_path(0)), bytes_up_to(SEGMENT_ENTRIES));
		CHECK_INT(size_of(segment_path(SEGMENT_ENTRIES)), -1);
		commit(&ledger, 1);
		CHECK_INT(size_of(segment_path(SEGMENT_ENTRIES)),
			  bytes_up_to(SEGMENT_ENTRIES + 1) - bytes_up_to(SEGMENT_ENTRIES));
		ledger_close(&ledger);
		CHECK_INT(count_ledger(), SEGMENT_ENTRIES + 1);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
	make_ledger(SEGMENT_ENTRIES - 10, true);
	make_ledger(20, true);
	CHECK_INT(count_ledger(), SEGMENT_ENTRIES + 10);
	make_ledger(2 * SEGMENT_ENTRIES, false);
	CHECK_INT(count_ledger(), 3 * SEGMENT_ENTRIES + 10);
	CHECK(size_of(segment_path(3 * SEGMENT_ENTRIES)) > 0);
}

static void test_an_unclean_end_keeps_every_whole_entry(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(SEGMENT_ENTRIES + 5, false);
	open_ledger(&ledger, &found);
	CHECK(!found.was_clean && !found.is_new && found.cut_bytes == 0);
	CHECK_INT(found.kept, SEGMENT_ENTRIES + 5);
	CHECK_INT(found.unclean_from, SEGMENT_ENTRIES);
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	ledger_close(&ledger);
}

static void test_the_mark_goes_before_the_first_commit(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(5, true);
	open_ledger(&ledger, &found);
	CHECK_INT(size_of(path_of("ledger/clean")), 2);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	commit(&ledger, 1);
	CHECK_INT(size_of(path_of("ledger/clean")), -1);
	ledger_close(&ledger);
}

static void test_a_tail_torn_at_any_byte_is_cut_to_whole_entries(void **state)
{
	enum { N = 6 };

	for (size_t cut = 0; cut <= bytes_up_to(N); cut++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		uint64_t whole = 0;

		make_ledger(N, false);
		CHECK_INT(truncate(segment_path(0), (off_t)cut), 0);
		while (bytes_up_to(whole + 1) <= cut)
			whole++;
		CHECK_INT(count_ledger(), whole);
		open_ledger(&ledger, &found);
		CHECK_INT(found.kept, whole);
		CHECK_INT(found.cut_bytes, cut - bytes_up_to(whole));
		CHECK_INT(size_of(segment_path(0)), bytes_up_to(whole));
		commit(&ledger, 2);
		ledger_close(&ledger);
		CHECK_INT(count_ledger(), whole + 2);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_zeros_at_the_end_are_a_write_that_never_came(void **state)
{
	static const unsigned lengths[] = { 1, 2, 3, 4096, LEDGER_COMMIT_MAX_BYTES };

	(void)state;
	make_ledger(10, false);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;

		CHECK_INT(truncate(segment_path(0), (off_t)(bytes_up_to(10) + lengths[i])), 0);
		CHECK_INT(count_ledger(), 10);
		open_ledger(&ledger, &found);
		CHECK_INT(found.kept, 10);
		CHECK_INT(found.cut_bytes, lengths[i]);
		ledger_close(&ledger);
	}
}

/* Each makes damage in a ledger of two segments and five entries, ended uncleanly or cleanly. */
static void odd_name(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES + 1), 0, "", 0);
}

static void garbage_at_end(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), -1, "\0\0\0\0\1", 5);
}

static void long_zeros(void)
{
	const char *path = segment_path(2 * SEGMENT_ENTRIES);

	CHECK_INT(truncate(path, size_of(path) + LEDGER_COMMIT_MAX_BYTES + 1), 0);
}

static void entry_above_mark(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), -1, "\0\1x", 3);
}

static void torn_above_mark(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), -1, "\0", 1);
}

static void entry_lost_below_mark(void)
{
	const char *path = segment_path(2 * SEGMENT_ENTRIES);

	CHECK_INT(truncate(path, size_of(path) - 2 - (long long)entry_len(2 * SEGMENT_ENTRIES + 4)),
		  0);
}

static void segment_lost_below_mark(void)
{
	CHECK_INT(unlink(segment_path(2 * SEGMENT_ENTRIES)), 0);
}

static void mark_is_no_number(void)
{
	write_at(path_of("ledger/clean"), 0, "x", 1);
}

static void mark_without_end(void)
{
	CHECK_INT(truncate(path_of("ledger/clean"), 6), 0);
}

static void origin_damaged(void)
{
	write_at(path_of("ledger/origin"), 0, "T", 1);
}

static long long total_size(void)
{
	return size_of(segment_path(0)) + size_of(segment_path(SEGMENT_ENTRIES)) +
	       size_of(segment_path(2 * SEGMENT_ENTRIES)) + size_of(path_of("ledger/clean"));
}

static void test_damage_is_refused_and_left_as_it_is(void **state)
{
	static const struct {
		const char *why;
		void (*hurt)(void);
		bool clean;
	} rows[] = {
		{ "a segment missing in the middle", lose_first, false },
		{ "a name that is no multiple", odd_name, false },
		{ "short segment with a successor", short_first, false },
		{ "bytes behind a full segment", long_first, false },
		{ "length 0 in the middle", zero_length, false },
		{ "length above the largest", huge_length, false },
		{ "zeros with more behind", garbage_at_end, false },
		{ "more zeros than a commit", long_zeros, false },
		{ "an entry above the clean mark", entry_above_mark, true },
		{ "a byte above the clean mark", torn_above_mark, true },
		{ "an entry missing below it", entry_lost_below_mark, true },
		{ "a segment missing below it", segment_lost_below_mark, true },
		{ "a mark that is no number", mark_is_no_number, true },
		{ "a mark without its end", mark_without_end, true },
		{ "an origin that is no name", origin_damaged, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		struct cht_err err = { 0 };
		long long before;

		check_row = rows[i].why;
		make_ledger(2 * SEGMENT_ENTRIES + 5, rows[i].clean);
		rows[i].hurt();
		before = total_size();
		CHECK_INT(ledger_open(&ledger, scratch, &found, &err), CHT_E_STATE);
		CHECK(strstr(err.text, "ledger damaged") != NULL);
		CHECK_INT(total_size(), before);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_other_names_in_entries_are_ignored(void **state)
{
	static const char *const names[] = { "ledger/entries/0", "ledger/entries/.tmp",
					     "ledger/entries/00000000000000000000.idx",
					     "ledger/entries/99999999999999999999" };

	(void)state;
	make_ledger(5, true);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_at(path_of(names[i]), 0, "junk", 4);
	make_ledger(5, true);
	CHECK_INT(count_ledger(), 10);
}

static void test_a_second_writer_waits_for_the_first(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	int pipe_fds[2], status;
	char byte;
	pid_t pid;

	(void)state;
	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC), 0);
	open_ledger(&ledger, &found);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct ledger mine = LEDGER_NULL;

		/* The inherited descriptor shares the lock: only the parent may hold it. */
		ledger_close(&ledger);
		if (write(pipe_fds[1], "x", 1) != 1)
			_exit(2);
		_exit(ledger_open(&mine, scratch, &found, NULL) == 0 && found.kept == 3 ? 0 : 1);
	}
	CHECK_INT(read(pipe_fds[0], &byte, 1), 1);
	commit(&ledger, 3);
	CHECK_INT(waitpid(pid, &status, WNOHANG), 0);
	ledger_close(&ledger);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	fd_close(&pipe_fds[0]);
	fd_close(&pipe_fds[1]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_init_makes_an_origin_once),
		CASE(test_init_refuses_what_is_no_name),
		CASE(test_init_does_not_name_entries_that_lost_their_origin),
		CASE(test_a_missing_ledger_names_init),
		CASE(test_what_is_committed_is_read_back),
		CASE(test_segments_end_at_65536_wherever_a_batch_does),
		CASE(test_an_unclean_end_keeps_every_whole_entry),
		CASE(test_the_mark_goes_before_the_first_commit),
		CASE(test_a_tail_torn_at_any_byte_is_cut_to_whole_entries),
		CASE(test_zeros_at_the_end_are_a_write_that_never_came),
		CASE(test_damage_is_refused_and_left_as_it_is),
		CASE(test_other_names_in_entries_are_ignored),
		CASE(test_a_second_writer_waits_for_the_first),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
