/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cli/procs.h"

/* "+7<3" began with parent 3, "+7" without one, "-7" ended; separated by blanks. */
static void play(struct procs *procs, const char *script)
{
	uint64_t index = 0;

	for (const char *p = script; *p != '\0'; p++) {
		struct proc_facts f = { .index = index, .time = STR("t"), .comm = STR("\"c\"") };
		bool began = *p == '+';
		char *end;

		f.pid = (uint32_t)strtoul(p + 1, &end, 10);
		f.has_ppid = *end == '<';
		if (f.has_ppid)
			f.ppid = (uint32_t)strtoul(end + 1, &end, 10);
		if (began)
			CHECK_INT(procs_began(procs, &f, NULL), 0);
		else
			procs_ended(procs, f.pid);
		p = *end == '\0' ? end - 1 : end;
		index++;
	}
}

/* "1 .2 ..3 4?" : dots for depth, ? an orphan, @ a circle. */
static struct cht_str draw(struct procs *procs, char *out, size_t cap)
{
	struct proc_row *rows = calloc(procs->n_live + 1, sizeof(*rows));
	struct buf b = buf_init(out, cap);

	procs_list(procs, true, rows);
	for (size_t i = 0; i < procs->n_live; i++) {
		if (i > 0)
			buf_put_byte(&b, ' ');
		for (uint32_t d = 0; d < rows[i].depth; d++)
			buf_put_byte(&b, '.');
		put_u64(&b, rows[i].proc->pid);
		if (rows[i].place == PROC_ORPHAN)
			buf_put_byte(&b, '?');
		if (rows[i].place == PROC_CIRCLE)
			buf_put_byte(&b, '@');
	}
	free(rows);
	return (struct cht_str){ out, buf_len(&b) };
}

static void test_children_stand_below_who_had_the_number_when_they_began(void **state)
{
	static const struct {
		const char *why, *script, *tree;
	} rows[] = {
		{ "nothing", "", "" },
		{ "one", "+5", "5" },
		{ "by pid, whatever the order", "+9<1 +1<0 +3<1 +2<1", "1 .2 .3 .9" },
		{ "deep", "+1<0 +2<1 +3<2 +4<3 +5<1", "1 .2 ..3 ...4 .5" },
		{ "a parent that nobody saw", "+7<3 +8<7", "7? .8" },
		{ "a parent that ended", "+3<0 +7<3 -3", "7?" },
		{ "its number given again is another one", "+3<0 +7<3 -3 +3<0", "3 7?" },
		{ "child of the second", "+3<0 -3 +3<0 +7<3", "3 .7" },
		{ "unseen, then told of", "+7<3 +3<0", "3 .7" },
		{ "unseen, then two of the number", "+7<3 +3<0 -3 +3<0", "3 7?" },
		{ "executes something else", "+3<0 +7<3 +7<3", "3 .7" },
		{ "goes to another parent", "+1<0 +3<1 +7<3 -3 +7<1", "1 .7" },
		{ "ended and begun", "+7<1 -7 +7<2 +2<0", "2 .7" },
		{ "ended without beginning", "-7 +1<0", "1" },
		{ "its own parent", "+5<5 +6<5", "5@ .6" },
		{ "a circle of two", "+5<6 +6<5", "5@ .6" },
		{ "a circle with a tail before it", "+2<5 +5<6 +6<5 +9<6", "5@ .2 .6 ..9" },
		{ "two circles and a tree", "+1<0 +5<6 +6<5 +8<9 +9<8 +3<1", "1 .3 5@ .6 8@ .9" },
		{ "a circle that ended in part", "+5<6 +6<5 -6", "5?" },
		{ "the largest numbers", "+4294967295<4294967294 +4294967294<0",
		  "4294967294 .4294967295" },
		{ "number 0", "+0<0 +1<0", "0 .1" },
	};
	char out[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct procs procs = { 0 };

		check_row = rows[i].why;
		play(&procs, rows[i].script);
		CHECK_STR(draw(&procs, out, sizeof(out)), rows[i].tree);
		procs_free(&procs);
	}
}

static void test_what_began_and_ended_is_counted(void **state)
{
	struct procs procs = { 0 };

	(void)state;
	play(&procs, "+1<0 +2<1 +2<1 -2 -2 -9 +2<1");
	CHECK_INT(procs.began, 3);
	CHECK_INT(procs.ended, 1);
	CHECK_INT(procs.unknown_ends, 2);
	CHECK_INT(procs.n_live, 2);
	procs_free(&procs);
	CHECK_INT(procs.n_live, 0);
}

static void test_a_chain_or_a_circle_of_any_length_is_drawn(void **state)
{
	enum { N = 100000 };
	struct proc_row *rows = calloc(N, sizeof(*rows));

	(void)state;
	for (unsigned is_circle = 0; is_circle < 2; is_circle++) {
		struct procs procs = { 0 };

		for (uint32_t pid = 1; pid <= N; pid++) {
			struct proc_facts f = { .pid = pid,
						.ppid = pid > 1     ? pid - 1
							: is_circle ? N
								    : 0,
						.has_ppid = true,
						.time = STR("t"),
						.comm = STR("\"c\"") };

			CHECK_INT(procs_began(&procs, &f, NULL), 0);
		}
		procs_list(&procs, true, rows);
		CHECK_INT(rows[N - 1].depth, N - 1);
		CHECK_INT(rows[0].place, is_circle ? PROC_CIRCLE : PROC_ROOT);
		procs_free(&procs);
	}
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_stand_below_who_had_the_number_when_they_began),
		cmocka_unit_test(test_what_began_and_ended_is_counted),
		cmocka_unit_test(test_a_chain_or_a_circle_of_any_length_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
