/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundles: what is whole is clean, and whatever is changed, left out or written otherwise is told.
 */
#include "bundle_util.h"

static const struct verify_options none = { .jobs = 1 };

/* Verifies these bytes as a bundle; the code when it is none. */
static int verify_bytes(const void *bytes, size_t n, struct verify_report *report)
{
	static struct verify_trust *trust;
	int fd = open(made_path("b"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (trust == NULL)
		trust = test_trust(false, false);
	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, bytes, n, NULL), 0);
	fd_close(&fd);
	return verify_path(made_path("b"), trust, &none, report, NULL);
}

static const bool of_run[MADE_MAX] = { [2] = true, [3] = true, [4] = true, [5] = true,
				       [6] = true, [7] = true, [8] = true, [9] = true };

static char mem[BUNDLE_MAX], other[BUNDLE_MAX];

static void test_a_bundle_shows_a_run_or_everything(void **state)
{
	struct made m = usual(NULL);
	struct verify_report report;
	bool all[MADE_MAX];
	size_t n = make_bundle(&m, of_run, "run-1", mem);

	(void)state;
	CHECK_INT(verify_bytes(mem, n, &report), 0);
	check_verdict(&report, 0);
	CHECK_INT(report.form, VERIFY_OF_BUNDLE);
	CHECK_STR(str_of(report.bundle_run), "run-1");
	CHECK_INT(report.entries, 8);
	CHECK_INT(report.left_out, 3);
	CHECK_INT(report.first_index, 2);
	CHECK_INT(report.run.runs_sealed, 1);

	memset(all, true, sizeof(all));
	n = make_bundle(&m, all, NULL, mem);
	CHECK_INT(verify_bytes(mem, n, &report), 0);
	check_verdict(&report, 0);
	CHECK_INT(report.entries, USUAL_ENTRIES);
	made_free(&m);
}

static void test_an_event_left_out_is_told(void **state)
{
	static const struct {
		const char *why;
		unsigned i;
		int verdict;
		enum verify_fault fault;
		unsigned index;
	} rows[] = {
		{ "in the middle", 5, 11, VERIFY_HOLE, 6 },
		{ "the last frame", 8, 11, VERIFY_HOLE, 9 },
		{ "the first of the run", 2, 11, VERIFY_HEAD_MISSING, 0 },
		{ "the seal: the run may still be open", 9, 10, VERIFY_SOUND, 0 },
	};
	struct made m = usual(NULL);
	struct verify_report report;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool wanted[MADE_MAX];

		check_row = rows[i].why;
		memcpy(wanted, of_run, sizeof(wanted));
		wanted[rows[i].i] = false;
		n = make_bundle(&m, wanted, "run-1", mem);
		CHECK_INT(verify_bytes(mem, n, &report), 0);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
		CHECK_INT(report.first.at.index, rows[i].index);
	}
	check_row = "of a bundle of everything";
	n = make_bundle(&m, of_run, NULL, mem);
	CHECK_INT(verify_bytes(mem, n, &report), 0);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HEAD_MISSING);
	made_free(&m);
}

/* Beside the events of a run whose beginning was pruned stands what declares it. */
static void test_a_beginning_is_missing_only_where_pruning_took_it(void **state)
{
	static const struct {
		const char *why;
		uint64_t min_index;
		int verdict;
	} rows[] = { { "as declared", 3, 10 },
		     { "pruned, and not this run", 2, 11 },
		     { "as is not declared", 0, 11 } };
	struct verify_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = usual(NULL);
		struct cht_stamped s = { 0 };
		bool wanted[MADE_MAX];
		size_t n;

		check_row = rows[i].why;
		memcpy(wanted, of_run, sizeof(wanted));
		wanted[2] = false;
		run_stamp(&m.host, EV_LEDGER_PRUNED, &m.now, &s);
		s.facts.pruned.min_index = rows[i].min_index;
		wanted[m.n] = rows[i].min_index > 0;
		add(&m, &s);
		n = make_bundle(&m, wanted, "run-1", mem);
		CHECK_INT(verify_bytes(mem, n, &report), 0);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault,
			  rows[i].verdict == 11 ? VERIFY_HEAD_MISSING : VERIFY_SOUND);
		made_free(&m);
	}
}

/* It has no seal: it is from log.opened or host.started to host.stopped. */
static void test_the_run_of_the_host_is_shown_whole(void **state)
{
	static const struct {
		const char *why;
		bool wanted[USUAL_ENTRIES];
		int verdict;
		enum verify_fault fault;
	} rows[] = {
		{ "whole", { [0] = true, [1] = true, [10] = true }, 0, VERIFY_SOUND },
		{ "without its first", { [1] = true, [10] = true }, 11, VERIFY_HEAD_MISSING },
		{ "its last alone", { [10] = true }, 11, VERIFY_HEAD_MISSING },
		{ "without one between", { [0] = true, [10] = true }, 11, VERIFY_HOLE },
		{ "without its last", { [0] = true, [1] = true }, 10, VERIFY_SOUND },
		{ "none of it", { [2] = true }, 12, VERIFY_SOUND },
	};
	struct made m = usual(NULL);
	struct verify_report report;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].why;
		n = make_bundle(&m, rows[i].wanted, m.host.run_id, mem);
		CHECK_INT(verify_bytes(mem, n, &report), 0);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
	}
	made_free(&m);
}

/* The head of a bundle says of which run all is there: of others, anything may be left out. */
static void test_a_run_asked_of_the_bundle_of_another_cannot_be_told(void **state)
{
	static const struct {
		const char *head, *asked;
		int verdict;
	} rows[] = {
		{ "run-1", "run-1", 11 },
		{ "no-such-run", "run-1", 12 },
		{ "run-1 ", "run-1", 12 },
	};
	struct verify_trust *trust = test_trust(false, false);
	struct made m = usual(NULL);
	bool wanted[MADE_MAX] = { [2] = true, [9] = true }; /* opened and sealed alone */
	struct verify_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_options options = { .jobs = 1, .run_id = rows[i].asked };
		size_t n = make_bundle(&m, wanted, rows[i].head, mem);

		check_row = rows[i].head;
		(void)verify_bytes(mem, n, &report);
		CHECK_INT(verify_path(made_path("b"), trust, &options, &report, NULL), 0);
		check_verdict(&report, rows[i].verdict);
		CHECK(rows[i].verdict == 11 || report.completeness == VERIFY_CANNOT_TELL);
	}
	verify_trust_free(trust);
	made_free(&m);
}

/* The bundle with the first text replaced by the second; its length. */
static size_t replaced(size_t n, const char *from, const char *to)
{
	const char *at = memmem(mem, n, from, strlen(from));
	struct buf b = buf_init(other, sizeof(other));

	assert_non_null(at);
	buf_put(&b, mem, (size_t)(at - mem));
	buf_put(&b, to, strlen(to));
	buf_put(&b, at + strlen(from), n - (size_t)(at - mem) - strlen(from));
	CHECK(!b.full);
	return buf_len(&b);
}

static void test_there_is_one_spelling(void **state)
{
	static const struct {
		const char *why, *from, *to;
		enum verify_fault fault;
	} rows[] = {
		{ "bytes behind the end", "\nend\n", "\nend\n\n", VERIFY_BUNDLE },
		{ "no end", "\nend\n", "\n", VERIFY_BUNDLE },
		{ "an end without its newline", "\nend\n", "\nend", VERIFY_BUNDLE },
		{ "a line of DOS", "\nend\n", "\r\nend\n", VERIFY_BUNDLE },
		{ "a leading zero", "\n2 {", "\n02 {", VERIFY_BUNDLE },
		{ "a sign", "\n2 {", "\n+2 {", VERIFY_BUNDLE },
		{ "another index", "\n2 {", "\n3 {", VERIFY_BUNDLE },
		{ "two blanks", "\n2 {", "\n2  {", VERIFY_BUNDLE },
		{ "no blank", "\n2 {", "\n2{", VERIFY_BUNDLE },
		{ "an empty line", "\n2 {", "\n\n2 {", VERIFY_BUNDLE },
		{ "no empty line before the checkpoint", "run-1\n\n", "run-1\n", VERIFY_BUNDLE },
		{ "a second run", "run run-1\n", "run run-1\nrun run-2\n", VERIFY_BUNDLE },
		{ "an empty run", "run run-1\n", "run \n", VERIFY_BUNDLE },
		{ "a range backwards", "\n0-2 ", "\n2-0 ", VERIFY_BUNDLE },
		{ "a range that is no power of two", "\n0-2 ", "\n0-3 ", VERIFY_BUNDLE },
		{ "a range too far", "\n10-11 ", "\n10-12 ", VERIFY_BUNDLE },
		{ "the pad of a hash", "=\nend", "\nend", VERIFY_BUNDLE },
		{ "a blank behind a hash", "=\nend", "= \nend", VERIFY_BUNDLE },
	};
	struct made m = usual(NULL);
	size_t n = make_bundle(&m, of_run, "run-1", mem);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_report report;

		check_row = rows[i].why;
		CHECK_INT(verify_bytes(other, replaced(n, rows[i].from, rows[i].to), &report), 0);
		check_verdict(&report, 11);
		CHECK_INT(report.first.fault, rows[i].fault);
	}
	made_free(&m);
}

/* A line in the place of another one. */
static size_t with_line(size_t n, const char *begins, const struct buf *line)
{
	const char *at = (const char *)memmem(mem, n, begins, strlen(begins)) + 1;
	const char *end = memchr(at, '\n', n - (size_t)(at - mem));
	struct buf b = buf_init(other, sizeof(other));

	buf_put(&b, mem, (size_t)(at - mem));
	buf_put(&b, line->start, buf_len(line));
	buf_put(&b, end + 1, n - (size_t)(end + 1 - mem));
	CHECK(!b.full);
	return buf_len(&b);
}

static void test_what_could_be_said_shorter_is_refused(void **state)
{
	struct made m = usual(NULL);
	struct bundle p = { .m = &m };
	struct verify_report report;
	char text[8192];
	size_t n = make_bundle(&m, of_run, "run-1", mem);

	(void)state;
	for (unsigned i = 0; i < m.n; i++)
		tlog_leaf(m.entries[i], &p.leaf[i]);
	check_row = "two halves in the place of a whole";
	p.b = buf_init(text, sizeof(text));
	put_subtree(&p, 0, 1);
	put_subtree(&p, 1, 2);
	CHECK_INT(verify_bytes(other, with_line(n, "\n0-2 ", &p.b), &report), 0);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_BUNDLE);

	check_row = "an entry in base64 that needs none";
	p.b = buf_init(text, sizeof(text));
	buf_put_lit(&p.b, "2 =");
	put_base64(&p.b, m.entries[2].ptr, m.entries[2].len);
	buf_put_byte(&p.b, '\n');
	CHECK_INT(verify_bytes(other, with_line(n, "\n2 ", &p.b), &report), 0);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_BUNDLE);

	check_row = "the same line put back";
	p.b = buf_init(text, sizeof(text));
	put_entry(&p.b, 2, m.entries[2]);
	CHECK_INT(verify_bytes(other, with_line(n, "\n2 ", &p.b), &report), 0);
	check_verdict(&report, 0);
	made_free(&m);
}

static void test_every_prefix_is_refused(void **state)
{
	struct made m = usual(NULL);
	size_t n = make_bundle(&m, of_run, "run-1", mem);

	(void)state;
	for (size_t cut = 0; cut < n; cut += cut < 500 || n - cut < 80 ? 1 : 29) {
		struct verify_report report = { .verdict = VERIFY_DAMAGED };
		char row[32];

		(void)snprintf(row, sizeof(row), "cut at %zu", cut);
		check_row = row;
		if (verify_bytes(mem, cut, &report) == 0)
			check_verdict(&report, 11);
		else
			CHECK(cut < sizeof("cht-bundle/1"));
	}
	made_free(&m);
}

static void test_every_flipped_bit_is_refused(void **state)
{
	struct made m = usual(NULL);
	size_t n = make_bundle(&m, of_run, "run-1", mem);

	(void)state;
	for (size_t bit = 0; bit < n * 8; bit += bit / 8 < 400 ? 1 : 37) {
		struct verify_report report;
		char row[48];

		(void)snprintf(row, sizeof(row), "byte %zu bit %zu", bit / 8, bit % 8);
		check_row = row;
		mem[bit / 8] = (char)(mem[bit / 8] ^ 1 << bit % 8);
		if (verify_bytes(mem, n, &report) == 0)
			CHECK(report.verdict >= VERIFY_DAMAGED);
		else
			CHECK(bit / 8 < sizeof("cht-bundle/1"));
		mem[bit / 8] = (char)(mem[bit / 8] ^ 1 << bit % 8);
	}
	made_free(&m);
}

/* Entries that are no events, or have a newline, go in and out as they are. */
static void test_any_entry_can_be_bundled(void **state)
{
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_trust *trust = test_trust(false, false);
	struct made m = { 0 };
	struct verify_report report;
	bool all[MADE_MAX];
	size_t n;
	int fd;

	(void)state;
	memset(all, true, sizeof(all));
	add_bytes(&m, "{\n}", 3);
	add_bytes(&m, "{", 1);
	add_bytes(&m, "", 1);
	add_bytes(&m, "\xff\xfe", 2);
	add_bytes(&m, "x", 1);
	n = make_bundle(&m, all, NULL, mem);
	fd = open(made_path("b"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK_INT(fd_write_all(fd, mem, n, NULL), 0);
	fd_close(&fd);
	CHECK_INT(verify_path(made_path("b"), trust, &tree, &report, NULL), 0);
	check_verdict(&report, 0);
	CHECK_INT(report.bytes, 8);
	verify_trust_free(trust);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bundle_shows_a_run_or_everything),
		cmocka_unit_test(test_an_event_left_out_is_told),
		cmocka_unit_test(test_a_beginning_is_missing_only_where_pruning_took_it),
		cmocka_unit_test(test_the_run_of_the_host_is_shown_whole),
		cmocka_unit_test(test_a_run_asked_of_the_bundle_of_another_cannot_be_told),
		cmocka_unit_test(test_there_is_one_spelling),
		cmocka_unit_test(test_what_could_be_said_shorter_is_refused),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_every_flipped_bit_is_refused),
		cmocka_unit_test(test_any_entry_can_be_bundled),
	};

	return cmocka_run_group_tests_name("verify_bundle", tests, setup_made, teardown_made);
}
