/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/ids.h"
#include "daemon/sorted.h"

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

/* Read in parts, with a step at random between two of them: every name is told once, in order, that
 * was there all the time. */
static void test_a_list_in_parts_has_all_that_stay(void **state)
{
	static unsigned told[PLACES];
	static bool is_in[PLACES], stays[PLACES];
	struct sorted order;
	uint64_t seed = 1;

	(void)state;
	CHECK_INT(sorted_open(&order, PLACES, name_of, NULL, NULL), 0);
	CHECK_INT(sorted_after(&order, ""), IDS_NONE);
	for (uint32_t i = 0; i < PLACES; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		sorted_add(&order, i);
		is_in[i] = true;
	}
	for (int round = 0; round < 50; round++) {
		const char *last = "";
		uint32_t at;

		for (uint32_t i = 0; i < PLACES; i++) {
			stays[i] = is_in[i];
			told[i] = 0;
		}
		while ((at = sorted_after(&order, last)) != IDS_NONE) {
			uint32_t i;

			CHECK(strcmp(names[at], last) > 0 && is_in[at]);
			told[at]++;
			last = names[at];
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			i = (uint32_t)(seed >> 33) % PLACES;
			if (is_in[i])
				sorted_remove(&order, i);
			else
				sorted_add(&order, i);
			is_in[i] = !is_in[i];
			sorted_remove(&order, is_in[i] ? PLACES - 1 - i : i);
			if (is_in[i])
				is_in[PLACES - 1 - i] = false;
			stays[i] = stays[PLACES - 1 - i] = false;
		}
		for (uint32_t i = 0; i < PLACES; i++)
			CHECK(told[i] <= 1 && (told[i] == 1 || !stays[i]));
	}
	sorted_close(&order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_and_goes_is_found_and_nothing_else),
		cmocka_unit_test(test_one_that_is_not_there_is_removed_without_harm),
		cmocka_unit_test(test_a_list_in_parts_has_all_that_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
