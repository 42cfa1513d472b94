/* SPDX-License-Identifier: Apache-2.0
 *
 * Syncs that the kernel began for us and that end with an error: told once, whichever it was and
 * whenever it is learned, and the ledger that it was for is not written again.
 */
#include "ledger_util.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "ledger/flush.h"

static unsigned n_ended, fails_at; /* completions; the one that says fails_with */
static int fails_with, look_fails_with;

long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	unsigned n = number == SYS_io_getevents ? 5 : number == SYS_io_submit ? 3 : 2;
	long a[5] = { 0 }, r;
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < n && (i == 0 || number != SYS_io_destroy); i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_getevents && look_fails_with != 0) {
		errno = look_fails_with;
		look_fails_with = 0;
		return -1;
	}
	r = __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
	for (long i = 0; number == SYS_io_getevents && i < r; i++)
		if (++n_ended == fails_at)
			((struct io_event *)a[3])[i].res = -fails_with;
	return r;
}

static void fail_at(unsigned at, int sys)
{
	n_ended = 0;
	fails_at = at;
	fails_with = sys;
}

static void open_flush(struct flush *flush)
{
	flush_open(flush);
	if (flush->context == 0)
		skip(); /* a sandbox without it: test_commit fails fdatasync itself */
}

static void test_each_completion_that_fails_is_told_once(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };
	int fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct flush flush;

	(void)state;
	CHECK(fd >= 0);
	open_flush(&flush);
	for (unsigned i = 0; i < 3 * FLUSH_MAX * 2; i++) {
		struct pollfd p = { .fd = flush.done_fd, .events = POLLIN };
		struct cht_err err = { 0 };
		int sys = errors[i % 3];

		fail_at(1 + i / 3 % FLUSH_MAX, sys);
		for (unsigned k = 0; k < FLUSH_MAX; k++)
			flush_add(&flush, fd);
		while (i >= 3 * FLUSH_MAX && !flush_is_done(&flush))
			CHECK_INT(poll(&p, 1, 10000), 1);
		CHECK_INT(flush_end(&flush, &err), CHT_E_IO);
		CHECK_INT(err.sys, sys);
		flush_add(&flush, fd);
		CHECK_INT(flush_end(&flush, NULL), 0);
	}
	flush_close(&flush);
	fd_close(&fd);
}

static void test_a_look_that_fails_is_told_and_one_that_is_interrupted_goes_on(void **state)
{
	int fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct cht_err err = { 0 };
	struct flush flush;

	(void)state;
	CHECK(fd >= 0);
	open_flush(&flush);
	fail_at(0, 0);
	flush_add(&flush, fd);
	look_fails_with = EINTR;
	CHECK_INT(flush_end(&flush, NULL), 0);
	flush_add(&flush, fd);
	look_fails_with = EINVAL;
	CHECK_INT(flush_end(&flush, &err), CHT_E_IO);
	CHECK_INT(err.sys, EINVAL);
	flush_close(&flush);
	fd_close(&fd);
}

/* Of a commit over a tile's end: segment, two levels; then state and note. */
static void test_the_ledger_that_it_was_for_is_broken(void **state)
{
	enum { BEFORE = 250, MORE = 10, N_SYNCS = 5 };

	for (unsigned at = 1; at <= N_SYNCS + 1; at++) {
		struct ledger ledger;
		struct ledger_recovery found;
		bool is_bad = at <= N_SYNCS;

		make_ledger(BEFORE, false);
		open_ledger(&ledger, &found);
		open_flush(&ledger.flush);
		fail_at(at, EIO);
		CHECK_INT(commit_entries(&ledger, batch(BEFORE, MORE), MORE, NULL),
			  is_bad ? CHT_E_IO : 0);
		CHECK(ledger.is_broken == is_bad);
		CHECK_INT(checkpoint_size(), is_bad ? BEFORE : BEFORE + MORE);
		CHECK_INT(n_ended, at <= 3 ? 3 : N_SYNCS);
		if (is_bad)
			CHECK_INT(write_entries(&ledger, batch(BEFORE + MORE, 1), 1, NULL),
				  CHT_E_IO);
		ledger_close(&ledger);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_completion_that_fails_is_told_once),
		cmocka_unit_test(
			test_a_look_that_fails_is_told_and_one_that_is_interrupted_goes_on),
		cmocka_unit_test_setup_teardown(test_the_ledger_that_it_was_for_is_broken,
						setup_ledger, teardown_ledger),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
