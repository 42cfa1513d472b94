/* SPDX-License-Identifier: Apache-2.0
 *
 * The scribe prunes at the worst moment of a verification: when the checkpoint before the pruning
 * was just opened.
 */
#include "verify_util.h"

#include <stdarg.h>

#include "base/limits.h"

int __real_openat64(int dir_fd, const char *name, int flags, ...);
int __wrap_openat64(int dir_fd, const char *name, int flags, ...);

static bool is_due;

/* ledger.pruned was under a checkpoint before the segment went. */
static void prune(void)
{
	is_due = false;
	CHECK_INT(rename(made_path("newer"), made_path("ledger/checkpoint")), 0);
	CHECK_INT(unlink(made_path(first_segment)), 0);
}

int __wrap_openat64(int dir_fd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list args;
	int fd;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	fd = __real_openat64(dir_fd, name, flags, mode);
	if (is_due && strcmp(name, "checkpoint") == 0)
		prune();
	return fd;
}

/* A segment of entries that no longer matter, then these. */
static void write_behind(const struct made *m)
{
	struct made nobody = { 0 };

	write_made(&nobody);
	tree_open(made_dir);
	tree_grow(SEGMENT_ENTRIES);
	for (unsigned i = 0; i < m->n; i++)
		tree_add(m->entries[i].ptr, m->entries[i].len);
	tree_publish();
	tree_close();
}

static void test_pruned_after_the_checkpoint_was_opened(void **state)
{
	static const struct verify_options options = { .jobs = 1 };
	struct verify_trust *trust = test_trust(false, false);
	struct made m = { .now = { 1762348800000000000, 1000, 1000 } }, before;
	struct cht_stamped s = { 0 };
	struct verify_report report;

	(void)state;
	begin_host(&m, STR(TREE_ORIGIN));
	run_stamp(&m.host, EV_LEDGER_PRUNED, &m.now, &s);
	s.facts.pruned.min_index = SEGMENT_ENTRIES;
	add(&m, &s);
	before = m;
	before.n = 0;
	write_behind(&before);
	CHECK_INT(rename(made_path("ledger/checkpoint"), made_path("older")), 0);
	write_behind(&m);
	CHECK_INT(rename(made_path("ledger/checkpoint"), made_path("newer")), 0);
	CHECK_INT(rename(made_path("older"), made_path("ledger/checkpoint")), 0);
	is_due = true;
	report = verify_with(trust, &options);
	CHECK(!is_due);
	check_verdict(&report, 0);
	CHECK_INT(report.pruned_below, SEGMENT_ENTRIES);
	verify_trust_free(trust);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pruned_after_the_checkpoint_was_opened),
	};

	return cmocka_run_group_tests(tests, setup_made, teardown_made);
}
