/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_util.h"

#include "ledger/files.h"
#include "ledger/state.h"

#include <sys/wait.h>

static void test_init_makes_an_origin_once(void **state)
{
	char first[LEDGER_ORIGIN_MAX + 1] = { 0 }, again[LEDGER_ORIGIN_MAX + 1] = { 0 };
	struct stat st;

	(void)state;
	CHECK(fd_read_file(AT_FDCWD, path_of("ledger/origin"), first, sizeof(first), NULL) ==
	      (ssize_t)strlen("test/0123456789abcdef\n"));
	CHECK(strncmp(first, "test/", 5) == 0);
	CHECK_INT(init_ledger(scratch, "other"), 0);
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
		CHECK_INT(init_ledger(path_of("new"), bad[i]), CHT_E_CONFIG);
		CHECK_INT(size_of(path_of("new")), -1);
	}
}

static void test_init_does_not_name_entries_that_lost_their_origin(void **state)
{
	(void)state;
	make_ledger(3, true);
	CHECK_INT(unlink(path_of("ledger/origin")), 0);
	CHECK_INT(init_ledger(scratch, "test"), CHT_E_STATE);
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
		CHECK_INT(try_open(&ledger, path_of(where[i]), &found, &err), CHT_E_CONFIG);
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
	CHECK_INT(ledger_write(&ledger, (struct cht_bytes){ NULL, 0 }, NULL, 0, NULL), 0);
	CHECK_INT(size_of(segment_path(0)), bytes_up_to(1001));
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean && !found.is_new);
	CHECK(found.kept == 1001 && found.covered == 1001);
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
	CHECK_INT(found.covered, SEGMENT_ENTRIES + 5);
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	ledger_close(&ledger);
}

/* Of an entry and its hash one is not what was written: neither can be believed. */
static void test_an_unclean_end_keeps_no_entry_that_does_not_fit_its_hash(void **state)
{
	enum { COVERED = 6, ABOVE = 4, N = COVERED + ABOVE };

	for (unsigned i = 0; i < 2 * ABOVE; i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		uint64_t kept = COVERED + i / 2;

		make_ledger(COVERED, false);
		open_ledger(&ledger, &found);
		CHECK_INT(write_entries(&ledger, batch(COVERED, ABOVE), ABOVE, NULL), 0);
		ledger_close(&ledger);
		if (i % 2 == 0)
			write_at(segment_path(0), (long long)bytes_up_to(kept + 1) - 1, "#", 1);
		else
			write_at(path_of("ledger/hashes/0"), (long long)kept * 32 + 31, "#", 1);
		open_ledger(&ledger, &found);
		CHECK_INT(found.kept, kept);
		CHECK_INT(found.cut_bytes, bytes_up_to(N) - bytes_up_to(kept));
		ledger_close(&ledger);
		CHECK_INT(count_ledger(), kept);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_each_256th_entry_has_its_offset(void **state)
{
	uint8_t be[8];
	int fd;

	(void)state;
	make_ledger(1000, false);
	CHECK_INT(size_of(path_of("ledger/entries/00000000000000000000.idx")), 4 * 8);
	fd = open(path_of("ledger/entries/00000000000000000000.idx"), O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_INT(read(fd, be, 8), 8);
		CHECK_INT(be64_load(be), bytes_up_to(i * 256));
	}
	fd_close(&fd);
}

static void test_pruning_takes_whole_segments_by_the_terms_alone(void **state)
{
	static const struct ledger_terms by_bytes = { .reason = "init", .retain_bytes = 1 };
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	uint64_t index;

	make_ledger(2 * SEGMENT_ENTRIES + 5, false);
	open_ledger(&ledger, &found);
	CHECK_INT(ledger_prunable(&ledger, UINT32_MAX, &index, NULL), 0);
	CHECK_INT(index, 0); /* no policy: never */
	ledger.state.terms.retain_age_s = 1000;
	CHECK_INT(ledger_prunable(&ledger, 0, &index, NULL), 0);
	CHECK_INT(index, 0); /* a clock before the files: none is old */
	CHECK_INT(ledger_prunable(&ledger, UINT32_MAX, &index, NULL), 0);
	CHECK_INT(index, 2 * SEGMENT_ENTRIES);
	ledger.state.terms = by_bytes;
	CHECK_INT(ledger_prunable(&ledger, 0, &index, NULL), 0);
	CHECK_INT(index, 2 * SEGMENT_ENTRIES);
	ledger.state.terms.retain_bytes =
		bytes_up_to(2 * SEGMENT_ENTRIES + 5) - bytes_up_to(SEGMENT_ENTRIES);
	CHECK_INT(ledger_prunable(&ledger, 0, &index, NULL), 0);
	CHECK_INT(index, SEGMENT_ENTRIES);
	write_at(path_of("hold"), 0, "", 0);
	CHECK_INT(ledger_prunable(&ledger, 0, &index, NULL), 0);
	CHECK_INT(index, 0);
	CHECK_INT(ledger_prune(&ledger, SEGMENT_ENTRIES, NULL), 0);
	ledger_close(&ledger);
	CHECK_INT(size_of(segment_path(0)), -1);
	CHECK(size_of(segment_path(SEGMENT_ENTRIES)) > 0);
	write_at(segment_path(0), 0, "\0\1x", 3); /* what a kill between the two steps leaves */
	open_ledger(&ledger, &found);
	CHECK_INT(found.kept, 2 * SEGMENT_ENTRIES + 5);
	CHECK_INT(ledger.state.min_index, SEGMENT_ENTRIES);
	CHECK_INT(size_of(segment_path(0)), -1);
	commit(&ledger, 5);
	ledger_close(&ledger);
	(void)state;
}

/* Where the log began without one: from the next commit on it is of this machine. */
static void test_a_machine_that_was_not_known_is_taken_over(void **state)
{
	uint8_t here[LEDGER_MACHINE_ID_BYTES];
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	struct ledger_state s;
	int fd;

	(void)state;
	make_ledger(3, false);
	CHECK_INT(machine_id_read(here, NULL), 0);
	fd = open(path_of("scribe/state"), O_RDWR | O_CLOEXEC);
	CHECK_INT(state_read(fd, &s, NULL), 0);
	memset(s.machine_id, 0, sizeof(s.machine_id));
	CHECK_INT(state_write(fd, &s, NULL), 0);
	open_ledger(&ledger, &found);
	commit(&ledger, 1);
	ledger_close(&ledger);
	CHECK_INT(state_read(fd, &s, NULL), 0);
	CHECK(memcmp(s.machine_id, here, sizeof(here)) == 0);
	fd_close(&fd);
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
		_exit(try_open(&mine, scratch, &found, NULL) == 0 && found.kept == 3 ? 0 : 1);
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
		CASE(test_an_unclean_end_keeps_no_entry_that_does_not_fit_its_hash),
		CASE(test_each_256th_entry_has_its_offset),
		CASE(test_pruning_takes_whole_segments_by_the_terms_alone),
		CASE(test_a_machine_that_was_not_known_is_taken_over),
		CASE(test_other_names_in_entries_are_ignored),
		CASE(test_a_second_writer_waits_for_the_first),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
