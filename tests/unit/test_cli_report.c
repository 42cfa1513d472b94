/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/report.h"

#define SECOND ((int64_t)NS_PER_S)

static uint64_t all_of(const struct report_timeline *t)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < REPORT_SPANS; i++)
		n += t->span[i].events[LANE_GUEST];
	return n;
}

/* A third of a second apart; false when some are not there meanwhile. */
static bool fill(struct report_timeline *t, unsigned n)
{
	bool is_whole = true;

	for (unsigned i = 0; i < n; i++) {
		report_span_at(t, 7 * SECOND + (int64_t)i * SECOND / 3)->events[LANE_GUEST]++;
		is_whole = is_whole && all_of(t) == i + 1 && report_spans_used(t) <= REPORT_SPANS;
	}
	return is_whole;
}

/* Of all spans but the last, which is not over. */
static uint64_t spread(const struct report_timeline *t)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i + 1 < report_spans_used(t); i++) {
		uint64_t n = t->span[i].events[LANE_GUEST];

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	return most - least;
}

static void test_a_timeline_becomes_wider_and_loses_nothing(void **state)
{
	struct report_timeline t = { .is_begun = false };

	(void)state;
	CHECK(fill(&t, 5000));
	CHECK(report_spans_used(&t) > REPORT_SPANS / 2);
	CHECK_INT(t.from_ns, 7 * SECOND);
	CHECK(spread(&t) <= 1);
}

static void test_a_clock_that_was_set_back_stands_at_the_beginning(void **state)
{
	struct report_timeline t = { .is_begun = false };

	(void)state;
	report_span_at(&t, 10 * SECOND)->events[LANE_GUEST]++;
	report_span_at(&t, -SECOND)->events[LANE_GUEST]++;
	report_span_at(&t, INT64_MAX)->events[LANE_GUEST]++;
	CHECK_INT(all_of(&t), 3);
	CHECK_INT(t.span[0].events[LANE_GUEST], 2);
	CHECK(report_spans_used(&t) <= REPORT_SPANS);
}

static void test_gaps_stay_when_spans_become_one(void **state)
{
	struct report_timeline t = { .is_begun = false };
	uint64_t lost = 0, holes = 0, silent = 0;

	(void)state;
	report_span_at(&t, 0)->lost = 3;
	report_span_at(&t, SECOND / 20)->is_hole = true;
	report_span_at(&t, 1000 * SECOND)->lost = 4;
	report_mark_silent(&t, 400 * SECOND, 600 * SECOND);
	for (unsigned i = 0; i < REPORT_SPANS; i++) {
		lost += t.span[i].lost;
		holes += t.span[i].is_hole;
		silent += t.span[i].is_silent;
	}
	CHECK_INT(lost, 7);
	CHECK_INT(holes, 1);
	CHECK(silent * t.width_ns >= 200 * NS_PER_S);
	CHECK((silent - 2) * t.width_ns <= 200 * NS_PER_S);
}

static void pick(struct report_picks *p, uint64_t index, enum report_class class, size_t len)
{
	static uint8_t bytes[1 << 16];
	const struct tlog_hash leaf = { { 0 } };
	const struct verify_event event = { .index = index,
					    .entry = { bytes, len },
					    .leaf = &leaf };

	CHECK_INT(report_pick(p, &event, class, LANE_HOST), 0);
}

/* How many of a class are there, in the order of their indexes; SIZE_MAX: they are in none. */
static size_t picked_of(const struct report_picks *p, enum report_class class)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		n += p->list[i].class == class;
		if (i > 0 && p->list[i - 1].index >= p->list[i].index)
			return SIZE_MAX;
	}
	return n;
}

static enum report_class class_of(unsigned i)
{
	return i % 100 == 0 ? CLASS_LIFE : i % 10 == 0 ? CLASS_GAP : CLASS_PLAIN;
}

static void test_what_tells_most_stays(void **state)
{
	static struct report_picks p;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		pick(&p, i, class_of(i), 9);
	report_picks_sort(&p);
	CHECK_INT(picked_of(&p, CLASS_LIFE), 30);
	CHECK_INT(picked_of(&p, CLASS_GAP), 270);
	CHECK_INT(picked_of(&p, CLASS_PLAIN), 200);
	CHECK_INT(p.left_out[CLASS_PLAIN], 2500);
	CHECK_INT(p.list[2].index, 2); /* of the least, those that came first */
	report_picks_free(&p);
}

static void test_few_large_entries_are_enough(void **state)
{
	static struct report_picks p;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		pick(&p, i, CLASS_READING, CHT_ENTRY_MAX_BYTES);
	CHECK(p.bytes <= REPORT_PICKED_BYTES && p.n < 150);
	pick(&p, 300, CLASS_LIFE, CHT_ENTRY_MAX_BYTES);
	CHECK(p.bytes <= REPORT_PICKED_BYTES);
	CHECK_INT(p.list[p.n - 1].index, 300);
	CHECK_INT(p.n + p.left_out[CLASS_READING], 301);
	report_picks_free(&p);
}

static void put_delta(void *context, const struct report_delta *d)
{
	struct buf *b = context;
	char text[128];
	int n = snprintf(text, sizeof(text), "%s %d>%d;", d->path, (int)d->first, (int)d->last);

	buf_put(b, text, (size_t)n);
}

static void check_deltas(const char *first, const char *last, const char *changed, unsigned same)
{
	const struct report_probe p = { .first = (char *)(uintptr_t)first,
					.last = (char *)(uintptr_t)last };
	char text[512];
	struct buf b = buf_init(text, sizeof(text));

	CHECK_INT(report_deltas(&p, false, put_delta, &b), same);
	CHECK_STR(((struct cht_str){ text, buf_len(&b) }), changed);
}

static void test_numbers_of_readings_are_told_apart_by_their_paths(void **state)
{
	static const struct {
		const char *first, *last, *changed;
		unsigned same;
	} rows[] = {
		{ "{\"a\":1,\"b\":{\"c\":2}}", "{\"a\":3,\"b\":{\"c\":2}}", "a 1>3;", 1 },
		{ "{\"a\":1}", "{\"b\":1}", "", 0 },
		{ "{\"a\":\"x\",\"b\":1.5}", "{\"a\":\"y\",\"b\":2.5}", "", 0 },
		{ "{\"metrics\":{\"x\":1},\"totals\":{\"x\":1}}",
		  "{\"metrics\":{\"x\":9},\"totals\":{\"x\":12}}", "totals.x 1>12;", 0 },
		/* A rule that another stands before now is the same rule. */
		{ "{\"rows\":[{\"chain\":\"out\",\"handle\":4,\"packets\":1}]}",
		  "{\"rows\":[{\"chain\":\"out\",\"handle\":9,\"packets\":7},{\"chain\":\"out\","
		  "\"handle\":4,\"packets\":5}]}",
		  "rows[out/4].packets 1>5;", 1 },
		{ "no JSON", "{}", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].first;
		check_deltas(rows[i].first, rows[i].last, rows[i].changed, rows[i].same);
	}
}

static void test_a_shell_takes_what_is_quoted_as_one_word(void **state)
{
	static const struct {
		const char *word, *want;
	} rows[] = {
		{ "run-7", "run-7" },
		{ "/var/lib/cht", "/var/lib/cht" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "$(x)`y`", "'$(x)`y`'" },
		{ "~root", "'~root'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64];
		struct buf b = buf_init(text, sizeof(text));

		check_row = rows[i].word;
		report_put_quoted(&b, rows[i].word);
		CHECK_STR(((struct cht_str){ text, buf_len(&b) }), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_timeline_becomes_wider_and_loses_nothing),
		cmocka_unit_test(test_a_clock_that_was_set_back_stands_at_the_beginning),
		cmocka_unit_test(test_gaps_stay_when_spans_become_one),
		cmocka_unit_test(test_what_tells_most_stays),
		cmocka_unit_test(test_few_large_entries_are_enough),
		cmocka_unit_test(test_numbers_of_readings_are_told_apart_by_their_paths),
		cmocka_unit_test(test_a_shell_takes_what_is_quoted_as_one_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
