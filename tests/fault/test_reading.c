/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader whose system calls fail says so: it never takes a failure for the end.
 */
#include "ledger_util.h"

#include "syscalls.h"

enum { N = SEGMENT_ENTRIES + 20 };

static int setup(void **state)
{
	plan.armed = false;
	if (setup_ledger(state) != 0)
		return -1;
	make_ledger(N, true);
	return 0;
}

/* Opens and reads to the end. Returns the last result; *n entries were right. */
static int read_all(uint64_t *n)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	int r = ledger_reader_open(&reader, scratch, NULL);

	*n = 0;
	while (r >= 0 && (r = ledger_next(&reader, &entry, NULL)) == 1) {
		CHECK(is_entry(entry, *n));
		(*n)++;
	}
	ledger_reader_close(&reader);
	return r;
}

static void test_a_failed_call_is_no_end(void **state)
{
	uint64_t n;

	(void)state;
	for (unsigned i = 1;; i++) {
		int r;

		arm(i, FAIL, EIO);
		r = read_all(&n);
		plan.armed = false;
		if (plan.n < i) {
			CHECK_INT(r, 0);
			CHECK_INT(n, N);
			CHECK(i > 10);
			break;
		}
		check_row = call_names[plan.made[i - 1]];
		CHECK_INT(r, CHT_E_IO);
	}
}

static void test_interrupted_and_short_reads_go_on(void **state)
{
	uint64_t n;

	(void)state;
	for (unsigned i = 1;; i++) {
		unsigned made;

		arm(i, SHORT, 0);
		CHECK_INT(read_all(&n), 0);
		CHECK_INT(n, N);
		made = plan.n;
		if (made < i)
			break;
		if (plan.made[i - 1] != PREAD)
			continue;
		arm(i, FAIL, EINTR);
		CHECK_INT(read_all(&n), 0);
		CHECK_INT(n, N);
	}
	plan.armed = false;
}

static void test_a_directory_that_cannot_be_opened_is_no_missing_ledger(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_err err = { 0 };

	(void)state;
	arm(2, FAIL, EACCES);
	CHECK_INT(ledger_reader_open(&reader, scratch, &err), CHT_E_IO);
	plan.armed = false;
	CHECK_INT(err.sys, EACCES);
	CHECK_INT(mkdir(path_of("empty"), 0700), 0);
	CHECK_INT(ledger_reader_open(&reader, path_of("empty"), &err), CHT_E_CONFIG);
	CHECK(strstr(err.text, "no ledger") != NULL);
}

static void test_each_call_of_init_that_fails_can_be_done_again(void **state)
{
	(void)state;
	for (unsigned i = 1;; i++) {
		int r;

		plan.armed = false;
		(void)teardown_ledger(NULL);
		snprintf(scratch, sizeof(scratch), "/tmp/cht_init_%d", getpid());
		arm(i, FAIL, EIO);
		r = init_ledger(scratch, "again");
		plan.armed = false;
		if (plan.n < i) {
			CHECK_INT(r, 0);
			CHECK(i > 10);
			break;
		}
		check_row = call_names[plan.made[i - 1]];
		CHECK_INT(r, CHT_E_IO);
		CHECK_INT(init_ledger(scratch, "again"), 0);
		make_ledger(3, true);
		CHECK_INT(count_ledger(), 3);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_failed_call_is_no_end),
		CASE(test_interrupted_and_short_reads_go_on),
		CASE(test_a_directory_that_cannot_be_opened_is_no_missing_ledger),
		CASE(test_each_call_of_init_that_fails_can_be_done_again),
	};

	return cmocka_run_group_tests_name("reading", tests, NULL, NULL);
}
