/* SPDX-License-Identifier: Apache-2.0
 *
 * What /proc says of a process or a thread, and lines that are none.
 */
#include <stdio.h>

#include "check.h"

#include "base/bytes.h"
#include "probe/procstat.h"

#define REST                                                                                       \
	" S 1 1 1 0 -1 4194304 9 0 0 0 11 12 0 0 20 0 3 0 555 4096 77 18446744073709551615 1 1 0 " \
	"0 0"                                                                                      \
	" 0 0 0 0 0 0 0 17 1 0 0 0 44 -5"

static bool stat_of(const char *text, struct proc_stat *s)
{
	return proc_stat_read((struct cht_bytes){ (const uint8_t *)text, strlen(text) }, s);
}

static void test_a_name_is_any_bytes(void **state)
{
	static const char *const names[] = { "fc_vcpu 0", "",     ")",        "((",    "a) R 1 (b",
					     ") S 1 ) Z", "\n\n", "\xff\x01", "a b  c" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct proc_stat s;
		char text[256];

		check_row = names[i];
		snprintf(text, sizeof(text), "42 (%s)" REST "\n", names[i]);
		CHECK(stat_of(text, &s));
		CHECK_STR(s.comm, names[i]);
		CHECK_INT(s.state, 'S');
		CHECK_INT(s.user, 11);
		CHECK_INT(s.system, 12);
		CHECK_INT(s.threads, 3);
		CHECK_INT(s.start, 555);
		CHECK_INT(s.pages, 77);
		CHECK_INT(s.guest, 44);
	}
}

static void test_what_is_no_such_line_is_refused(void **state)
{
	static const char good[] = "42 (a)" REST "\n";
	static const char *const rows[] = {
		"42 (a)" REST,
		"42 a" REST "\n",
		"42 )a(" REST "\n",
		"42 (a) SS 1 1 1 0 -1 0 9 0 0 0 11 12 0 0 20 0 3 0 5 4 7 1 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 4\n",
		"42 (a) 1 1 1 1 0 -1 0 9 0 0 0 11 12 0 0 20 0 3 0 5 4 7 1 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 4\n",
		"42 (a) S 1 1 1 0 -1 0 9 0 0 0 -1 12 0 0 20 0 3 0 5 4 7 1 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 4\n",
		"42 (a) S 1 1 1 0 -1 0 9 0 0 0 x 12 0 0 20 0 3 0 5 4 7 1 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 4\n",
		"42 (a) S  1 1 1 0 -1 0 9 0 0 0 1 12 0 0 20 0 3 0 5 4 7 1 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 4\n",
		"42 (a) S 1 1 1 0 -1 0 9 0 0 0 18446744073709551616 12 0 0 20 0 3 0 5 4 7 1 1 1 0 "
		"0 0 0 0 0 0 0 0 0 17"
		" 1 0 0 0 4\n",
	};
	struct proc_stat s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i];
		CHECK(!stat_of(rows[i], &s));
	}
	CHECK(stat_of(good, &s));
	for (size_t cut = 0; cut < sizeof(good) - 1; cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);

		assert_non_null(exact);
		memcpy(exact, good, cut);
		CHECK(!proc_stat_read((struct cht_bytes){ exact, cut }, &s));
		free(exact);
	}
}

static void test_times_of_the_scheduler(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = { { "5 7 1\n", true },    { "18446744073709551615 7 1\n", true },
		     { "5 7 1", false },     { "5 7\n", false },
		     { "5 7 1 1\n", false }, { "5  7 1\n", false },
		     { "-5 7 1\n", false },  { "", false },
		     { "5 7 1\n\n", false }, { "18446744073709551616 7 1\n", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t run = 9, wait = 9;

		check_row = rows[i].text;
		CHECK_INT(proc_sched_read((struct cht_bytes){ (const uint8_t *)rows[i].text,
							      strlen(rows[i].text) },
					  &run, &wait),
			  rows[i].ok);
		CHECK_INT(wait, rows[i].ok ? 7 : 9);
	}
}

static void test_names_of_vcpus(void **state)
{
	(void)state;
	CHECK(proc_is_vcpu(STR("fc_vcpu 0")));
	CHECK(proc_is_vcpu(STR("vcpu0")));
	CHECK(proc_is_vcpu(STR("CPU 11/KVM")));
	CHECK(!proc_is_vcpu(STR("fc_api")));
	CHECK(!proc_is_vcpu(STR("")));
	CHECK_INT(proc_worst('S', 'R'), 'S');
	CHECK_INT(proc_worst('R', 'T'), 'T');
	CHECK_INT(proc_worst('R', '?'), '?');
	CHECK_INT(proc_worst('\0', 'R'), 'R');
	CHECK_INT(proc_ms(155, 100), 1550);
	CHECK_INT(proc_ms(1, 300), 3);
	CHECK(proc_ms(UINT64_MAX, 100) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_any_bytes),
		cmocka_unit_test(test_what_is_no_such_line_is_refused),
		cmocka_unit_test(test_times_of_the_scheduler),
		cmocka_unit_test(test_names_of_vcpus),
	};

	return cmocka_run_group_tests_name("probe_procstat", tests, NULL, NULL);
}
