/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/json.h"
#include "base/text.h"

static struct cht_str text_of(const struct buf *b)
{
	return (struct cht_str){ (const char *)b->start, buf_len(b) };
}

static void test_decimal_is_exact_both_ways(void **state)
{
	static const struct {
		uint64_t v;
		const char *text;
	} rows[] = { { 0, "0" },
		     { 9, "9" },
		     { 10, "10" },
		     { 99, "99" },
		     { 100, "100" },
		     { 12345, "12345" },
		     { UINT64_MAX, "18446744073709551615" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[32];
		struct buf b = buf_init(mem, sizeof(mem));
		uint64_t back = 1;

		check_row = rows[i].text;
		put_u64(&b, rows[i].v);
		CHECK_STR(text_of(&b), rows[i].text);
		CHECK(read_u64(text_of(&b), UINT64_MAX, &back));
		CHECK(back == rows[i].v);
	}
}

static void test_bad_decimals_are_refused(void **state)
{
	static const char *const bad[] = {
		"",    "01", "-1", "+1", " 1", "1 ", "18446744073709551616", "99999999999999999999",
		"1e3", "0x1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t v = 7;

		check_row = bad[i];
		CHECK(!read_u64(str_of(bad[i]), UINT64_MAX, &v));
		CHECK(v == 7);
	}
}

static void test_base64url_of_rfc4648(void **state)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = { { "", "" },
		     { "f", "Zg" },
		     { "fo", "Zm8" },
		     { "foo", "Zm9v" },
		     { "foob", "Zm9vYg" },
		     { "fooba", "Zm9vYmE" },
		     { "foobar", "Zm9vYmFy" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[32];
		uint8_t back[32];
		size_t n = 99;
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = rows[i].coded;
		put_base64url(&b, (const uint8_t *)rows[i].plain, strlen(rows[i].plain));
		CHECK_STR(text_of(&b), rows[i].coded);
		CHECK(read_base64url(text_of(&b), false, back, sizeof(back), &n));
		CHECK_INT(n, strlen(rows[i].plain));
		CHECK(memcmp(back, rows[i].plain, n) == 0);
	}
}

static void test_bad_base64url_is_refused(void **state)
{
	static const char *const bad[] = { "Z",    "Zh", "Zm9=", "Zg===", "Z g",
					   "Zg\n", "Z+", "Z/",   "=",     "==" };
	uint8_t out[8];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK(!read_base64url(str_of(bad[i]), true, out, sizeof(out), &n));
	}
	check_row = "padding only where it is allowed";
	CHECK(read_base64url(STR("Zg=="), true, out, sizeof(out), &n));
	CHECK(!read_base64url(STR("Zg=="), false, out, sizeof(out), &n));
	CHECK(!read_base64url(STR("Zm9vYmFy"), false, out, 5, &n));
}

static void test_base64_of_rfc4648(void **state)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = { { "", "" },
		     { "f", "Zg==" },
		     { "fo", "Zm8=" },
		     { "foo", "Zm9v" },
		     { "foob", "Zm9vYg==" },
		     { "fooba", "Zm9vYmE=" },
		     { "foobar", "Zm9vYmFy" },
		     { "\xfb\xff\xbf", "+/+/" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 99, at = 99, plain = strlen(rows[i].plain);
		char mem[32];
		uint8_t back[32];
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = rows[i].coded;
		put_base64(&b, (const uint8_t *)rows[i].plain, plain);
		CHECK_STR(text_of(&b), rows[i].coded);
		CHECK(base64_is_valid(text_of(&b), &n, &at));
		CHECK_INT(n, plain);
		CHECK(read_base64(text_of(&b), back, plain, &n));
		CHECK_INT(n, plain);
		CHECK(memcmp(back, rows[i].plain, n) == 0);
		CHECK(plain == 0 || !read_base64(text_of(&b), back, plain - 1, &n));
		b = buf_init(mem, strlen(rows[i].coded) - (plain > 0));
		put_base64(&b, (const uint8_t *)rows[i].plain, plain);
		CHECK(b.full == (plain > 0) && buf_len(&b) == 0);
	}
}

static void test_bad_base64_is_refused_where_it_is_bad(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} bad[] = { { "=", 0 },        { "==", 0 },     { "A", 1 },        { "A=", 1 },
		    { "A===", 1 },     { "AA", 2 },     { "AA=", 3 },      { "AB==", 1 },
		    { "AP==", 1 },     { "AI==", 1 },   { "AAC=", 2 },     { "AA=A", 3 },
		    { "AA===", 4 },    { "AAB=", 2 },   { "AAA", 3 },      { "AAA==", 4 },
		    { "AAAA=", 4 },    { "AAAA\n", 4 }, { " AAA", 0 },     { "AA A", 2 },
		    { "A-AA", 1 },     { "AA_A", 2 },   { "AA==AAAA", 4 }, { "AAAAA===", 5 },
		    { "AAAAAA=\n", 7 } };
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = 99, at = 99;

		check_row = bad[i].text;
		CHECK(!base64_is_valid(str_of(bad[i].text), &n, &at));
		CHECK_INT(at, bad[i].at);
		CHECK(!read_base64(str_of(bad[i].text), out, sizeof(out), &n));
		CHECK_INT(n, 99);
	}
}

static void test_utf8_borders(void **state)
{
	static const struct {
		const char *bytes;
		bool valid;
	} rows[] = { { "", true },
		     { "plain ascii, long enough for words", true },
		     { "\xc2\x80", true },
		     { "\xdf\xbf", true },
		     { "\xe0\xa0\x80", true },
		     { "\xed\x9f\xbf", true },
		     { "\xee\x80\x80", true },
		     { "\xf0\x90\x80\x80", true },
		     { "\xf4\x8f\xbf\xbf", true },
		     { "\xc0\xaf", false },
		     { "\xc1\xbf", false },
		     { "\xe0\x9f\xbf", false },
		     { "\xed\xa0\x80", false },
		     { "\xf0\x8f\xbf\xbf", false },
		     { "\xf4\x90\x80\x80", false },
		     { "\xf5\x80\x80\x80", false },
		     { "\x80", false },
		     { "\xe2\x82", false },
		     { "12345678\xff", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].bytes;
		CHECK(utf8_is_valid((const uint8_t *)rows[i].bytes, strlen(rows[i].bytes)) ==
		      rows[i].valid);
	}
}

static void test_times_go_both_ways(void **state)
{
	static const struct {
		int64_t ns;
		const char *nine, *whole;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00Z" },
		{ INT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z",
		  "2000-02-28T23:59:59Z" },
		{ INT64_C(951782400000000001), "2000-02-29T00:00:00.000000001Z",
		  "2000-02-29T00:00:00Z" },
		{ INT64_C(1762348800000000000), "2025-11-05T13:20:00.000000000Z",
		  "2025-11-05T13:20:00Z" },
		{ INT64_C(4107542400123456789), "2100-03-01T00:00:00.123456789Z",
		  "2100-03-01T00:00:00Z" },
	};
	struct rfc3339_cache cache = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[64];
		struct buf b = buf_init(mem, sizeof(mem));
		int64_t back;

		check_row = rows[i].nine;
		put_rfc3339_ns(&b, &cache, rows[i].ns);
		CHECK_STR(text_of(&b), rows[i].nine);
		CHECK(read_rfc3339(text_of(&b), &back));
		CHECK(back == rows[i].ns);
		b = buf_init(mem, sizeof(mem));
		put_rfc3339_s(&b, &cache, rows[i].ns);
		CHECK_STR(text_of(&b), rows[i].whole);
	}
	check_row = "the last nanosecond, and the next";
	CHECK(read_rfc3339(STR("2262-04-11T23:47:16.854775807Z"), &(int64_t){ 0 }));
	CHECK(!read_rfc3339(STR("2262-04-11T23:47:16.854775808Z"), &(int64_t){ 0 }));
	CHECK(!read_rfc3339(STR("9999-12-31T23:59:59Z"), &(int64_t){ 0 }));
	CHECK(!read_rfc3339(STR("2025-02-30T00:00:00Z"), &(int64_t){ 0 }));
	CHECK(!read_rfc3339(STR("2025-02-28T24:00:00Z"), &(int64_t){ 0 }));
	CHECK(!read_rfc3339(STR("2025-02-28 00:00:00Z"), &(int64_t){ 0 }));
}

static void test_durations_and_sizes_at_their_borders(void **state)
{
	static const struct {
		const char *text;
		bool is_size, good;
		uint64_t want;
	} rows[] = {
		{ "0ms", false, true, 0 },
		{ "250ms", false, true, 250000000 },
		{ "2m", false, true, 120000000000 },
		{ "1h", false, true, 3600000000000 },
		{ "30d", false, true, 2592000000000000 },
		{ "18446744073s", false, true, 18446744073000000000u },
		{ "18446744074s", false, false, 0 },
		{ "213504d", false, false, 0 },
		{ "1 s", false, false, 0 },
		{ "s", false, false, 0 },
		{ "10", false, false, 0 },
		{ "1w", false, false, 0 },
		{ "1sx", false, false, 0 },
		{ "65536", true, true, 65536 },
		{ "64KiB", true, true, 65536 },
		{ "1GiB", true, true, 1 << 30 },
		{ "16777215TiB", true, true, 16777215ull << 40 },
		{ "16777216TiB", true, false, 0 },
		{ "1GB", true, false, 0 },
		{ "", true, false, 0 },
		{ "-1", true, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_str s = str_of(rows[i].text);
		uint64_t v = 7;
		bool good = rows[i].is_size ? read_size(s, &v) : read_duration(s, &v);

		check_row = rows[i].text;
		CHECK_INT(good, rows[i].good);
		CHECK(v == (good ? rows[i].want : 7));
	}
}

static void test_json_escapes_what_must_be_and_nothing_else(void **state)
{
	char mem[64];
	struct buf b = buf_init(mem, sizeof(mem));

	(void)state;
	json_put_str(&b, STR("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
	CHECK_STR(text_of(&b), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
}

static void test_a_full_buffer_stays_full(void **state)
{
	char mem[4];
	struct buf b = buf_init(mem, sizeof(mem));

	(void)state;
	buf_put_lit(&b, "abc");
	buf_put_lit(&b, "de");
	CHECK(b.full);
	buf_put_lit(&b, "f");
	CHECK_INT(buf_len(&b), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimal_is_exact_both_ways),
		cmocka_unit_test(test_bad_decimals_are_refused),
		cmocka_unit_test(test_base64url_of_rfc4648),
		cmocka_unit_test(test_bad_base64url_is_refused),
		cmocka_unit_test(test_base64_of_rfc4648),
		cmocka_unit_test(test_bad_base64_is_refused_where_it_is_bad),
		cmocka_unit_test(test_utf8_borders),
		cmocka_unit_test(test_times_go_both_ways),
		cmocka_unit_test(test_durations_and_sizes_at_their_borders),
		cmocka_unit_test(test_json_escapes_what_must_be_and_nothing_else),
		cmocka_unit_test(test_a_full_buffer_stays_full),
	};

	return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
