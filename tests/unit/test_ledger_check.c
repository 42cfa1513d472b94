/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_util.h"

#include <fcntl.h>

#include "base/fd.h"
#include "ledger/check.h"

static struct ledger_view view;
static struct ledger_check check;

static void begin(void)
{
	memset(&check, 0, sizeof(check));
	CHECK_INT(ledger_view_open(&view, tree_log.state, NULL), 0);
}

static int check_one(uint64_t i, struct cht_err *err)
{
	uint8_t bytes[40] = { 0 };
	size_t len = tree_fill(bytes, i);

	return ledger_check_entry(&check, &view, i, (struct cht_bytes){ bytes, len }, err);
}

static void test_every_entry_holds_at_every_size(void **state)
{
	static const uint64_t sizes[] = { 1,   2,    255,   256,   257,   511,   512,
					  600, 1000, 65535, 65536, 65537, 65792, 66000 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint64_t step = (sizes[s] > 2000 ? 97 : 1) * check_stride();

		tree_grow(sizes[s]);
		begin();
		CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
		for (uint64_t i = 0; i < sizes[s]; i += step) {
			CHECK_INT(check_one(i, NULL), 0);
			CHECK_INT(check_one(sizes[s] - 1 - i, NULL), 0);
		}
		CHECK_INT(check_one(sizes[s], NULL), CHT_E_STATE);
		CHECK_INT(check_one(UINT64_MAX, NULL), CHT_E_STATE);
		ledger_view_close(&view);
		CHECK_INT(tree_teardown(state), 0);
		CHECK_INT(tree_setup(state), 0);
	}
}

static void test_every_flip_of_an_entry_is_told_by_its_index(void **state)
{
	uint8_t bytes[40];
	size_t len = tree_fill(bytes, 321);
	struct cht_err err = { 0 };

	(void)state;
	tree_grow(600);
	begin();
	CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_INT(ledger_check_entry(&check, &view, 321, (struct cht_bytes){ bytes, len },
					     &err),
			  CHT_E_STATE);
		CHECK(strstr(err.text, "entry 321 is not") != NULL);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_INT(check_one(321, NULL), 0);
	ledger_view_close(&view);
}

/* Flips one bit of a file of hashes/. */
static void flip(const char *level, uint64_t bit)
{
	char name[32];
	int fd;
	uint8_t byte;

	snprintf(name, sizeof(name), "ledger/hashes/%s", level);
	fd = open(tree_path(name), O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
	byte ^= (uint8_t)(1u << bit % 8);
	CHECK_INT(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
	fd_close(&fd);
}

/* How many of the entries are not held to be right. */
static uint64_t count_refused(uint64_t size, uint64_t step)
{
	uint64_t n = 0;

	begin();
	if (ledger_check_take(&check, &view, NULL) < 0)
		n = size;
	else
		for (uint64_t i = 0; i < size; i += step)
			n += check_one(i, NULL) < 0;
	ledger_view_close(&view);
	return n;
}

static void test_every_flip_in_hashes_is_seen(void **state)
{
	(void)state;
	tree_grow(600);
	CHECK_INT(count_refused(600, 1), 0);
	for (uint64_t bit = 0; bit < 600 * 256; bit += 1021 * check_stride()) {
		flip("0", bit);
		/* A full tile alone, or with the edge everything. */
		CHECK_INT(count_refused(600, 1), bit < 512 * 256 ? 256 : 600);
		flip("0", bit);
	}
	for (uint64_t bit = 0; bit < 2 * 256; bit += check_stride()) {
		flip("1", bit);
		CHECK_INT(count_refused(600, 1), 600);
		flip("1", bit);
	}
	CHECK_INT(count_refused(600, 1), 0);
}

static void test_a_flip_above_a_full_tile_is_seen(void **state)
{
	(void)state;
	tree_grow(SEGMENT_ENTRIES + 300);
	flip("1", UINT64_C(3) * 256);
	CHECK_INT(count_refused(SEGMENT_ENTRIES, 256), 256);
	flip("1", UINT64_C(3) * 256);
	flip("2", 7);
	CHECK_INT(count_refused(SEGMENT_ENTRIES, 256), SEGMENT_ENTRIES);
	flip("2", 7);
	CHECK_INT(count_refused(SEGMENT_ENTRIES, 256), 0);
	CHECK_INT(truncate(tree_path("ledger/hashes/2"), 31), 0);
	CHECK_INT(count_refused(SEGMENT_ENTRIES, 256), SEGMENT_ENTRIES);
}

static void test_a_tree_that_grows_goes_on_from_the_one_before(void **state)
{
	static const uint64_t steps[] = { 1, 1, 3, 250, 1, 1, 300, 900, 64079, 1, 5 };

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		tree_grow(steps[i]);
		CHECK_INT(ledger_view_refresh(&view, NULL), 1);
		CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
		CHECK_INT(check.size, tree_log.tree.size);
		CHECK_INT(check_one(0, NULL), 0);
		CHECK_INT(check_one(check.size - 1, NULL), 0);
	}
	ledger_view_close(&view);
}

/* A ledger of n entries that are not those of tree_fill from entry at on. */
static void fork_at(uint64_t at, uint64_t n)
{
	char state[64];
	uint8_t bytes[40];

	snprintf(state, sizeof(state), "%s", tree_log.state);
	tree_close();
	for (unsigned i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), "ledger/hashes/%u", i);
		CHECK_INT(truncate(tree_path(name), 0), 0);
	}
	tree_open(state);
	for (uint64_t i = 0; i < n; i++) {
		size_t len = tree_fill(bytes, i);

		bytes[0] = i >= at;
		tree_add(bytes, len);
	}
	tree_publish();
}

static void test_a_fork_is_not_taken(void **state)
{
	static const struct {
		uint64_t size, at, n;
	} rows[] = { { 1, 0, 2 },      { 10, 9, 256 },    { 10, 3, 300 },     { 256, 255, 257 },
		     { 300, 10, 301 }, { 300, 299, 600 }, { 513, 512, 1024 }, { 513, 0, 65600 } };
	struct cht_err err = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tree_grow(rows[i].size);
		begin();
		CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
		CHECK_INT(check_one(0, NULL), 0);
		fork_at(rows[i].at, rows[i].n);
		CHECK_INT(ledger_view_refresh(&view, NULL), 1);
		CHECK_INT(ledger_check_take(&check, &view, &err), CHT_E_STATE);
		CHECK(strstr(err.text, "does not go on") != NULL);
		CHECK_INT(check.size, rows[i].size);
		ledger_view_close(&view);
		/* The same without the fork is taken. */
		fork_at(UINT64_MAX, rows[i].size);
		begin();
		CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
		fork_at(UINT64_MAX, rows[i].n);
		CHECK_INT(ledger_view_refresh(&view, NULL), 1);
		CHECK_INT(ledger_check_take(&check, &view, NULL), 0);
		ledger_view_close(&view);
		CHECK_INT(tree_teardown(state), 0);
		CHECK_INT(tree_setup(state), 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_every_entry_holds_at_every_size),
		CASE(test_every_flip_of_an_entry_is_told_by_its_index),
		CASE(test_every_flip_in_hashes_is_seen),
		CASE(test_a_flip_above_a_full_tile_is_seen),
		CASE(test_a_tree_that_grows_goes_on_from_the_one_before),
		CASE(test_a_fork_is_not_taken),
	};

	return cmocka_run_group_tests_name("ledger_check", tests, NULL, NULL);
}
