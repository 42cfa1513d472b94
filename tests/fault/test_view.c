/* SPDX-License-Identifier: Apache-2.0
 *
 * A system call that fails is told as that: it is no empty ledger, no damage, and no end.
 */
#include "tree_util.h"

#include "ledger/check.h"
#include "syscalls.h"

enum { N = SEGMENT_ENTRIES + 600 };

static struct ledger_view view;
static struct ledger_check check;

/* Opens a ledger, checks its checkpoint, goes to an entry by .idx and reads on. Returns the last
 * result: 0 when all went well. */
static int read_some(void)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	struct tlog_source hashes;
	int r = ledger_view_open(&view, tree_log.state, NULL);

	if (r < 0)
		return r;
	memset(&check, 0, sizeof(check));
	hashes = ledger_view_hashes(&view);
	r = ledger_check_take(&check, &view, NULL);
	if (r == 0)
		r = ledger_reader_open_view(&reader, &view, NULL);
	if (r == 0)
		r = ledger_reader_goto(&reader, &hashes, N - 80, NULL);
	while (r == 1 && (r = ledger_next(&reader, &entry, NULL)) == 1) {
		CHECK(tree_is_entry(entry, reader.next - 1));
		r = ledger_check_entry(&check, &view, reader.next - 1, entry, NULL);
		r = r < 0 ? r : 1;
	}
	if (r == 0)
		CHECK_INT(reader.next, N);
	ledger_reader_close(&reader);
	ledger_view_close(&view);
	return r;
}

static void test_a_failed_call_is_told_or_made_up_for(void **state)
{
	unsigned told = 0;

	(void)state;
	tree_grow(N);
	for (unsigned i = 1;; i++) {
		int r;

		arm(i, FAIL, EIO);
		r = read_some();
		plan.armed = false;
		if (plan.n < i) {
			CHECK_INT(r, 0);
			CHECK(i > 15);
			break;
		}
		check_row = call_names[plan.made[i - 1]];
		told += r == CHT_E_IO;
		CHECK(r == 0 || r == CHT_E_IO);
	}
	CHECK(told > 10);
}

static void test_interrupted_and_short_reads_go_on(void **state)
{
	(void)state;
	tree_grow(N);
	for (unsigned i = 1;; i++) {
		arm(i, SHORT, 0);
		CHECK_INT(read_some(), 0);
		plan.armed = false;
		if (plan.n < i)
			break;
		if (plan.made[i - 1] != PREAD)
			continue;
		arm(i, FAIL, EINTR);
		CHECK_INT(read_some(), 0);
		plan.armed = false;
	}
}

static void test_skipping_tells_what_cannot_be_opened(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct tlog_source hashes;
	struct cht_bytes entry;
	unsigned told = 0;

	(void)state;
	tree_grow(N);
	CHECK_INT(truncate(tree_segment(0, ""), 0), 0);
	CHECK_INT(unlink(tree_segment(0, ".idx")), 0);
	/* That is asked for at each 256th entry before other calls are made. */
	for (unsigned i = 200; i < 300; i++) {
		int r;

		CHECK_INT(ledger_view_open(&view, tree_log.state, NULL), 0);
		hashes = ledger_view_hashes(&view);
		CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
		CHECK_INT(ledger_next(&reader, &entry, NULL), CHT_E_STATE);
		arm(i, FAIL, EIO);
		r = ledger_reader_skip(&reader, &hashes, NULL);
		plan.armed = false;
		CHECK(r == CHT_E_IO || (r == 1 && reader.next == SEGMENT_ENTRIES));
		told += r == CHT_E_IO;
		ledger_reader_close(&reader);
		ledger_view_close(&view);
	}
	CHECK(told > 0);
}

static void test_a_watch_that_fails_says_so(void **state)
{
	(void)state;
	CHECK_INT(ledger_view_open(&view, tree_log.state, NULL), 0);
	for (unsigned i = 1; i <= 2; i++) {
		arm(i, FAIL, EMFILE);
		CHECK_INT(ledger_view_watch(&view, NULL), CHT_E_IO);
		CHECK_INT(view.watch_fd, -1);
	}
	plan.armed = false;
	CHECK(ledger_view_watch(&view, NULL) >= 0);
	ledger_view_close(&view);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_failed_call_is_told_or_made_up_for),
		CASE(test_interrupted_and_short_reads_go_on),
		CASE(test_skipping_tells_what_cannot_be_opened),
		CASE(test_a_watch_that_fails_says_so),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
