/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clk.h"
#include "base/limits.h"

static void test_a_wait_ends_neither_early_nor_never(void **state)
{
	static const struct {
		const char *what;
		uint64_t at_ns, now_ns;
		int ms;
	} rows[] = {
		{ "now", 5, 5, 0 },
		{ "long ago", 5, UINT64_MAX, 0 },
		{ "in a moment", 6, 5, 1 },
		{ "in a millisecond", NS_PER_MS, 0, 2 },
		{ "in a second", NS_PER_S + 7, 7, 1001 },
		{ "the longest", (INT32_MAX - 2) * NS_PER_MS, 0, INT32_MAX - 1 },
		{ "too long", INT32_MAX * NS_PER_MS, 0, INT32_MAX },
		{ "for ever", UINT64_MAX, 0, INT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].what;
		CHECK_INT(clk_ms_until(rows[i].at_ns, rows[i].now_ns), rows[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wait_ends_neither_early_nor_never),
	};

	return cmocka_run_group_tests_name("base_clk", tests, NULL, NULL);
}
