/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/limits.h"
#include "cli/doctor.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void test_numbers_are_judged_at_their_borders(void **state)
{
	static const struct {
		enum doctor_verdict (*judge)(uint64_t, uint64_t);
		uint64_t a, b;
		enum doctor_verdict want;
	} rows[] = {
		{ judge_space, 64 * MIB - 1, GIB, DOCTOR_FAIL },
		{ judge_space, 64 * MIB, GIB, DOCTOR_WARN },
		{ judge_space, GIB, 20 * GIB, DOCTOR_OK },
		{ judge_space, GIB, 21 * GIB, DOCTOR_WARN },
		{ judge_space, 0, 0, DOCTOR_FAIL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(rows[i].judge(rows[i].a, rows[i].b), rows[i].want);
	CHECK_INT(judge_sync(COMMIT_INTERVAL_NS), DOCTOR_OK);
	CHECK_INT(judge_sync(COMMIT_INTERVAL_NS + 1), DOCTOR_WARN);
	CHECK_INT(judge_sync(NS_PER_S + 1), DOCTOR_FAIL);
	CHECK_INT(judge_descriptors(66, 1, 1), DOCTOR_OK);
	CHECK_INT(judge_descriptors(65, 1, 1), DOCTOR_FAIL);
	CHECK_INT(judge_descriptors(66, 1, 2), DOCTOR_WARN);
	CHECK_INT(judge_descriptors(UINT64_MAX, 16384, 16384), DOCTOR_OK);
}

static void test_modes_that_let_others_in_fail(void **state)
{
	(void)state;
	for (mode_t mode = 0; mode <= 0777; mode++) {
		CHECK_INT(judge_key(mode), (mode & 077) != 0 ? DOCTOR_FAIL : DOCTOR_OK);
		CHECK_INT(judge_directory(mode), (mode & 022) != 0 ? DOCTOR_FAIL : DOCTOR_OK);
	}
}

static void test_what_separates_users_is_said(void **state)
{
	static const struct {
		const char *why;
		struct doctor_process line, scribe, opener;
		enum doctor_verdict want;
		const char *says;
	} rows[] = {
		{ "apart", { 1, 10 }, { 2, 11 }, { 3, 12 }, DOCTOR_OK, "cht-scribe is user 11" },
		{ "no opener",
		  { 1, 10 },
		  { 2, 11 },
		  { 0, 0 },
		  DOCTOR_OK,
		  "cht-opener is not found" },
		{ "one user", { 1, 10 }, { 2, 10 }, { 3, 12 }, DOCTOR_WARN, "read the key" },
		{ "the opener's too",
		  { 1, 10 },
		  { 2, 11 },
		  { 3, 10 },
		  DOCTOR_WARN,
		  "opener's paths" },
		{ "root", { 1, 0 }, { 2, 11 }, { 3, 12 }, DOCTOR_WARN, "is root" },
		{ "an opener that is root", { 1, 10 }, { 2, 11 }, { 3, 0 }, DOCTOR_OK, "user 0" },
		{ "nobody", { 0, 0 }, { 0, 0 }, { 0, 0 }, DOCTOR_OK, "does not run" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[512];
		struct buf b = buf_init(mem, sizeof(mem) - 1);

		check_row = rows[i].why;
		CHECK_INT(judge_separation(&rows[i].line, &rows[i].scribe, &rows[i].opener, &b),
			  rows[i].want);
		*b.at = '\0';
		CHECK(strstr(mem, rows[i].says) != NULL);
	}
}

static void test_limits_are_read_from_what_the_kernel_writes(void **state)
{
#define HEAD "Limit                     Soft Limit           Hard Limit           Units     \n"
	static const struct {
		const char *text;
		bool is_there;
		uint64_t hard;
	} rows[] = {
		{ HEAD "Max open files            1024                 524288               files  "
		       "   \n",
		  true, 524288 },
		{ "Max open files            1024                 unlimited            files", true,
		  UINT64_MAX },
		{ HEAD "Max pending signals       7626                 7626  signals\n", false, 0 },
		{ "Max open files", false, 0 },
		{ "Max open files 1", false, 0 },
		{ "Max open files 1 x", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t hard = 0;

		check_row = rows[i].text;
		CHECK_INT(limits_read_files(str_of(rows[i].text), &hard), rows[i].is_there);
		CHECK_INT(hard, rows[i].hard);
	}
}

static void test_every_check_has_a_name_of_its_own_and_a_fix(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOCTOR_N_CHECKS; i++) {
		CHECK(doctor_checks[i].run != NULL && strlen(doctor_checks[i].fix) > 10);
		CHECK(strlen(doctor_checks[i].name) <= 11);
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(doctor_checks[i].name, doctor_checks[j].name) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_judged_at_their_borders),
		cmocka_unit_test(test_modes_that_let_others_in_fail),
		cmocka_unit_test(test_what_separates_users_is_said),
		cmocka_unit_test(test_limits_are_read_from_what_the_kernel_writes),
		cmocka_unit_test(test_every_check_has_a_name_of_its_own_and_a_fix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
