/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_util.h"

static struct ledger_state look(void)
{
	struct ledger_state state;

	CHECK_INT(ledger_state_look(scratch, &state, NULL), 0);
	return state;
}

static const struct ledger_terms successor = {
	.retain_age_s = 5, .retain_bytes = 6, .reason = "rotation", .predecessor = "note\n"
};

static void check_terms(const struct ledger_terms *want)
{
	struct ledger_terms got = look().terms;

	CHECK_INT(got.retain_age_s, want->retain_age_s);
	CHECK_INT(got.retain_bytes, want->retain_bytes);
	CHECK_STR(str_of(got.reason), want->reason);
	CHECK_STR(str_of(got.predecessor), want->predecessor);
}

static void test_an_empty_log_takes_other_terms(void **state)
{
	struct ledger_state before = look();

	(void)state;
	check_terms(&test_terms);
	CHECK_INT(ledger_set_terms(scratch, &successor, NULL), 0);
	check_terms(&successor);
	CHECK(look().generation == before.generation + 1);
	CHECK(memcmp(look().machine_id, before.machine_id, sizeof(before.machine_id)) == 0);
	CHECK_INT(ledger_set_terms(scratch, &test_terms, NULL), 0);
	check_terms(&test_terms);
	make_ledger(0, true);
}

static void test_one_that_has_begun_keeps_its_own(void **state)
{
	struct cht_err err = { 0 };

	(void)state;
	CHECK_INT(ledger_set_terms(scratch, &successor, NULL), 0);
	make_ledger(3, true);
	CHECK_INT(ledger_set_terms(scratch, &test_terms, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "has begun") != NULL);
	check_terms(&successor);
}

static void test_without_a_state_there_is_nothing_to_set(void **state)
{
	struct ledger_state slot;

	(void)state;
	CHECK_INT(truncate(path_of("scribe/state"), 0), 0);
	CHECK_INT(ledger_state_look(scratch, &slot, NULL), CHT_E_STATE);
	CHECK_INT(ledger_set_terms(scratch, &successor, NULL), CHT_E_STATE);
	CHECK_INT(unlink(path_of("scribe/state")), 0);
	CHECK_INT(ledger_state_look(scratch, &slot, NULL), CHT_E_STATE);
	CHECK_INT(ledger_set_terms(scratch, &successor, NULL), CHT_E_STATE);
	CHECK_INT(ledger_state_look("/nonexistent", &slot, NULL), CHT_E_IO);
	CHECK_INT(ledger_set_terms("/nonexistent", &successor, NULL), CHT_E_IO);
}

#define WITH_LEDGER(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LEDGER(test_an_empty_log_takes_other_terms),
		WITH_LEDGER(test_one_that_has_begun_keeps_its_own),
		WITH_LEDGER(test_without_a_state_there_is_nothing_to_set),
	};

	return cmocka_run_group_tests_name("ledger_succession", tests, NULL, NULL);
}
