/* SPDX-License-Identifier: Apache-2.0
 *
 * Syncs by the kernel's own threads: they end, they are awaited, and what fails is told.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"
#include "ledger/flush.h"

static struct flush flush;

static int setup(void **state)
{
	(void)state;
	flush_open(&flush);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flush_close(&flush);
	return 0;
}

static int scratch_file(void)
{
	int fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	return fd;
}

static void test_syncs_run_beside_us_and_are_awaited(void **state)
{
	struct pollfd p = { .fd = flush.done_fd, .events = POLLIN };
	int fds[FLUSH_MAX];

	(void)state;
	if (flush.context == 0)
		skip(); /* a sandbox without it: the other way is tested with failing calls */
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < FLUSH_MAX; i++) {
			fds[i] = scratch_file();
			CHECK_INT(write(fds[i], "x", 1), 1);
			flush_add(&flush, fds[i]);
		}
		if (round % 2 == 0) {
			while (!flush_is_done(&flush))
				CHECK_INT(poll(&p, 1, 10000), 1);
			CHECK_INT(flush.n_pending, 0);
		}
		CHECK_INT(flush_end(&flush, NULL), 0);
		CHECK(flush_is_done(&flush));
		for (int i = 0; i < FLUSH_MAX; i++)
			fd_close(&fds[i]);
	}
}

static void test_a_sync_that_fails_beside_us_is_told(void **state)
{
	int good = scratch_file(), ends[2];
	struct cht_err err = { 0 };

	(void)state;
	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	flush_add(&flush, good);
	flush_add(&flush, ends[1]); /* a pipe cannot be synced */
	flush_add(&flush, good);
	CHECK_INT(flush_end(&flush, &err), CHT_E_IO);
	CHECK_INT(err.sys, EINVAL);
	/* It was told once; the next ones count for themselves. */
	flush_add(&flush, good);
	CHECK_INT(flush_end(&flush, NULL), 0);
	fd_close(&good);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

static void test_more_than_the_context_holds_are_synced_at_once(void **state)
{
	int fd = scratch_file();

	(void)state;
	for (int i = 0; i < 20 * FLUSH_MAX; i++)
		flush_add(&flush, fd);
	CHECK_INT(flush_end(&flush, NULL), 0);
	fd_close(&fd);
}

static void test_closing_waits(void **state)
{
	int fd = scratch_file();

	(void)state;
	flush_add(&flush, fd);
	flush_close(&flush);
	CHECK_INT(flush.done_fd, -1);
	flush_close(&flush);
	fd_close(&fd);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_syncs_run_beside_us_and_are_awaited),
		CASE(test_a_sync_that_fails_beside_us_is_told),
		CASE(test_more_than_the_context_holds_are_synced_at_once),
		CASE(test_closing_waits),
	};

	return cmocka_run_group_tests_name("ledger_flush", tests, NULL, NULL);
}
