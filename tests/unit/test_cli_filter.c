/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cli/filter.h"
#include "cli/visible.h"

#define S  INT64_C(1000000000)
#define T0 (INT64_C(1795575600) * S) /* 2026-11-25T03:00:00Z */

static void test_times_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} rows[] = {
		{ "2026-11-25T03:00:00Z", T0 },
		{ "2026-11-25T03:00:00.5Z", T0 + S / 2 },
		{ "2026-11-25T03:00:00.000000001Z", T0 + 1 },
		{ "2026-11-25T04:00:00+01:00", T0 },
		{ "2026-11-24T21:30:00-05:30", T0 },
		{ "2026-11-25T03:00:00.25-00:01", T0 + S / 4 + 60 * S },
		{ "2026-11-25", T0 - 3 * 3600 * S },
		{ "1970-01-01", 0 },
		{ "0s", 5 * S },
		{ "2s", 3 * S },
		{ "1500ms", 7 * S / 2 },
		{ "6s", 0 },
		{ "5m", 0 },
		{ "400d", 0 },
		{ "", -1 },
		{ "Z", -1 },
		{ "5", -1 },
		{ "s", -1 },
		{ "5 m", -1 },
		{ "-5m", -1 },
		{ "2026-11-25T03:00:00", -1 },
		{ "2026-11-25T03:00:00z", -1 },
		{ "2026-11-25 03:00:00Z", -1 },
		{ "2026-11-25T03:00Z", -1 },
		{ "2026-11-25T03:00:00.Z", -1 },
		{ "2026-11-25T03:00:00.0000000001Z", -1 },
		{ "2026-11-25T03:00:00+24:00", -1 },
		{ "2026-11-25T03:00:00+01:60", -1 },
		{ "2026-11-25T03:00:00+0100", -1 },
		{ "2026-11-25T03:00:00+01:00Z", -1 },
		{ "2026-02-30", -1 },
		{ "2026-11-2", -1 },
		{ "2262-04-11T23:47:16-01:00", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t got = -1;

		check_row = rows[i].text;
		CHECK_INT(filter_time(str_of(rows[i].text), 5 * S, &got), rows[i].want != -1);
		CHECK_INT(got, rows[i].want);
	}
}

static void test_shown_json_is_the_same_and_visible(void **state)
{
	static const struct {
		const char *json, *shown;
	} rows[] = {
		{ "\"plain \\u001b \\\\ \\\" ü\"", "\"plain \\u001b \\\\ \\\" ü\"" },
		{ "\"\x7f\xc2\x9b\"", "\"\\u007f\\u009b\"" },
		{ "\"a\xe2\x80\xae\xe2\x80\x8b\"", "\"a\\u202e\\u200b\"" },
		{ "\"\xf3\xa0\x81\x81\"", "\"\\udb40\\udc41\"" },
		{ "{\"a\":[1,-2]}", "{\"a\":[1,-2]}" },
		{ "\"\xff\"", "\"\\ufffd\"" },
	};
	char mem[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = buf_init(mem, sizeof(mem));

		put_plain_json(&b, str_of(rows[i].json));
		CHECK(!b.full);
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), rows[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_are_read_strictly),
		cmocka_unit_test(test_shown_json_is_the_same_and_visible),
	};

	return cmocka_run_group_tests_name("cli_filter", tests, NULL, NULL);
}
