/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/limits.h"
#include "base/text.h"
#include "cli/top_view.h"

static struct sample read_cells(const char *text)
{
	struct sample s = { .at_ns = NS_PER_S };
	json_t *list = json_loads(text, 0, NULL);

	CHECK_INT(sample_read_cells(&s, list, NULL), 0);
	json_decref(list);
	return s;
}

#define CELL(id, run, received, refused, dropped, silent)                                          \
	"{\"id\":\"" id "\",\"run\":\"" run "\",\"state\":\"open\",\"connections\":1,"             \
	"\"frames\":{\"received\":" #received                                                      \
	",\"stored\":0,\"heartbeats\":0,\"refused\":" #refused ",\"dropped\":" #dropped            \
	"},\"silent\":" #silent ",\"silentMs\":7}"

static void test_rates_are_of_the_same_run_of_the_same_cell(void **state)
{
	struct sample before = read_cells(
		"[" CELL("a", "1", 100, 0, 0, true) "," CELL("b", "1", 100, 5, 0, false) "," CELL(
			"c", "1", 9, 0, 0, false) "," CELL("e", "1", 50, 0, 0, false) "]");
	struct sample now = read_cells(
		"[" CELL("a", "1", 300, 0, 4, true) "," CELL("b", "2", 200, 5, 0, false) "," CELL(
			"d", "1", 9, 0, 0, false) "," CELL("e", "1", 49, 0, 0, true) "]");
	static const struct {
		const char *id;
		uint64_t received, dropped, silent_ms;
	} rows[] = {
		{ "a", 1000, 20, 7 },
		{ "b", SAMPLE_NONE, SAMPLE_NONE, 7 }, /* another run */
		{ "d", SAMPLE_NONE, SAMPLE_NONE, 7 }, /* was not there */
		{ "e", SAMPLE_NONE, 0, 7 },           /* went back */
	};

	(void)state;
	sample_compare(&before, NULL);
	CHECK_INT(before.cells[0].received_rate, SAMPLE_NONE);
	now.at_ns = 3 * NS_PER_S;
	sample_compare(&now, &before);
	for (size_t i = 0; i < now.n; i++) {
		check_row = rows[i].id;
		CHECK_STR(str_of(now.cells[i].id), rows[i].id);
		CHECK_INT(now.cells[i].received_rate, rows[i].received);
		CHECK_INT(now.cells[i].dropped_rate, rows[i].dropped);
		CHECK_INT(now.cells[i].silent_ns, rows[i].silent_ms * NS_PER_MS);
	}
	sample_free(&before);
	sample_free(&now);
}

static void test_metrics_are_read_and_what_is_not_known_is_passed_over(void **state)
{
	struct sample s = { .is_written = true };

	(void)state;
	sample_read_metrics(&s, STR("# HELP cht_cells x\n# TYPE cht_cells gauge\ncht_cells 3\n"
				    "cht_new{a=\"b\"} 1\ncht_frames_received_total 70\n\nx\n"
				    "cht_frames_stored_total 6e1\ncht_ledger_entries 99"));
	CHECK_INT(s.registered, 3);
	CHECK_INT(s.frames.received, 70);
	CHECK_INT(s.frames.stored, 0);
	CHECK_INT(s.entries, 99);
	CHECK(s.is_written);
	sample_read_metrics(&s, STR("cht_ledger_paused 1\n"));
	CHECK(!s.is_written);
}

static void test_what_is_no_list_of_cells_is_refused(void **state)
{
	static const char *const good[] = { "[]", "[1]", "[{}]", "[{\"id\":3,\"frames\":[]}]",
					    "[{\"frames\":{\"received\":-1}}]" };
	json_t *object = json_object();
	struct sample s = { .n = 0 };

	(void)state;
	CHECK_INT(sample_read_cells(&s, object, NULL), CHT_E_PEER);
	CHECK_INT(sample_read_cells(&s, NULL, NULL), CHT_E_PEER);
	json_decref(object);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		s = read_cells(good[i]);
		CHECK(s.n == 0 || s.cells[0].frames.received == 0);
		sample_free(&s);
	}
}

static void test_cells_are_sorted_by_what_is_asked_for(void **state)
{
	static const struct {
		enum top_sort by;
		const char *order;
	} rows[] = {
		{ TOP_TROUBLE, "qlrfx" },     { TOP_FRAMES, "flrqx" },  { TOP_LOST, "lfqrx" },
		{ TOP_REFUSED, "rflqx" },     { TOP_SILENCE, "qflrx" }, { TOP_CELL, "flqrx" },
		{ TOP_CONNECTIONS, "flqrx" },
	};
	struct sample s = read_cells(
		"[" CELL("f", "1", 900, 0, 0, false) "," CELL("l", "1", 90, 0, 3, false) "," CELL(
			"q", "1", 1, 0, 0, true) "," CELL("r", "1", 9, 5, 0,
							  false) "," CELL("x", "1", 0, 0, 0,
									  false) "]");
	const struct sample_cell *order[5];

	(void)state;
	sample_compare(&s, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = top_sorts[rows[i].by];
		top_order(&s, rows[i].by, order);
		for (size_t k = 0; k < 5; k++)
			CHECK_INT(order[k]->id[0], rows[i].order[k]);
	}
	sample_free(&s);
}

static void test_a_condition_that_is_bad_news_is_amiss(void **state)
{
	static const struct {
		const char *condition;
		bool is_silent, want;
	} rows[] = {
		{ NULL, false, false },     { NULL, true, true },      { "live", false, false },
		{ "idle", true, false },    { "paused", true, false }, { "silent", true, true },
		{ "hung", false, true },    { "gone", true, true },    { "expected", false, false },
		{ "starved", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].condition != NULL ? rows[i].condition : "none";
		CHECK_INT(sample_is_amiss(rows[i].condition, rows[i].is_silent), rows[i].want);
	}
}

static void test_every_way_to_sort_has_a_letter_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < TOP_N_SORTS; i++)
		for (int j = 0; j < i; j++)
			CHECK(top_sorts[i][0] != top_sorts[j][0]);
	for (int i = 0; i < TOP_N_SORTS; i++)
		CHECK(top_sorts[i][0] != 'q' && top_sorts[i][0] != ' ');
}

static void test_numbers_stay_short(void **state)
{
	static const struct {
		void (*put)(struct buf *, uint64_t);
		uint64_t v;
		const char *want;
	} rows[] = {
		{ top_put_count, 0, "0" },
		{ top_put_count, 99999, "99999" },
		{ top_put_count, 100000, "100k" },
		{ top_put_count, 999999, "999k" },
		{ top_put_count, 1000000, "1M" },
		{ top_put_count, 1250000, "1.2M" },
		{ top_put_count, 99950000, "99.9M" },
		{ top_put_count, UINT64_C(123456789012), "123G" },
		{ top_put_count, SAMPLE_NONE, "-" },
		{ top_put_count, SAMPLE_NONE - 1, "18.4E" },
		{ top_put_rate, 0, "0" },
		{ top_put_rate, 3, "0.3" },
		{ top_put_rate, 999, "99.9" },
		{ top_put_rate, 1000, "100" },
		{ top_put_rate, 123456, "12346" },
		{ top_put_rate, SAMPLE_NONE, "-" },
		{ top_put_time, 0, "0s" },
		{ top_put_time, 59 * NS_PER_S, "59s" },
		{ top_put_time, 310 * NS_PER_S, "5m10s" },
		{ top_put_time, 10925 * NS_PER_S, "3h02m" },
		{ top_put_time, 86399 * NS_PER_S, "23h59m" },
		{ top_put_time, 900000 * NS_PER_S, "10d" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[32];
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = rows[i].want;
		rows[i].put(&b, rows[i].v);
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), rows[i].want);
		CHECK(buf_len(&b) <= 6);
	}
}

static void check_line(const struct buf *b, int width)
{
	CHECK(!b->full);
	CHECK(b->at - b->start <= width);
	for (const uint8_t *p = b->start; p < b->at; p++)
		CHECK(*p >= 0x20 && *p < 0x7f);
}

static void test_no_line_is_wider_than_the_terminal_or_moves_its_cursor(void **state)
{
	static struct sample_cell cells[2];
	struct sample s = {
		.cells = cells, .n = 2, .entries = UINT64_MAX - 1, .at_ns = UINT64_MAX
	};

	(void)state;
	memset(cells[0].id, '\033', sizeof(cells[0].id) - 1);
	memset(cells[0].run, '\n', sizeof(cells[0].run) - 1);
	memset(cells[0].state, '\233', sizeof(cells[0].state) - 1);
	memset(s.version, '\a', sizeof(s.version) - 1);
	cells[0].is_silent = true;
	cells[0].frames =
		(struct sample_frames){ UINT64_MAX - 1, 0, 0, UINT64_MAX - 1, UINT64_MAX - 1 };
	sample_compare(&s, NULL);
	cells[0].silent_ns = UINT64_MAX;
	for (int width = 20; width < 300; width++) {
		struct top_layout l = top_layout(&s, width);
		char mem[TOP_LINE_MAX];
		struct buf b;

		for (unsigned i = 0; i < TOP_HEAD_LINES; i++) {
			b = buf_init(mem, sizeof(mem));
			top_put_head(&b, &s, i, width);
			check_line(&b, width);
		}
		b = buf_init(mem, sizeof(mem));
		top_put_columns(&b, &l);
		check_line(&b, width);
		for (size_t i = 0; i < s.n; i++) {
			b = buf_init(mem, sizeof(mem));
			top_put_cell(&b, &l, &cells[i]);
			check_line(&b, width);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_are_of_the_same_run_of_the_same_cell),
		cmocka_unit_test(test_metrics_are_read_and_what_is_not_known_is_passed_over),
		cmocka_unit_test(test_what_is_no_list_of_cells_is_refused),
		cmocka_unit_test(test_cells_are_sorted_by_what_is_asked_for),
		cmocka_unit_test(test_a_condition_that_is_bad_news_is_amiss),
		cmocka_unit_test(test_every_way_to_sort_has_a_letter_of_its_own),
		cmocka_unit_test(test_numbers_stay_short),
		cmocka_unit_test(test_no_line_is_wider_than_the_terminal_or_moves_its_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
