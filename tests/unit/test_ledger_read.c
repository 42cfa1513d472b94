/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_util.h"

static void test_a_reader_follows_a_writer(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	struct cht_bytes entry;

	(void)state;
	CHECK_INT(ledger_reader_open(&reader, path_of("ledger"), NULL), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
	open_ledger(&ledger, &found);
	for (unsigned n = 1; ledger.tree.size < SEGMENT_ENTRIES + 100; n = n * 3 + 1) {
		if (n > BATCH_MAX / 4)
			n = BATCH_MAX / 4;
		commit(&ledger, n);
		for (unsigned i = 0; i < n; i++) {
			CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
			CHECK(is_entry(entry, reader.next - 1));
		}
		CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
		CHECK_INT(ledger_reader_torn(&reader), 0);
		CHECK_INT(reader.next, ledger.tree.size);
	}
	ledger_close(&ledger);
	ledger_reader_close(&reader);
}

static void test_a_reader_stops_at_a_cut_entry_and_goes_on_when_it_is_whole(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	uint8_t bytes[42];
	size_t len = 2 + entry_len(5);

	(void)state;
	make_ledger(5, false);
	entry_fill(bytes, 5);
	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	for (int i = 0; i < 5; i++)
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	for (size_t i = 0; i < len; i++) {
		CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
		CHECK_INT(ledger_reader_torn(&reader), i);
		write_at(segment_path(0), -1, bytes + i, 1);
	}
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK(is_entry(entry, 5));
	CHECK_INT(reader.offset - entry.len - 2, bytes_up_to(5));
	ledger_reader_close(&reader);
}

static void test_a_reader_says_where_damage_is(void **state)
{
	static const struct {
		const char *why;
		void (*hurt)(void);
		uint64_t readable;
		const char *text;
	} rows[] = {
		{ "missing segment", lose_first, SEGMENT_ENTRIES, "missing" },
		{ "short segment", short_first, 0, "another follows" },
		{ "long segment", long_first, 2 * SEGMENT_ENTRIES, "behind" },
		{ "length 0", zero_length, 2 * SEGMENT_ENTRIES, "byte 0: no entry" },
		{ "length too large", huge_length, 2 * SEGMENT_ENTRIES, "byte 0: no entry" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger_reader reader = LEDGER_READER_NULL;
		struct cht_bytes entry;
		struct cht_err err = { 0 };
		uint64_t n = 0;
		int r;

		check_row = rows[i].why;
		make_ledger(2 * SEGMENT_ENTRIES + 5, false);
		rows[i].hurt();
		CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
		while ((r = ledger_next(&reader, &entry, &err)) == 1)
			n++;
		CHECK_INT(r, CHT_E_STATE);
		CHECK(rows[i].readable == 0 || n == rows[i].readable);
		CHECK(strstr(err.text, rows[i].text) != NULL);
		ledger_reader_close(&reader);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_a_reader_begins_at_the_first_segment_present(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;

	(void)state;
	make_ledger(SEGMENT_ENTRIES + 2, true);
	CHECK_INT(unlink(segment_path(0)), 0);
	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK(is_entry(entry, SEGMENT_ENTRIES));
	ledger_reader_close(&reader);
	CHECK_INT(ledger_reader_open(&reader, path_of("nowhere"), NULL), CHT_E_CONFIG);
}

static void test_a_seek_goes_to_the_start_of_a_segment_present(void **state)
{
	static const struct {
		uint64_t index, want;
	} rows[] = {
		{ 0, SEGMENT_ENTRIES },
		{ SEGMENT_ENTRIES + 7, SEGMENT_ENTRIES },
		{ 2 * SEGMENT_ENTRIES, 2 * SEGMENT_ENTRIES },
		{ 2 * SEGMENT_ENTRIES + 4, 2 * SEGMENT_ENTRIES },
		{ UINT64_MAX, 2 * SEGMENT_ENTRIES },
	};
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;

	(void)state;
	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	CHECK_INT(ledger_reader_seek(&reader, 5, NULL), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
	make_ledger(2 * SEGMENT_ENTRIES + 5, true);
	CHECK_INT(unlink(segment_path(0)), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_INT(ledger_reader_seek(&reader, rows[i].index, NULL), 0);
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
		CHECK(is_entry(entry, rows[i].want));
	}
	ledger_reader_close(&reader);
}

static void test_nothing_at_or_above_the_limit_is_given(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	uint8_t again[42];

	(void)state;
	make_ledger(7, true);
	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	for (reader.limit = 0; reader.limit < 7; reader.limit++) {
		CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
		CHECK_INT(reader.next, reader.limit);
		/* Bytes above the limit may yet change, and what was read ahead is forgotten. */
		entry_fill(again, reader.next);
		again[2] = (uint8_t)(0x80 + reader.limit);
		write_at(segment_path(0), (long long)bytes_up_to(reader.next), again,
			 2 + entry_len(reader.next));
		reader.limit++;
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
		CHECK_INT(entry.ptr[0], again[2]);
		reader.limit--;
	}
	CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
	ledger_reader_close(&reader);
}

static void test_an_end_below_the_limit_is_damage(void **state)
{
	static const struct {
		uint64_t n, limit;
		long long cut; /* of the last segment: -1 keeps it */
		uint64_t readable;
	} rows[] = {
		{ 5, 6, -1, 5 },
		{ 5, 5, 12, 1 },
		{ SEGMENT_ENTRIES, SEGMENT_ENTRIES + 1, -1, SEGMENT_ENTRIES },
		{ SEGMENT_ENTRIES + 3, SEGMENT_ENTRIES + 3, 0, SEGMENT_ENTRIES },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger_reader reader = LEDGER_READER_NULL;
		struct cht_bytes entry;
		struct cht_err err = { 0 };
		int r;

		make_ledger(rows[i].n, true);
		if (rows[i].cut >= 0)
			CHECK_INT(truncate(segment_path(rows[i].n - rows[i].n % SEGMENT_ENTRIES),
					   rows[i].cut),
				  0);
		CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
		reader.limit = rows[i].limit;
		while ((r = ledger_next(&reader, &entry, &err)) == 1)
			continue;
		CHECK_INT(r, CHT_E_STATE);
		CHECK_INT(reader.next, rows[i].readable);
		CHECK(strstr(err.text, "below the checkpoint") != NULL);
		ledger_reader_close(&reader);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_reader_follows_a_writer),
		CASE(test_a_reader_stops_at_a_cut_entry_and_goes_on_when_it_is_whole),
		CASE(test_a_reader_says_where_damage_is),
		CASE(test_a_reader_begins_at_the_first_segment_present),
		CASE(test_nothing_at_or_above_the_limit_is_given),
		CASE(test_an_end_below_the_limit_is_damage),
		CASE(test_a_seek_goes_to_the_start_of_a_segment_present),
	};

	return cmocka_run_group_tests_name("ledger_read", tests, NULL, NULL);
}
