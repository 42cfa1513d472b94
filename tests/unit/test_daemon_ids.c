/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "daemon/ids.h"

enum { PLACES = 500 };

static char names[PLACES][8];

static const char *name_of(const void *context, uint32_t place)
{
	(void)context;
	return names[place];
}

/* Against a list of who is in: every step is looked at from every name. */
static void test_what_comes_and_goes_is_found_and_nothing_else(void **state)
{
	static bool is_in[PLACES];
	uint64_t seed = 1;
	struct ids ids;

	(void)state;
	CHECK_INT(ids_open(&ids, PLACES, name_of, NULL, NULL), 0);
	for (uint32_t i = 0; i < PLACES; i++)
		snprintf(names[i], sizeof(names[i]), "c%u", i);
	for (int turn = 0; turn < 4000; turn++) {
		uint32_t i;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		i = (uint32_t)(seed >> 33) % PLACES;
		if (is_in[i])
			ids_remove(&ids, i);
		else
			ids_add(&ids, i);
		is_in[i] = !is_in[i];
		for (uint32_t k = 0; k < PLACES; k++)
			CHECK_INT(ids_find(&ids, names[k]), is_in[k] ? k : IDS_NONE);
	}
	CHECK_INT(ids_find(&ids, "d"), IDS_NONE);
	ids_close(&ids);
}

static void test_one_that_is_not_there_is_removed_without_harm(void **state)
{
	struct ids ids;

	(void)state;
	snprintf(names[0], sizeof(names[0]), "a");
	snprintf(names[1], sizeof(names[1]), "b");
	CHECK_INT(ids_open(&ids, 1, name_of, NULL, NULL), 0);
	ids_remove(&ids, 0);
	ids_add(&ids, 0);
	ids_remove(&ids, 1);
	CHECK_INT(ids_find(&ids, "a"), 0);
	ids_remove(&ids, 0);
	CHECK_INT(ids_find(&ids, "a"), IDS_NONE);
	ids_close(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_and_goes_is_found_and_nothing_else),
		cmocka_unit_test(test_one_that_is_not_there_is_removed_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
