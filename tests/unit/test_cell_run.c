/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/text.h"
#include "cell/cell.h"

#define A16  "aaaaaaaaaaaaaaaa"
#define A64  A16 A16 A16 A16
#define A128 A64 A64

static void test_identities_are_held_to_their_characters(void **state)
{
	static const struct {
		const char *cell, *run, *spec;
		int want;
		const char *names; /* the field that the error names */
	} rows[] = {
		{ "a", "r", "s", 0, "" },
		{ "A.z_0-9", "r:._+/=-", "sha256:ab+/==", 0, "" },
		{ A64, A128, A128, 0, "" },
		{ "", "r", "s", CHT_E_RANGE, "cell id" },
		{ A64 "a", "r", "s", CHT_E_RANGE, "cell id" },
		{ "a b", "r", "s", CHT_E_RANGE, "cell id" },
		{ "a/b", "r", "s", CHT_E_RANGE, "cell id" },
		{ "a:b", "r", "s", CHT_E_RANGE, "cell id" },
		{ "a\"", "r", "s", CHT_E_RANGE, "cell id" },
		{ "\xc3\xa9", "r", "s", CHT_E_RANGE, "cell id" },
		{ "a", A128 "a", "s", CHT_E_RANGE, "run id" },
		{ "a", "r r", "s", CHT_E_RANGE, "run id" },
		{ "a", "r\n", "s", CHT_E_RANGE, "run id" },
		{ "a", "r", A128 "a", CHT_E_RANGE, "spec" },
		{ "a", "r", "s,", CHT_E_RANGE, "spec" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run run = { .sequence = 99 };
		struct run_names names;
		struct cht_err err = { .code = 0 };

		check_row = rows[i].cell;
		CHECK_INT(run_init(&run, &names, str_of(rows[i].cell), str_of(rows[i].run),
				   str_of(rows[i].spec), &err),
			  rows[i].want);
		if (rows[i].want != 0) {
			CHECK(str_starts(str_of(err.text), str_of(rows[i].names)));
			CHECK_INT(run.sequence, 99);
			continue;
		}
		CHECK_STR(str_of(run.cell_id), rows[i].cell);
		CHECK_STR(str_of(run.run_id), rows[i].run);
		CHECK_STR(str_of(run.spec), rows[i].spec);
		CHECK_INT(run.sequence, 0);
	}
	check_row = "a NUL is no character of the list";
	CHECK_INT(run_init(&(struct run){ .sequence = 0 }, &(struct run_names){ .spec = "" },
			   (struct cht_str){ "a\0b", 3 }, STR("r"), STR("s"), NULL),
		  CHT_E_RANGE);
}

static void test_what_is_not_given_is_made_up(void **state)
{
	struct run one, two;
	struct run_names names, others;

	(void)state;
	CHECK_INT(run_init(&one, &names, STR("c"), STR(""), STR(""), NULL), 0);
	CHECK_INT(run_init(&two, &others, STR("c"), STR(""), STR(""), NULL), 0);
	CHECK(str_starts(str_of(one.run_id), STR("run-")));
	CHECK_INT(strlen(one.run_id), 4 + UUID_LEN);
	CHECK(one.run_id[4 + 14] == '4');
	CHECK(strchr("89ab", one.run_id[4 + 19]) != NULL);
	CHECK_STR(str_of(one.spec), "unspecified");
	CHECK(strcmp(one.run_id, two.run_id) != 0);
	CHECK(one.bits.c != two.bits.c);
}

static void test_the_hosts_own_run_has_an_origin(void **state)
{
	struct run run;
	struct run_names names;
	char longest[CHT_CELL_ID_MAX * 2 + 2];

	(void)state;
	CHECK_INT(run_init_host(&run, &names, STR("host.example/00ff"), STR("sha256:00"), NULL), 0);
	CHECK_STR(str_of(run.cell_id), "host.example/00ff");
	CHECK(str_starts(str_of(run.run_id), STR("host-")));
	CHECK_INT(run_init_host(&run, &names, STR(""), STR("s"), NULL), CHT_E_RANGE);
	CHECK_INT(run_init_host(&run, &names, STR("\xff"), STR("s"), NULL), CHT_E_RANGE);
	CHECK_INT(run_init_host(&run, &names, STR("o"), STR("s s"), NULL), CHT_E_RANGE);
	memset(longest, 'o', sizeof(longest));
	CHECK_INT(run_init_host(&run, &names, (struct cht_str){ longest, sizeof(longest) - 2 },
				STR("s"), NULL),
		  0);
	CHECK_INT(run_init_host(&run, &names, (struct cht_str){ longest, sizeof(longest) - 1 },
				STR("s"), NULL),
		  CHT_E_RANGE);
}

static void test_all_74_bits_are_drawn_and_no_more(void **state)
{
	struct run run;
	struct run_names names;
	uint64_t ored_c = 0, anded_c = UINT64_MAX;
	unsigned ored_b = 0, anded_b = 0xffff;

	(void)state;
	CHECK_INT(run_init(&run, &names, STR("c"), STR("r"), STR("s"), NULL), 0);
	run_continue(&run, (struct run_bits){ 0xffff, UINT64_MAX }, 41, 7);
	CHECK_INT(run.bits.b, 0xfff);
	CHECK(run.bits.c == UINT64_C(0x3fffffffffffffff));
	CHECK_INT(run.sequence, 41);
	CHECK_INT(run.first_index, 7);
	CHECK(run.is_continued);
	for (int i = 0; i < 200; i++) { /* each of the 74 bits is drawn both ways */
		CHECK_INT(run_init(&run, &names, STR("c"), STR("r"), STR("s"), NULL), 0);
		ored_b |= run.bits.b;
		anded_b &= run.bits.b;
		ored_c |= run.bits.c;
		anded_c &= run.bits.c;
	}
	CHECK_INT(ored_b, 0xfff);
	CHECK_INT(anded_b, 0);
	CHECK(ored_c == UINT64_C(0x3fffffffffffffff));
	CHECK(anded_c == 0);
}

static void test_sequence_has_no_hole_and_kinds_are_counted(void **state)
{
	struct cht_now now = { 1, 2, 3 };
	struct cht_stamped s;
	uint64_t counts[EV_N_KINDS] = { 0 };
	struct run run;
	struct run_names names;

	(void)state;
	CHECK_INT(run_init(&run, &names, STR("c"), STR("r"), STR("s"), NULL), 0);
	run.counts = counts;
	for (unsigned i = 0; i < 3 * EV_N_KINDS; i++) {
		memset(&s, 0xff, sizeof(s));
		run_stamp(&run, (enum event_kind)(i % EV_N_KINDS), &now, &s);
		CHECK_INT(s.sequence, i + 1);
		CHECK_INT(s.kind, i % EV_N_KINDS);
		CHECK(s.run == &run && s.guest == NULL && !s.stale && s.frame.connection == 0);
		CHECK(s.at.realtime_ns == 1 && s.at.monotonic_ns == 2 && s.at.boottime_ns == 3);
	}
	for (unsigned i = 0; i < EV_N_KINDS; i++)
		CHECK_INT(counts[i], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identities_are_held_to_their_characters),
		cmocka_unit_test(test_what_is_not_given_is_made_up),
		cmocka_unit_test(test_the_hosts_own_run_has_an_origin),
		cmocka_unit_test(test_all_74_bits_are_drawn_and_no_more),
		cmocka_unit_test(test_sequence_has_no_hole_and_kinds_are_counted),
	};

	return cmocka_run_group_tests_name("cell_run", tests, NULL, NULL);
}
