/* SPDX-License-Identifier: Apache-2.0
 *
 * Every system call of an opening, of the clean mark and of a pruning fails, is cut short, or is
 * the last one of the process.
 */
#include "commit_util.h"

/* Where the kernel was asked to forget the state: the number of the call before. */
static unsigned forgotten_at;

int __real_posix_fadvise64(int fd, off_t from, off_t len, int advice);
int __wrap_posix_fadvise64(int fd, off_t from, off_t len, int advice);
int __wrap_posix_fadvise64(int fd, off_t from, off_t len, int advice)
{
	char what[WHAT_MAX];

	note_what(what, fd, NULL);
	if (strcmp(what, "state") == 0 && from == 0 && len == 0 && advice == POSIX_FADV_DONTNEED)
		forgotten_at = plan.n;
	return __real_posix_fadvise64(fd, from, len, advice);
}

enum { N_OLD = 2 * SEGMENT_ENTRIES + 5 };

/* What an opening finds: covered entries, more above them of which `kept` have their hash, and what
 * was done to the files besides. calls: those of an undisturbed opening that change something. */
static void no_more(void);
static void torn_entry(void);
static void no_upper_levels(void);
static void no_checkpoint(void);

static const struct situation {
	const char *what;
	uint64_t covered;
	unsigned above, kept;
	bool is_marked;
	void (*hurt)(void);
	const char *calls;
} situations[] = {
	{ "a clean end", 100, 0, 0, true, no_more, "" },
	{ "an end that was not clean", 100, 0, 0, false, no_more, "" },
	{ "a lost checkpoint", 100, 0, 0, true, no_checkpoint, SHOW },
	{ "a torn entry", 100, 0, 0, false, torn_entry,
	  "ftruncate:segment fdatasync:segment fsync:entries" },
	{ "entries to keep over a tile's end", 256 - 15, N_NEW, N_NEW, false, no_upper_levels,
	  "ftruncate:segment pwrite:segment fdatasync:segment fsync:entries "
	  "ftruncate:h0 pwrite:h0 fdatasync:h0 "
	  "ftruncate:h1 pwrite:h1 fdatasync:h1 " STATE " " SHOW },
	{ "entries to keep over a segment's end", SEGMENT_ENTRIES - 15, N_NEW, N_NEW, false,
	  no_upper_levels,
	  "pwrite:segment fdatasync:segment ftruncate:segment pwrite:segment "
	  "fdatasync:segment fsync:entries ftruncate:h0 pwrite:h0 fdatasync:h0 "
	  "ftruncate:h1 pwrite:h1 fdatasync:h1 ftruncate:h2 pwrite:h2 fdatasync:h2 " STATE
	  " " SHOW },
	{ "entries to cut over a segment's end", SEGMENT_ENTRIES - 15, N_NEW, 5, false, torn_entry,
	  "unlinkat:idx unlinkat:segment fsync:entries ftruncate:segment pwrite:segment "
	  "fdatasync:segment fsync:entries ftruncate:h0 pwrite:h0 fdatasync:h0 "
	  "ftruncate:h1 fdatasync:h1 ftruncate:h2 fdatasync:h2 " STATE " " SHOW },
};

enum { N_SITUATIONS = sizeof(situations) / sizeof(situations[0]) };

static void no_more(void)
{
}

static void torn_entry(void)
{
	const char *last = size_of(segment_path(SEGMENT_ENTRIES)) >= 0
				   ? segment_path(SEGMENT_ENTRIES)
				   : segment_path(0);

	write_at(last, -1, "\0\x20half", 6);
}

static void no_upper_levels(void)
{
	CHECK_INT(truncate(path_of("ledger/hashes/1"),
			   SEGMENT_ENTRIES <= size_of(path_of("ledger/hashes/0")) / 32 ? 255 * 32
										       : 0),
		  0);
	CHECK_INT(truncate(path_of("ledger/hashes/2"), 0), 0);
}

static void no_checkpoint(void)
{
	CHECK_INT(unlink(path_of("ledger/checkpoint")), 0);
}

static void arrange(const struct situation *s)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	fresh_ledger(s->covered, s->is_marked);
	if (s->above > 0) {
		open_ledger(&ledger, &found);
		CHECK_INT(write_entries(&ledger, batch(s->covered, s->above), s->above, NULL), 0);
		ledger_close(&ledger);
		CHECK_INT(truncate(path_of("ledger/hashes/0"),
				   (off_t)((s->covered + s->kept) * TLOG_HASH_BYTES)),
			  0);
	}
	s->hurt();
}

static int open_once(struct ledger *ledger)
{
	struct ledger_recovery found;

	*ledger = (struct ledger)LEDGER_NULL;
	return try_open(ledger, scratch, &found, NULL);
}

static unsigned count_calls(const struct situation *s)
{
	struct ledger ledger;

	arrange(s);
	arm(0, FAIL, 0);
	CHECK_INT(open_once(&ledger), 0);
	plan.armed = false;
	ledger_close(&ledger);
	CHECK(plan.n > 10 && plan.n < CALLS_MAX);
	return plan.n;
}

/* Calls that change nothing are left out. */
static const char *changes(void)
{
	static char text[2000];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 1; i <= plan.n; i++) {
		enum call call = plan.made[i - 1];

		if (call == PREAD || call == FSTAT ||
		    (call == OPENAT && strcmp(file_of(i), "tmp") != 0))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:%s",
					 used > 0 ? " " : "", call_names[call], file_of(i));
	}
	return text;
}

static void test_each_step_comes_in_its_order(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		check_row = situations[k].what;
		(void)count_calls(&situations[k]);

		CHECK_STR(str_of(changes()), situations[k].calls);
	}
}

static void test_the_state_is_read_as_the_disk_has_it(void **state)
{
	unsigned first = 1;

	(void)state;
	forgotten_at = 0;
	(void)count_calls(&situations[0]);
	while (plan.made[first - 1] != PREAD || strcmp(file_of(first), "state") != 0)
		CHECK(++first <= plan.n);
	CHECK(forgotten_at > 0 && forgotten_at < first);
}

static void check_kept(const struct situation *s)
{
	check_reopens(s->covered, s->covered + s->kept, s->covered + s->kept);
}

static void test_each_call_that_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC };

	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			for (size_t e = 0; e < 2; e++) {
				struct ledger ledger;
				int r;

				arrange(s);
				arm(i, FAIL, errors[e]);
				r = open_once(&ledger);
				plan.armed = false;
				say(s->what, i,
				    errors[e] == EIO ? "fails: EIO" : "fails: no space");
				if (is_idx(i) || strcmp(file_of(i), "checkpoints") == 0)
					CHECK_INT(r, 0);
				else
					CHECK(r == CHT_E_IO ||
					      (r == CHT_E_FULL && errors[e] == ENOSPC));
				ledger_close(&ledger);
				check_kept(s);
			}
		}
	}
}

static void test_short_and_interrupted_calls_go_on(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			struct ledger ledger;

			if (plan.made[i - 1] != PWRITE && plan.made[i - 1] != PREAD)
				continue;
			say(s->what, i, "is short or interrupted");
			arrange(s);
			arm(i, SHORT, 0);
			CHECK_INT(open_once(&ledger), 0);
			ledger_close(&ledger);
			check_kept(s);
			arrange(s);
			arm(i, FAIL, EINTR);
			CHECK_INT(open_once(&ledger), 0);
			ledger_close(&ledger);
			check_kept(s);
			(void)count_calls(s);
		}
	}
}

static void test_killed_before_amid_and_after_each_call(void **state)
{
	static const enum blow blows[] = { DIE_BEFORE, DIE_AMID, DIE_AFTER };

	(void)state;
	for (size_t k = 0; k < N_SITUATIONS; k++) {
		const struct situation *s = &situations[k];
		unsigned n = count_calls(s);

		for (unsigned i = 1; i <= n; i++) {
			if (plan.made[i - 1] == PREAD || plan.made[i - 1] == FSTAT)
				continue;
			for (size_t b = 0; b < 3; b++) {
				struct ledger ledger;
				pid_t pid;

				arrange(s);
				pid = fork();
				if (pid == 0) {
					arm(i, blows[b], 0);
					_exit(open_once(&ledger) == 0 ? 0 : 1);
				}
				CHECK_INT(status_of(pid), KILLED);
				check_row = s->what;
				check_kept(s);
			}
			(void)count_calls(s);
		}
	}
}

static void test_each_call_of_the_clean_mark_that_fails_or_is_the_last(void **state)
{
	struct ledger ledger;
	unsigned n;

	(void)state;
	fresh_ledger(100, false);
	CHECK_INT(open_once(&ledger), 0);
	arm(0, FAIL, 0);
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	n = plan.n;
	CHECK_STR(str_of(steps_from(1)), "pwrite:state fdatasync:state");
	ledger_close(&ledger);
	for (unsigned i = 1; i <= n; i++) {
		pid_t pid;

		say("clean mark", i, "fails or is the last");
		fresh_ledger(100, false);
		CHECK_INT(open_once(&ledger), 0);
		arm(i, FAIL, ENOSPC);
		CHECK_INT(ledger_mark_clean(&ledger, NULL), CHT_E_IO);
		CHECK(ledger.is_broken);
		ledger_close(&ledger);
		check_reopens(100, 100, 100);
		fresh_ledger(100, false);
		CHECK_INT(open_once(&ledger), 0);
		pid = fork();
		if (pid == 0) {
			arm(i, DIE_AMID, 0);
			_exit(ledger_mark_clean(&ledger, NULL) == 0 ? 1 : 2);
		}
		CHECK_INT(status_of(pid), KILLED);
		ledger_close(&ledger);
		check_reopens(100, 100, 100);
	}
}

/* After a pruning of two segments that came to no end: those below min_index are gone, the rest is
 * there, and the log goes on. */
static void check_pruned(bool is_told)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	uint64_t index;

	plan.armed = false;
	open_ledger(&ledger, &found);
	CHECK_INT(found.kept, N_OLD);
	index = ledger.state.min_index;
	CHECK(index == 2 * SEGMENT_ENTRIES || (!is_told && index == 0));
	for (uint64_t first = 0; first < 2 * SEGMENT_ENTRIES; first += SEGMENT_ENTRIES)
		CHECK((size_of(segment_path(first)) < 0) == (first < index));
	CHECK(size_of(segment_path(2 * SEGMENT_ENTRIES)) > 0);
	commit(&ledger, N_NEW);
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK_INT(found.kept, N_OLD + N_NEW);
	ledger_close(&ledger);
}

static int try_prune(struct ledger *ledger)
{
	return ledger_prune(ledger, 2 * SEGMENT_ENTRIES, NULL);
}

static void prune_under(unsigned i, enum blow blow)
{
	struct ledger ledger;
	pid_t pid;

	fresh_ledger(N_OLD, false);
	CHECK_INT(open_once(&ledger), 0);
	pid = fork();
	if (pid == 0) {
		arm(i, blow, 0);
		_exit(try_prune(&ledger) == 0 ? 0 : 1);
	}
	CHECK_INT(status_of(pid), KILLED);
	ledger_close(&ledger);
	check_pruned(i > 2 || (i == 2 && blow == DIE_AFTER));
}

static void test_each_call_of_a_pruning_that_fails_or_is_the_last(void **state)
{
	static const char calls[] = "pwrite:state fdatasync:state unlinkat:idx unlinkat:segment "
				    "fsync:entries unlinkat:idx unlinkat:segment fsync:entries";
	static const int errors[] = { EIO, ENOSPC };
	struct ledger ledger;
	unsigned n;

	(void)state;
	fresh_ledger(N_OLD, false);
	CHECK_INT(open_once(&ledger), 0);
	arm(0, FAIL, 0);
	CHECK_INT(try_prune(&ledger), 0);
	n = plan.n;
	CHECK_STR(str_of(steps_from(1)), calls);
	ledger_close(&ledger);
	for (unsigned i = 1; i <= n; i++) {
		say("pruning", i, "fails or is the last");
		for (size_t e = 0; e < 2; e++) {
			bool full = errors[e] == ENOSPC && i == 1;
			bool harmless = i == 3 || i == 6; /* an .idx that stays is nobody's */
			int r;

			fresh_ledger(N_OLD, false);
			CHECK_INT(open_once(&ledger), 0);
			arm(i, FAIL, errors[e]);
			r = try_prune(&ledger);
			CHECK_INT(r, harmless ? 0 : full ? CHT_E_FULL : CHT_E_IO);
			plan.armed = false;
			if (r == CHT_E_FULL) { /* as if it had not been tried */
				CHECK(!ledger.is_broken);
				commit(&ledger, 1);
				CHECK_INT(try_prune(&ledger), 0);
				ledger_close(&ledger);
				continue;
			}
			ledger_close(&ledger);
			check_pruned(i > 2);
		}
		prune_under(i, DIE_BEFORE);
		prune_under(i, DIE_AMID);
		prune_under(i, DIE_AFTER);
	}
}

/* Unlinks are not synced: after a crash any of them may have come back. */
static void test_a_pruned_segment_that_came_back_is_removed_again(void **state)
{
	struct ledger ledger;
	static const uint8_t junk[1000];

	(void)state;
	for (unsigned back = 0; back < 4; back++) {
		fresh_ledger(N_OLD, false);
		CHECK_INT(open_once(&ledger), 0);
		CHECK_INT(try_prune(&ledger), 0);
		ledger_close(&ledger);
		for (unsigned i = 0; i < 2; i++)
			if ((back >> i & 1) != 0)
				write_at(segment_path((uint64_t)i * SEGMENT_ENTRIES), 0, junk,
					 sizeof(junk));
		check_row = back == 1 ? "the lower one" : back == 2 ? "the upper one" : "";
		check_pruned(true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_comes_in_its_order),
		cmocka_unit_test(test_the_state_is_read_as_the_disk_has_it),
		cmocka_unit_test(test_each_call_that_fails),
		cmocka_unit_test(test_short_and_interrupted_calls_go_on),
		cmocka_unit_test(test_killed_before_amid_and_after_each_call),
		cmocka_unit_test(test_each_call_of_the_clean_mark_that_fails_or_is_the_last),
		cmocka_unit_test(test_each_call_of_a_pruning_that_fails_or_is_the_last),
		cmocka_unit_test(test_a_pruned_segment_that_came_back_is_removed_again),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, remove_made);
}
