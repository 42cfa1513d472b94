/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger_util.h"

static struct ledger_state look(void)
{
	struct ledger_state state;

	CHECK_INT(ledger_state_look(scratch, &state, NULL), 0);
	return state;
}

static void test_an_empty_log_takes_its_predecessors_note(void **state)
{
	struct ledger_state before = look(), after;

	(void)state;
	CHECK_INT(ledger_set_predecessor(scratch, "note\n", NULL), 0);
	after = look();
	CHECK_STR(str_of(after.terms.predecessor), "note\n");
	CHECK_STR(str_of(after.terms.reason), "init");
	CHECK(after.generation == before.generation + 1);
	/* The same once more changes nothing; another, while it is empty, does. */
	CHECK_INT(ledger_set_predecessor(scratch, "note\n", NULL), 0);
	CHECK(look().generation == after.generation);
	CHECK_INT(ledger_set_predecessor(scratch, "other\n", NULL), 0);
	after = look();
	CHECK_STR(str_of(after.terms.predecessor), "other\n");
}

static void test_one_that_has_begun_keeps_its_own(void **state)
{
	struct cht_err err = { 0 };

	(void)state;
	CHECK_INT(ledger_set_predecessor(scratch, "note\n", NULL), 0);
	make_ledger(3, true);
	CHECK_INT(ledger_set_predecessor(scratch, "note\n", &err), 0);
	CHECK_INT(ledger_set_predecessor(scratch, "other\n", &err), CHT_E_STATE);
	CHECK(strstr(err.text, "another predecessor") != NULL);
	CHECK_STR(str_of(look().terms.predecessor), "note\n");
}

static void test_what_cannot_be(void **state)
{
	char note[LEDGER_NOTE_MAX + 2];
	struct ledger_state slot;

	(void)state;
	memset(note, 'n', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	CHECK_INT(ledger_set_predecessor(scratch, note, NULL), CHT_E_RANGE);
	note[LEDGER_NOTE_MAX] = '\0';
	CHECK_INT(ledger_set_predecessor(scratch, note, NULL), 0);
	CHECK_STR(str_of(look().terms.predecessor), note);
	CHECK_INT(truncate(path_of("scribe/state"), 0), 0);
	CHECK_INT(ledger_state_look(scratch, &slot, NULL), CHT_E_STATE);
	CHECK_INT(ledger_set_predecessor(scratch, "note\n", NULL), CHT_E_STATE);
	CHECK_INT(unlink(path_of("scribe/state")), 0);
	CHECK_INT(ledger_state_look(scratch, &slot, NULL), CHT_E_STATE);
	CHECK_INT(ledger_state_look("/nonexistent", &slot, NULL), CHT_E_IO);
	CHECK_INT(ledger_set_predecessor("/nonexistent", "note\n", NULL), CHT_E_IO);
}

#define WITH_LEDGER(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LEDGER(test_an_empty_log_takes_its_predecessors_note),
		WITH_LEDGER(test_one_that_has_begun_keeps_its_own),
		WITH_LEDGER(test_what_cannot_be),
	};

	return cmocka_run_group_tests_name("ledger_succession", tests, NULL, NULL);
}
