/* SPDX-License-Identifier: Apache-2.0
 *
 * Every system call of a commit, of the clean mark and of recovery fails, is cut short, or is
 * the last one of the process, in each of the situations a commit can meet.
 */
#include "ledger_util.h"

#include <sys/wait.h>

#include "syscalls.h"

enum { N_NEW = 40 };

/* calls: what an undisturbed commit does, in the order of PROTOCOL.ledger section 3. undo: what
 * follows a last write that found no space. */
static const struct situation {
	const char *what;
	uint64_t before; /* entries committed when the commit comes */
	bool is_marked;  /* the clean mark is there */
	const char *calls, *undo;
} situations[] = {
	{ "first commit of a ledger", 0, false, "openat fsync pwrite fdatasync", "unlinkat fsync" },
	{ "ordinary commit", 100, false, "pwrite fdatasync", "ftruncate fdatasync" },
	{ "commit after a clean end", 100, true, "unlinkat fsync pwrite fdatasync",
	  "ftruncate fdatasync" },
	{ "commit over a segment's end", SEGMENT_ENTRIES - 15, false,
	  "pwrite fdatasync openat fsync pwrite fdatasync", "unlinkat fsync ftruncate fdatasync" },
	{ "commit over a segment's end after a clean end", SEGMENT_ENTRIES - 15, true,
	  "unlinkat fsync pwrite fdatasync openat fsync pwrite fdatasync",
	  "unlinkat fsync ftruncate fdatasync" },
	{ "commit behind a full segment", SEGMENT_ENTRIES, false, "openat fsync pwrite fdatasync",
	  "unlinkat fsync ftruncate fdatasync" },
};

enum { N_SITUATIONS = sizeof(situations) / sizeof(situations[0]) };

static bool is_sync(enum call call)
{
	return call == FDATASYNC || call == FSYNC;
}

/* A fresh ledger in this situation, open for writing. */
static void arrange(const struct situation *s, struct ledger *ledger)
{
	struct ledger_recovery found;

	plan.armed = false;
	remove_scratch();
	CHECK_INT(setup_ledger(NULL), 0);
	make_ledger(s->before, s->is_marked);
	*ledger = (struct ledger)LEDGER_NULL;
	open_ledger(ledger, &found);
	CHECK_INT(found.kept, s->before);
}

static int try_commit(struct ledger *ledger)
{
	return commit_entries(ledger, batch(ledger->tree.size, N_NEW), N_NEW, NULL);
}

/* Calls of an undisturbed commit; which they are is left in plan.made. */
static unsigned count_calls(const struct situation *s)
{
	struct ledger ledger;

	arrange(s, &ledger);
	arm(0, FAIL, 0);
	CHECK_INT(try_commit(&ledger), 0);
	plan.armed = false;
	ledger_close(&ledger);
	CHECK(plan.n >= 2 && plan.n < CALLS_MAX);
	return plan.n;
}

static void say(const struct situation *s, unsigned i, const char *blow)
{
	static char row[160];

	snprintf(row, sizeof(row), "%s: call %u (%s) %s", s->what, i, call_names[plan.made[i - 1]],
		 blow);
	check_row = row;
}

/* Whatever happened: the next opening finds whole entries, none of the acknowledged missing,
 * and goes on. */
static void check_reopens(uint64_t at_least, uint64_t at_most)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	long long before = 0, after = 0;

	plan.armed = false;
	for (uint64_t i = 0; i <= SEGMENT_ENTRIES; i += SEGMENT_ENTRIES)
		before += size_of(segment_path(i)) > 0 ? size_of(segment_path(i)) : 0;
	open_ledger(&ledger, &found);
	for (uint64_t i = 0; i <= SEGMENT_ENTRIES; i += SEGMENT_ENTRIES)
		after += size_of(segment_path(i)) > 0 ? size_of(segment_path(i)) : 0;
	CHECK(found.kept >= at_least && found.kept <= at_most);
	CHECK_INT(found.cut_bytes, before - after);
	CHECK_INT(count_ledger(), found.kept);
	commit(&ledger, N_NEW);
	CHECK_INT(count_ledger(), found.kept + N_NEW);
	CHECK_INT(ledger_mark_clean(&ledger, false, NULL), 0);
	ledger_close(&ledger);
}

/* No space: as if the commit had not been tried, and it can be tried again. */
static void check_undone(const struct situation *s, struct ledger *ledger)
{
	CHECK_INT(ledger->tree.size, s->before);
	CHECK_INT(size_of(segment_path(0)),
		  s->before == 0
			  ? -1
			  : (long long)bytes_up_to(s->before < SEGMENT_ENTRIES ? s->before
									       : SEGMENT_ENTRIES));
	CHECK_INT(size_of(segment_path(SEGMENT_ENTRIES)), -1);
	CHECK_INT(try_commit(ledger), 0);
	CHECK_INT(count_ledger(), s->before + N_NEW);
	ledger_close(ledger);
	check_reopens(s->before + N_NEW, s->before + N_NEW);
}

/* Anything else: this ledger makes not one more call that changes a file. */
static void check_broken(const struct situation *s, struct ledger *ledger)
{
	arm(0, FAIL, 0);
	CHECK_INT(try_commit(ledger), CHT_E_IO);
	CHECK_INT(ledger_mark_clean(ledger, false, NULL), 0);
	CHECK_INT(plan.n, 0);
	ledger_close(ledger);
	CHECK_INT(plan.n, 0);
	check_reopens(s->before, s->before + N_NEW);
}

static void test_each_step_comes_in_its_order(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);
		struct ledger ledger;

		check_row = s->what;
		CHECK_STR(str_of(calls_from(1)), s->calls);
		arrange(s, &ledger);
		arm(n - 1, FAIL, ENOSPC);
		CHECK_INT(try_commit(&ledger), CHT_E_FULL);
		plan.armed = false;
		CHECK_STR(str_of(calls_from(n)), s->undo);
		ledger_close(&ledger);
	}
}

static void test_each_call_that_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };

	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			for (size_t e = 0; e < 3; e++) {
				struct ledger ledger;
				bool full;

				arrange(s, &ledger);
				arm(i, FAIL, errors[e]);
				full = try_commit(&ledger) == CHT_E_FULL;
				plan.armed = false;
				say(s, i, errors[e] == EIO ? "fails: EIO" : "fails: no space");
				CHECK(full == (errors[e] != EIO && !is_sync(plan.made[i - 1])));
				CHECK(ledger.is_broken == !full);
				if (full)
					check_undone(s, &ledger);
				else
					check_broken(s, &ledger);
			}
		}
	}
}

static void test_each_call_of_an_undo_that_fails(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			for (unsigned j = i + 1;; j++) {
				struct ledger ledger;
				int r;

				arrange(s, &ledger);
				arm(i, FAIL, ENOSPC);
				plan.again = j;
				r = try_commit(&ledger);
				plan.armed = false;
				say(s, i, "finds no space and the undo fails");
				if (plan.n < j) { /* the undo had no more calls */
					ledger_close(&ledger);
					break;
				}
				CHECK_INT(r, CHT_E_IO);
				check_broken(s, &ledger);
			}
		}
	}
}

static void test_short_and_interrupted_writes_go_on(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			struct ledger ledger;

			if (plan.made[i - 1] != PWRITE)
				continue;
			say(s, i, "is short or interrupted");
			arrange(s, &ledger);
			arm(i, SHORT, 0);
			CHECK_INT(try_commit(&ledger), 0);
			ledger_close(&ledger);
			check_reopens(s->before + N_NEW, s->before + N_NEW);
			arrange(s, &ledger);
			arm(i, FAIL, EINTR);
			CHECK_INT(try_commit(&ledger), 0);
			ledger_close(&ledger);
			check_reopens(s->before + N_NEW, s->before + N_NEW);
			(void)count_calls(s);
		}
	}
}

static void test_a_short_write_before_no_space_is_cut(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			struct ledger ledger;

			if (plan.made[i - 1] != PWRITE)
				continue;
			say(s, i, "is short, then there is no space");
			arrange(s, &ledger);
			arm(i, SHORT, 0);
			plan.again = i + 1;
			plan.again_sys = ENOSPC;
			CHECK_INT(try_commit(&ledger), CHT_E_FULL);
			plan.armed = false;
			check_undone(s, &ledger);
			(void)count_calls(s);
		}
	}
}

/* Forks; the child commits under the plan and ends with 0 when that was acknowledged. */
static bool is_acknowledged(struct ledger *ledger, unsigned i, enum blow blow)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		arm(i, blow, 0);
		_exit(try_commit(ledger) == 0 ? 0 : 1);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED));
	return WEXITSTATUS(status) == 0;
}

static void test_killed_before_amid_and_after_each_call(void **state)
{
	static const enum blow blows[] = { DIE_BEFORE, DIE_AMID, DIE_AFTER };

	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n + 1; i++) {
			for (size_t b = 0; b < 3; b++) {
				struct ledger ledger;
				bool ack;

				arrange(s, &ledger);
				ack = is_acknowledged(&ledger, i, blows[b]);
				ledger_close(&ledger);
				check_row = s->what;
				CHECK(ack == (i == n + 1));
				check_reopens(ack ? s->before + N_NEW : s->before,
					      s->before + N_NEW);
			}
		}
	}
}

static void test_each_call_of_the_clean_mark_that_fails_or_is_the_last(void **state)
{
	static const struct situation s = { .what = "clean mark", .before = 100 };
	struct ledger ledger;
	unsigned n;

	(void)state;
	arrange(&s, &ledger);
	arm(0, FAIL, 0);
	CHECK_INT(ledger_mark_clean(&ledger, false, NULL), 0);
	n = plan.n;
	ledger_close(&ledger);
	CHECK(n >= 5);
	for (unsigned i = 1; i <= n; i++) {
		pid_t pid;

		say(&s, i, "fails or is the last");
		arrange(&s, &ledger);
		arm(i, FAIL, ENOSPC);
		CHECK_INT(ledger_mark_clean(&ledger, false, NULL), CHT_E_IO);
		ledger_close(&ledger);
		check_reopens(100, 100);
		arrange(&s, &ledger);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			arm(i, DIE_AMID, 0);
			_exit(ledger_mark_clean(&ledger, false, NULL) == 0 ? 1 : 2);
		}
		CHECK_INT(waitpid(pid, &(int){ 0 }, 0), pid);
		ledger_close(&ledger);
		check_reopens(100, 100);
	}
}

/* A hundred entries and a torn one. */
static void arrange_torn(void)
{
	plan.armed = false;
	remove_scratch();
	CHECK_INT(setup_ledger(NULL), 0);
	make_ledger(100, false);
	write_at(segment_path(0), -1, "\0\x20half", 6);
}

static void test_each_call_of_recovery_that_fails_or_is_the_last(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	unsigned n;

	(void)state;
	arrange_torn();
	arm(0, FAIL, 0);
	CHECK_INT(try_open(&ledger, scratch, &found, NULL), 0);
	ledger_close(&ledger);
	n = plan.n;
	CHECK_STR(str_of(calls_from(n - 2)), "ftruncate fdatasync fsync");
	for (unsigned i = 1; i <= n; i++) {
		pid_t pid;

		arrange_torn();
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			arm(i, DIE_AFTER, 0);
			_exit(try_open(&ledger, scratch, &found, NULL) == 0 ? 1 : 2);
		}
		CHECK_INT(waitpid(pid, &(int){ 0 }, 0), pid);
		check_reopens(100, 100);
		arrange_torn();
		arm(i, FAIL, EIO);
		CHECK_INT(try_open(&ledger, scratch, &found, NULL), CHT_E_IO);
		CHECK_INT(ledger.dir_fd, -1);
		check_reopens(100, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_comes_in_its_order),
		cmocka_unit_test(test_each_call_that_fails),
		cmocka_unit_test(test_each_call_of_an_undo_that_fails),
		cmocka_unit_test(test_short_and_interrupted_writes_go_on),
		cmocka_unit_test(test_a_short_write_before_no_space_is_cut),
		cmocka_unit_test(test_killed_before_amid_and_after_each_call),
		cmocka_unit_test(test_each_call_of_the_clean_mark_that_fails_or_is_the_last),
		cmocka_unit_test(test_each_call_of_recovery_that_fails_or_is_the_last),
	};

	return cmocka_run_group_tests_name("commit", tests, setup_ledger, teardown_ledger);
}
