/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "cli/runs.h"

static const struct tlog_hash some_root = { { 1, 2, 3 } };
#define ORIGIN STR("host/0011223344556677")

/* The id of an event of the run with these bits. */
static void put_id(char out[64], uint64_t sequence, unsigned bits)
{
	snprintf(out, 64, "urn:cellos:event:%08llx-%04llx-8%03x-8000-00000000%04x",
		 (unsigned long long)(sequence >> 16), (unsigned long long)(sequence & 0xffff),
		 bits >> 16 & 0xfff, bits & 0xffff);
}

static void add(struct runs *runs, uint64_t index, const char *run, unsigned bits)
{
	struct event_view event = { .run_id = str_of(run) };
	char id[64];

	put_id(id, 7, bits);
	event.id = str_of(id);
	CHECK_INT(runs_add(runs, &event, index, NULL), 0);
	runs->n = index + 1;
}

static void make(struct runs *runs)
{
	*runs = (struct runs){ 0 };
	add(runs, 0, "host-1", 1);
	add(runs, 3, "a", 2);
	add(runs, 4, "b", 0x50003);
	add(runs, 9, "a", 2);
	add(runs, 12, "a", 4); /* again, another run of the same name */
	add(runs, 20, "host-1", 1);
}

static void test_spans_are_found_by_bits(void **state)
{
	static const struct {
		struct run_bits bits;
		uint64_t first, last;
	} rows[] = {
		{ { 0, 1 }, 0, 20 }, { { 5, 3 }, 4, 4 }, { { 0, 2 }, 3, 9 }, { { 0, 4 }, 12, 12 }
	};
	struct run_span span;
	struct runs runs;

	(void)state;
	make(&runs);
	CHECK_INT(runs.count, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(runs_find_bits(&runs, &rows[i].bits, &span));
		CHECK_INT(span.first, rows[i].first);
		CHECK_INT(span.last, rows[i].last);
	}
	CHECK(!runs_find_bits(&runs, &(struct run_bits){ 0, 9 }, &span));
	runs_free(&runs);
	CHECK(!runs_find_bits(&runs, &(struct run_bits){ 0, 1 }, &span));
}

static void test_many_runs_come_back_from_a_file(void **state)
{
	struct runs runs = { 0 }, back;
	struct tlog_hash root;
	struct cht_bytes bytes;
	struct run_span span;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "run-%u", i % 9000);
		add(&runs, i, name, i % 9000);
	}
	CHECK_INT(runs.count, 9000);
	CHECK_INT(runs_write(&runs, ORIGIN, &some_root, &bytes, NULL), 0);
	CHECK_INT(runs_read(bytes, ORIGIN, &back, &root, NULL), 0);
	CHECK(tlog_hash_eq(&root, &some_root));
	CHECK_INT(back.n, 20000);
	CHECK_INT(back.count, 9000);
	for (unsigned i = 0; i < 9000; i++) {
		CHECK(runs_find_bits(&back, &(struct run_bits){ 0, i }, &span));
		CHECK_INT(span.first, i);
		CHECK_INT(span.last, i + (i < 2000 ? 18000 : 9000));
	}
	free((void *)(uintptr_t)bytes.ptr);
	runs_free(&runs);
	runs_free(&back);
}

static void test_what_is_not_whole_is_refused(void **state)
{
	struct runs runs, back;
	struct tlog_hash root;
	struct cht_bytes bytes;
	uint8_t *copy;

	(void)state;
	make(&runs);
	CHECK_INT(runs_write(&runs, ORIGIN, &some_root, &bytes, NULL), 0);
	CHECK_INT(runs_read(bytes, STR("other/0011223344556677"), &back, &root, NULL), CHT_E_PARSE);
	for (size_t cut = 0; cut < bytes.len; cut++) {
		copy = malloc(cut + 1);
		CHECK(copy != NULL);
		memcpy(copy, bytes.ptr, cut);
		CHECK_INT(runs_read((struct cht_bytes){ copy, cut }, ORIGIN, &back, &root, NULL),
			  CHT_E_PARSE);
		free(copy);
	}
	copy = malloc(bytes.len);
	CHECK(copy != NULL);
	memcpy(copy, bytes.ptr, bytes.len);
	for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_INT(runs_read((struct cht_bytes){ copy, bytes.len }, ORIGIN, &back, &root,
				    NULL),
			  CHT_E_PARSE);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(copy);
	free((void *)(uintptr_t)bytes.ptr);
	runs_free(&runs);
}

/* Offsets of a file of one record. */
enum { AT_N = 16, AT_RECORD = 88, AT_FIRST = 88 + 32, AT_LAST = 88 + 40 };

/* Keys and bits that were made to have one plain sum: a table that went by it would take hours. */
static void test_a_file_made_to_collide_is_read_as_fast(void **state)
{
	enum { N = 1 << 19, HEAD = 88 };
	size_t len = HEAD + (size_t)N * RUN_RECORD_BYTES;
	uint8_t *bytes = calloc(1, len + 32);
	struct tlog_hash root;
	struct runs runs;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, "cht-runs", 8);
	be32_store(bytes + 8, 1);
	be64_store(bytes + 16, N);
	CHECK_INT(digest_sha256((struct cht_bytes){ (const uint8_t *)"o", 1 }, bytes + 56, NULL),
		  0);
	for (uint64_t i = 0; i < N; i++) {
		be64_store(bytes + HEAD + i * RUN_RECORD_BYTES, i);
		be64_store(bytes + HEAD + i * RUN_RECORD_BYTES + 24, i);
	}
	CHECK_INT(digest_sha256((struct cht_bytes){ bytes, len }, bytes + len, NULL), 0);
	CHECK_INT(runs_read((struct cht_bytes){ bytes, len + 32 }, STR("o"), &runs, &root, NULL),
		  0);
	CHECK_INT(runs.count, N);
	runs_free(&runs);
	free(bytes);
}

static void test_a_span_that_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *why;
		size_t at;
		uint64_t value;
	} rows[] = { { "ends before it begins", AT_FIRST, 6 },
		     { "ends above n", AT_LAST, 6 },
		     { "far", AT_LAST, UINT64_MAX },
		     { "bits", AT_RECORD + 16, 65536 },
		     { "n below", AT_N, 5 } };
	struct runs runs = { 0 }, back;
	struct tlog_hash root;
	struct cht_bytes bytes;

	(void)state;
	add(&runs, 5, "a", 2);
	for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_bad = i < sizeof(rows) / sizeof(rows[0]);
		uint8_t *p;

		check_row = is_bad ? rows[i].why : "good";
		CHECK_INT(runs_write(&runs, ORIGIN, &some_root, &bytes, NULL), 0);
		p = (uint8_t *)(uintptr_t)bytes.ptr;
		if (is_bad)
			be64_store(p + rows[i].at, rows[i].value);
		CHECK_INT(digest_sha256((struct cht_bytes){ p, bytes.len - 32 }, p + bytes.len - 32,
					NULL),
			  0);
		CHECK_INT(runs_read(bytes, ORIGIN, &back, &root, NULL), is_bad ? CHT_E_PARSE : 0);
		free(p);
	}
	runs_free(&back);
	runs_free(&runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans_are_found_by_bits),
		cmocka_unit_test(test_many_runs_come_back_from_a_file),
		cmocka_unit_test(test_what_is_not_whole_is_refused),
		cmocka_unit_test(test_a_file_made_to_collide_is_read_as_fast),
		cmocka_unit_test(test_a_span_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("cli_runs", tests, NULL, NULL);
}
