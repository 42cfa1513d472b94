/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer gives back of the page cache: every byte in turn, only what is durable, never
 * what those who follow are about to read.
 */
#include "ledger_util.h"

enum { KEPT = 16 << 20, ENTRY = 40000, BATCH = 25 };

static uint64_t dropped_to, written, synced;
static unsigned drops, bad;

int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);
int __wrap_posix_fadvise64(int fd, off_t at, off_t len, int advice);

int __wrap_fdatasync(int fd)
{
	synced = written;
	return __real_fdatasync(fd);
}

int __wrap_posix_fadvise64(int fd, off_t at, off_t len, int advice)
{
	(void)fd;
	drops++;
	bad += advice != POSIX_FADV_DONTNEED;
	bad += (uint64_t)at != dropped_to;
	dropped_to = (uint64_t)at + (uint64_t)len;
	bad += dropped_to > synced;
	bad += dropped_to + KEPT > written;
	return 0;
}

static void test_only_durable_bytes_far_behind_are_dropped_each_once(void **state)
{
	static uint8_t entries[BATCH * (ENTRY + 2)];
	struct ledger ledger;
	struct ledger_recovery found;

	(void)state;
	for (unsigned i = 0; i < BATCH; i++)
		be16_store(entries + (size_t)i * (ENTRY + 2), ENTRY);
	open_ledger(&ledger, &found);
	dropped_to = written = synced = 0;
	drops = bad = 0;
	for (unsigned i = 0; i < 40; i++) {
		written += sizeof(entries);
		CHECK_INT(commit_entries(&ledger, (struct cht_bytes){ entries, sizeof(entries) },
					 BATCH, NULL),
			  0);
	}
	CHECK_INT(bad, 0);
	CHECK(drops > 10);
	/* No more than a megabyte and a commit lags. */
	CHECK(dropped_to + KEPT + (1 << 20) + sizeof(entries) > written);
	ledger_close(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_only_durable_bytes_far_behind_are_dropped_each_once, setup_ledger,
			teardown_ledger),
	};

	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
