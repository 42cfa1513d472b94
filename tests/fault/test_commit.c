/* SPDX-License-Identifier: Apache-2.0
 *
 * Every system call of a commit fails, is cut short, or is the last one of the process, in each of
 * the situations a commit can meet.
 */
#include "commit_util.h"

#define NEW        "openat:segment openat:idx fsync:entries"
#define UNDO_NEW   "unlinkat:idx unlinkat:segment fsync:entries"
#define CUT_OLD    "ftruncate:segment fdatasync:segment"
#define CUT(level) "ftruncate:" level " fdatasync:" level

/* write, settle: what an undisturbed commit does, in the order of PROTOCOL.ledger section 5.
 * undo: what follows a last write of the first step that finds no space. */
static const struct situation {
	const char *what;
	uint64_t before; /* entries committed when the commit comes */
	bool is_marked;  /* the clean mark is there */
	const char *write, *settle, *undo;
} situations[] = {
	{ "first commit of a ledger", 0, false, NEW " pwrite:h0 pwrite:idx pwrite:segment",
	  "fdatasync:segment fdatasync:h0 " STATE " " SHOW, UNDO_NEW " " CUT("h0") },
	{ "ordinary commit", 100, false, "pwrite:h0 pwrite:segment",
	  "fdatasync:segment fdatasync:h0 " STATE " " SHOW, CUT_OLD " " CUT("h0") },
	{ "commit after a clean end", 100, true, STATE " pwrite:h0 pwrite:segment",
	  "fdatasync:segment fdatasync:h0 " STATE " " SHOW, CUT_OLD " " CUT("h0") },
	{ "commit over a tile's end", 256 - 15, false,
	  "pwrite:h0 pwrite:h1 pwrite:idx pwrite:segment",
	  "fdatasync:segment fdatasync:h0 fdatasync:h1 " STATE " " SHOW,
	  CUT_OLD " " CUT("h0") " " CUT("h1") },
	{ "commit over a segment's end", SEGMENT_ENTRIES - 15, false,
	  "pwrite:h0 pwrite:h1 pwrite:h2 pwrite:segment fdatasync:segment " NEW
	  " pwrite:h0 pwrite:idx pwrite:segment",
	  "fdatasync:segment fdatasync:h0 fdatasync:h1 fdatasync:h2 " STATE " " SHOW,
	  UNDO_NEW " " CUT_OLD " " CUT("h0") " " CUT("h1") " " CUT("h2") },
	{ "commit over a segment's end after a clean end", SEGMENT_ENTRIES - 15, true,
	  STATE " pwrite:h0 pwrite:h1 pwrite:h2 pwrite:segment fdatasync:segment " NEW
		" pwrite:h0 pwrite:idx pwrite:segment",
	  "fdatasync:segment fdatasync:h0 fdatasync:h1 fdatasync:h2 " STATE " " SHOW,
	  UNDO_NEW " " CUT_OLD " " CUT("h0") " " CUT("h1") " " CUT("h2") },
	{ "commit up to a segment's end", SEGMENT_ENTRIES - N_NEW, false,
	  "pwrite:h0 pwrite:h1 pwrite:h2 pwrite:segment",
	  "fdatasync:segment fdatasync:h0 fdatasync:h1 fdatasync:h2 " STATE " " SHOW,
	  CUT_OLD " " CUT("h0") " " CUT("h1") " " CUT("h2") },
	{ "commit behind a full segment", SEGMENT_ENTRIES, false,
	  NEW " pwrite:h0 pwrite:idx pwrite:segment",
	  "fdatasync:segment fdatasync:h0 " STATE " " SHOW, UNDO_NEW " " CUT_OLD " " CUT("h0") },
};

enum { N_SITUATIONS = sizeof(situations) / sizeof(situations[0]) };

/* A fresh ledger in this situation, open for writing. */
static void arrange(const struct situation *s, struct ledger *ledger)
{
	struct ledger_recovery found;

	fresh_ledger(s->before, s->is_marked);
	*ledger = (struct ledger)LEDGER_NULL;
	open_ledger(ledger, &found);
	CHECK_INT(found.kept, s->before);
}

static int try_write(struct ledger *ledger)
{
	return write_entries(ledger, batch(ledger->tree.size, N_NEW), N_NEW, NULL);
}

static int try_commit(struct ledger *ledger)
{
	int r = try_write(ledger);

	return r < 0 ? r : publish_entries(ledger, NULL);
}

static unsigned n_first; /* calls of ledger_write in the situation that was counted last */

/* Calls of an undisturbed commit; which they are is left in plan. */
static unsigned count_calls(const struct situation *s)
{
	struct ledger ledger;

	arrange(s, &ledger);
	arm(0, FAIL, 0);
	CHECK_INT(try_write(&ledger), 0);
	n_first = plan.n;
	CHECK_INT(publish_entries(&ledger, NULL), 0);
	plan.armed = false;
	ledger_close(&ledger);
	CHECK(plan.n >= 8 && plan.n < CALLS_MAX);
	return plan.n;
}

/* No space: as if the commit had not been tried, and it can be tried again. */
static void check_undone(const struct situation *s, struct ledger *ledger)
{
	CHECK(!ledger->is_broken);
	CHECK_INT(ledger->tree.size, s->before);
	CHECK_INT(size_of(segment_path(0)),
		  s->before == 0
			  ? -1
			  : (long long)bytes_up_to(s->before < SEGMENT_ENTRIES ? s->before
									       : SEGMENT_ENTRIES));
	CHECK_INT(size_of(segment_path(SEGMENT_ENTRIES)), -1);
	check_hashes(ledger, s->before, s->before);
	CHECK_INT(shown_size(), s->before);
	CHECK_INT(try_commit(ledger), 0);
	CHECK_INT(count_ledger(), s->before + N_NEW);
	ledger_close(ledger);
	check_reopens(s->before, s->before + N_NEW, s->before + N_NEW);
}

/* The same, when it could not be undone at first. */
static void check_undone_again(const struct situation *s, struct ledger *ledger)
{
	CHECK_INT(ledger->tree.size, s->before);
	/* Shorter than what was tried before, and nothing is left of that. */
	CHECK_INT(commit_entries(ledger, batch(s->before, 1), 1, NULL), 0);
	CHECK_INT(segment_bytes(), bytes_up_to(s->before + 1));
	check_hashes(ledger, s->before, s->before + 1);
	CHECK_INT(ledger_mark_clean(ledger, NULL), 0);
	ledger_close(ledger);
	check_reopens(s->before, s->before + 1, s->before + 1);
}

/* Written and durable, and not shown: publishing is done again, and what was signed stays signed.
 */
static void check_shown_later(const struct situation *s, struct ledger *ledger)
{
	CHECK(!ledger->is_broken && ledger_is_unpublished(ledger));
	CHECK_INT(shown_size(), s->before);
	CHECK_INT(publish_entries(ledger, NULL), 0);
	CHECK_INT(shown_size(), s->before + N_NEW);
	ledger_close(ledger);
	check_reopens(s->before, s->before + N_NEW, s->before + N_NEW);
}

/* Anything else: this ledger makes not one more call that changes a file. */
static void check_broken(const struct situation *s, struct ledger *ledger)
{
	CHECK(ledger->is_broken);
	arm(0, FAIL, 0);
	CHECK_INT(try_write(ledger), CHT_E_IO);
	CHECK_INT(publish_entries(ledger, NULL), CHT_E_IO);
	CHECK_INT(ledger_publish(ledger, STR("note"), NULL), CHT_E_IO);
	CHECK_INT(ledger_mark_clean(ledger, NULL), 0);
	ledger_close(ledger);
	CHECK_INT(plan.n, 0);
	check_reopens(s->before, s->before, s->before + N_NEW);
}

static void test_each_step_comes_in_its_order(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		struct ledger ledger;

		check_row = s->what;
		(void)count_calls(s);
		CHECK_STR(str_of(steps_from(n_first + 1)), s->settle);
		plan.n = n_first;
		CHECK_STR(str_of(steps_from(1)), s->write);
		arrange(s, &ledger);
		arm(n_first, FAIL, ENOSPC);
		CHECK_INT(try_commit(&ledger), CHT_E_FULL);
		plan.armed = false;
		CHECK_STR(str_of(steps_from(n_first + 1)), s->undo);
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
				bool full = errors[e] != EIO;
				int r;

				arrange(s, &ledger);
				arm(i, FAIL, errors[e]);
				r = try_commit(&ledger);
				plan.armed = false;
				say(s->what, i, full ? "fails: no space" : "fails: EIO");
				full = full && !is_sync(plan.made[i - 1]);
				CHECK_INT(r, is_idx(i) ? 0 : full ? CHT_E_FULL : CHT_E_IO);
				if (r == 0) {
					ledger_close(&ledger);
					check_reopens(s->before, s->before + N_NEW,
						      s->before + N_NEW);
				} else if (!full)
					check_broken(s, &ledger);
				else if (i <= n_first)
					check_undone(s, &ledger);
				else
					check_shown_later(s, &ledger);
			}
		}
	}
}

static void test_what_was_not_shown_is_kept_when_nobody_tries_again(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = n_first + 1; i <= n; i++) {
			struct ledger ledger;

			arrange(s, &ledger);
			arm(i, FAIL, ENOSPC);
			CHECK(try_commit(&ledger) < 0);
			plan.armed = false;
			say(s->what, i, "fails at the end");
			ledger_close(&ledger);
			check_reopens(s->before, s->before, s->before + N_NEW);
		}
	}
}

static void test_each_call_of_an_undo_that_fails(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];

		(void)count_calls(s);
		for (unsigned i = 1; i <= n_first; i++) {
			for (unsigned j = i + 1;; j++) {
				struct ledger ledger;
				int r;

				arrange(s, &ledger);
				arm(i, FAIL, ENOSPC);
				plan.again = j;
				r = try_write(&ledger);
				plan.armed = false;
				/* The undo had no more calls; or it never came. */
				if (plan.n < j || r != CHT_E_IO) {
					ledger_close(&ledger);
					if (plan.n < j)
						break;
					continue;
				}
				say(s->what, i, "finds no space and the undo fails");
				check_broken(s, &ledger);
			}
		}
	}
}

/* Where nothing is written in place, cutting takes space. It comes before the next write, and an
 * end before that is not clean. */
static void test_an_undo_that_finds_no_space_is_done_later(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n_write;

		(void)count_calls(s);
		n_write = n_first;
		for (unsigned j = n_write + 1;; j++) {
			struct ledger ledger;
			int r;

			arrange(s, &ledger);
			arm(n_write, FAIL, ENOSPC);
			plan.again = j;
			plan.again_sys = ENOSPC;
			r = try_write(&ledger);
			plan.armed = false;
			if (plan.n < j) {
				ledger_close(&ledger);
				break;
			}
			say(s->what, j, "of the undo finds no space");
			if (is_sync(plan.made[j - 1])) {
				CHECK_INT(r, CHT_E_IO);
				check_broken(s, &ledger);
				continue;
			}
			CHECK_INT(r, CHT_E_FULL);
			CHECK(!ledger.is_broken && ledger.rest.is_there != is_idx(j));
			/* Still none; then there is. */
			if (!is_idx(j)) {
				bool unlinks = plan.made[j - 1] == UNLINKAT;
				unsigned first = unlinks ? 2 : 1; /* behind the .idx */

				arm(first, FAIL, ENOSPC);
				CHECK_INT(try_write(&ledger), CHT_E_FULL);
				plan.armed = false;
			}
			check_undone_again(s, &ledger);
		}
	}
}

/* What could not be cut is cut before the mark, or there is none. */
static void test_a_clean_end_has_no_rest(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		struct ledger_recovery found;
		struct ledger ledger;
		unsigned n_write, j;

		(void)count_calls(s);
		n_write = n_first;
		arrange(s, &ledger);
		arm(n_write, FAIL, ENOSPC);
		/* Behind an .idx, which nobody needs. */
		j = strncmp(s->undo, UNDO_NEW, sizeof(UNDO_NEW) - 1) == 0 ? 2 : 1;
		plan.again = n_write + j;
		plan.again_sys = ENOSPC;
		check_row = s->what;
		CHECK_INT(try_write(&ledger), CHT_E_FULL);
		CHECK(ledger.rest.is_there);
		arm(j, FAIL, ENOSPC);
		CHECK_INT(ledger_mark_clean(&ledger, NULL), CHT_E_IO);
		plan.armed = false;
		CHECK(!is_marked_clean());
		CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
		ledger_close(&ledger);
		open_ledger(&ledger, &found);
		CHECK(found.was_clean);
		CHECK_INT(found.kept, s->before);
		ledger_close(&ledger);
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
			say(s->what, i, "is short or interrupted");
			arrange(s, &ledger);
			arm(i, SHORT, 0);
			CHECK_INT(try_commit(&ledger), 0);
			ledger_close(&ledger);
			check_reopens(s->before, s->before + N_NEW, s->before + N_NEW);
			arrange(s, &ledger);
			arm(i, FAIL, EINTR);
			CHECK_INT(try_commit(&ledger), 0);
			ledger_close(&ledger);
			check_reopens(s->before, s->before + N_NEW, s->before + N_NEW);
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

			if (plan.made[i - 1] != PWRITE || is_idx(i))
				continue;
			say(s->what, i, "is short, then there is no space");
			arrange(s, &ledger);
			arm(i, SHORT, 0);
			plan.again = i + 1;
			plan.again_sys = ENOSPC;
			CHECK_INT(try_commit(&ledger), CHT_E_FULL);
			plan.armed = false;
			if (i <= n_first)
				check_undone(s, &ledger);
			else
				check_shown_later(s, &ledger);
			(void)count_calls(s);
		}
	}
}

/* Forks; the child commits under the plan and ends with 0 when that was acknowledged. */
static bool is_acknowledged(struct ledger *ledger, unsigned i, enum blow blow)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		arm(i, blow, 0);
		_exit(try_commit(ledger) == 0 ? 0 : 1);
	}
	status = status_of(pid);
	CHECK(status == 0 || status == KILLED);
	return status == 0;
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
				CHECK(!ack || shown_size() == s->before + N_NEW);
				check_reopens(s->before, ack ? s->before + N_NEW : s->before,
					      s->before + N_NEW);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_comes_in_its_order),
		cmocka_unit_test(test_each_call_that_fails),
		cmocka_unit_test(test_what_was_not_shown_is_kept_when_nobody_tries_again),
		cmocka_unit_test(test_each_call_of_an_undo_that_fails),
		cmocka_unit_test(test_an_undo_that_finds_no_space_is_done_later),
		cmocka_unit_test(test_a_clean_end_has_no_rest),
		cmocka_unit_test(test_short_and_interrupted_writes_go_on),
		cmocka_unit_test(test_a_short_write_before_no_space_is_cut),
		cmocka_unit_test(test_killed_before_amid_and_after_each_call),
	};

	return cmocka_run_group_tests_name("commit", tests, NULL, remove_made);
}
