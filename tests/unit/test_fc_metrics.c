/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of metrics in a real FIFO or file become readings: all are summed, or the loss is told.
 */
#include "fc_line.h"

static void test_each_line_is_a_reading_and_all_are_summed(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;
	char want[256];
	int w;

	(void)state;
	p = open_it(true);
	check_none(p);
	CHECK(cht_probe_fd(p, &events) >= 0);
	w = open_writer();
	check_none(p);
	put(w, LINE("1000", "5", "2") LINE("2000", "7", "0") "{\"utc_timest");
	r = next(p);
	CHECK_STR(r.error, "");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK(r.traffic.has_vsock && r.traffic.vsock_bytes_out == 5);
	(void)snprintf(want, sizeof(want),
		       "{\"endpoint\":\"fifo://%s\",\"kind\":\"firecracker.metrics\"}", path);
	CHECK_STR(r.inputs, want);
	CHECK_STR(r.output, "{\"fifoBytes\":131072,\"lineSha256\":"
			    "\"dd253657c245843fec8de4e257a3caaaf56c22da89c0340396fbd9ee782a88d2\","
			    "\"metrics\":{\"utc_timestamp_ms\":1000,\"vcpu\":{\"exit_io_in\":2},"
			    "\"vsock\":{\"tx_bytes_count\":5}},"
			    "\"totals\":{\"vcpu.exit_io_in\":2,\"vsock.tx_bytes_count\":5}}");
	CHECK(r.has_more);
	r = next(p);
	CHECK_INT(r.says, CHT_PROBE_SAYS_STILL);
	CHECK_HAS(r.output, "\"totals\":{\"vcpu.exit_io_in\":2,\"vsock.tx_bytes_count\":12}");
	check_none(p);
	put(w, "amp_ms\":3000,\"vcpu\":{\"exit_io_in\":1}}\n");
	r = next(p);
	CHECK_INT(r.says, CHT_PROBE_SAYS_RUNS);
	CHECK_HAS(r.output, "\"totals\":{\"vcpu.exit_io_in\":3,\"vsock.tx_bytes_count\":12}");
	CHECK(r.traffic.has_vsock);
	/* A line is lost: what it counted is not in the sums, so they witness nothing. */
	put(w, "{\n" LINE("4000", "1", "1"));
	r = next(p);
	CHECK_STR(r.error, "malformed");
	CHECK(!r.traffic.has_vsock);
	r = next(p);
	CHECK_STR(r.error, "");
	CHECK(!r.traffic.has_vsock);
	close(w);
	cht_probe_free(p);
}

static void test_a_writer_that_ends_is_told_and_the_next_goes_on(void **state)
{
	struct cht_probe *p = open_it(true);
	struct cht_reading r;
	int w = open_writer();

	(void)state;
	put(w, LINE("1000", "5", "2") "{\"utc_times");
	close(w);
	(void)next(p);
	r = next(p);
	CHECK_STR(r.error, "malformed");
	CHECK_HAS(r.output, "{\"bytes\":11,");
	CHECK_HAS(r.output, "\"lost\":{\"malformedLines\":1},\"sha256\":\"");
	r = next(p);
	CHECK_STR(r.error, "gone");
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	CHECK_HAS(r.output, "\"totals\":{\"vcpu.exit_io_in\":2,\"vsock.tx_bytes_count\":5}");
	check_none(p);
	CHECK_INT(cht_probe_fd(p, &events), -1);
	w = open_writer();
	check_none(p);
	CHECK(cht_probe_fd(p, &events) >= 0);
	put(w, LINE("9000", "1", "9"));
	r = next(p);
	CHECK_STR(r.error, "");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":6}");
	close(w);
	/* Made anew under the same name. */
	CHECK_STR(next(p).error, "gone");
	assert_int_equal(unlink(path), 0);
	check_none(p);
	check_none(p);
	w = open_writer();
	put(w, LINE("9900", "1", "9"));
	r = next(p);
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":7}");
	close(w);
	cht_probe_free(p);
}

/* As real ones wrote them: by the eye of another program these are the sums. */
static void test_lines_of_a_real_vmm(void **state)
{
	static const struct {
		const char *name, *totals, *last;
		unsigned n, bad;
	} rows[] = {
		{ "first", "\"vsock.tx_bytes_count\":71014", "\"totals\"", 3, 0 },
		{ "full", "\"put_api_requests.actions_count\":5", "\"resume_vm\":1775", 6, 0 },
		{ "full", "\"vsock.tx_bytes_count\":656", "\"block_", 6, 0 },
		{ "overflow", "\"put_api_requests.actions_count\":10",
		  "\"lost\":{\"malformedLines\":1}", 12, 1 },
		{ "sigHUP", "\"totals\"", "{\"fatal\":[\"signals.sighup\"],", 2, 0 },
		{ "sigSEGV", "\"totals\"", "{\"fatal\":[\"signals.sigsegv\"],", 2, 0 },
		{ "sigSYS", "\"totals\"", "{\"fatal\":[\"seccomp.num_faults\"],", 2, 0 },
		{ "snapshot-source", "\"vsock.tx_bytes_count\":240",
		  "\"full_create_snapshot\":352538", 2, 0 },
		{ "jailer-owned", "\"vsock.tx_bytes_count\":71014", "\"totals\"", 2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *source = getenv("CHT_SOURCE_ROOT");
		static char bytes[100000];
		struct cht_probe *p = open_it(true);
		struct cht_reading r;
		char name[512];
		unsigned bad = 0;
		size_t n;
		FILE *f;
		int w = open_writer();

		check_row = rows[i].name;
		(void)snprintf(name, sizeof(name), "%s/tests/golden/data/firecracker/%s.jsonl",
			       source != NULL ? source : ".", rows[i].name);
		f = fopen(name, "re");
		assert_non_null(f);
		n = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		assert_true(write(w, bytes, n) == (ssize_t)n);
		for (unsigned k = 0; k < rows[i].n; k++) {
			r = next(p);
			bad += r.error.len > 0;
		}
		CHECK_INT(bad, rows[i].bad);
		CHECK_HAS(r.output, rows[i].totals);
		CHECK_HAS(r.output, rows[i].last);
		check_none(p);
		close(w);
		cht_probe_free(p);
	}
}

static void test_what_is_no_line_is_counted(void **state)
{
	static const struct {
		const char *line, *error, *output;
	} rows[] = {
		{ "{\"a\":1,\"a\":2}\n", "malformed", "\"lost\":{\"malformedLines\":1}" },
		{ "{\"a\":1}{\"a\":2}\n", "malformed", "{\"bytes\":14," },
		{ "[]\n", "malformed", "\"malformedLines\":1" },
		{ " \n", "malformed", "\"malformedLines\":1" },
		{ "{\"vsock\":{\"tx_bytes_count\":1.5}}\n", "malformed",
		  "\"metrics\":{\"vsock\":{\"tx_bytes_count\":1.5}},\"totals\":{}" },
		{ "{\"vsock\":{\"tx_bytes_count\":\"7\"}}\n", "malformed", "\"malformedLines\":1" },
		{ "{\"vsock\":{\"tx_bytes_count\":-1}}\n", "malformed", "\"malformedLines\":1" },
		{ "{\"vsock\":{\"tx_bytes_count\":18446744073709551616}}\n", "malformed",
		  "\"malformedLines\":1" },
		{ "{\"vsock\":7}\n", "malformed", "\"malformedLines\":1" },
		{ "{\"signals\":{\"sigbus\":true},\"uart\":{\"write_count\":1}}\n", "malformed",
		  "\"totals\":{}" },
		{ "{\"vsock\":{\"new\":[1.5,null]},\"newer\":\"x\",\"uart\":{\"read_count\":\"x\"}}"
		  "\n",
		  "",
		  "\"metrics\":{\"newer\":\"x\",\"uart\":{\"read_count\":\"x\"},"
		  "\"vsock\":{\"new\":[1.5,null]}},\"totals\":{}}" },
		{ "{\"uart\":{\"write_count\":18446744073709551615}}\n", "",
		  "\"uart.write_count\":18446744073709551615" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_probe *p = open_it(true);
		int w = open_writer();
		struct cht_reading r;

		check_row = rows[i].line;
		put(w, rows[i].line);
		r = next(p);
		CHECK_STR(r.error, rows[i].error);
		CHECK_HAS(r.output, rows[i].output);
		put(w, LINE("1", "1", "1"));
		r = next(p);
		CHECK_STR(r.error, "");
		CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":1}");
		close(w);
		cht_probe_free(p);
	}
}

/* Writes n bytes of a line in pieces that fit, reading in between. */
static void put_long(struct cht_probe *p, int w, size_t n)
{
	static char piece[32768];

	memset(piece, 'x', sizeof(piece));
	for (; n > 0; n -= n < sizeof(piece) ? n : sizeof(piece)) {
		size_t some = n < sizeof(piece) ? n : sizeof(piece);

		assert_true(write(w, piece, some) == (ssize_t)some);
		check_none(p);
	}
}

static void test_a_line_of_a_mebibyte_is_told_by_its_digest(void **state)
{
	struct cht_probe *p = open_it(true);
	int w = open_writer();
	struct cht_reading r;

	(void)state;
	put_long(p, w, 1 << 20);
	put(w, "\n" LINE("1", "1", "1"));
	r = next(p);
	CHECK_STR(r.error, "too_large");
	CHECK_HAS(r.output, "{\"bytes\":1048576,");
	/* python3 -c 'import hashlib; print(hashlib.sha256(b"x" * 2**20).hexdigest())' */
	CHECK_HAS(r.output, "\"lost\":{\"tooLargeLines\":1},\"sha256\":"
			    "\"8f990ba0b577b51cf009ea049368c16bbda1b21e1b93be07a824758bb253c39b\"");
	CHECK_HAS(next(p).output, "\"vsock.tx_bytes_count\":1}");
	/* It ends with its writer. */
	put_long(p, w, 200000);
	close(w);
	r = next(p);
	CHECK_STR(r.error, "malformed");
	CHECK_HAS(r.output, "{\"bytes\":200000,");
	CHECK_STR(next(p).error, "gone");
	cht_probe_free(p);
}

static void test_a_line_too_long_to_be_shown_is_summed(void **state)
{
	static char text[70000];
	struct cht_probe *p = open_it(true);
	int w = open_writer();
	struct cht_reading r;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	put(w, "{\"vsock\":{\"tx_bytes_count\":5},\"s\":\"");
	put(w, text);
	put(w, "\"}\n");
	r = next(p);
	CHECK_STR(r.error, "too_large");
	CHECK_HAS(r.output, "{\"bytes\":70036,");
	CHECK_HAS(r.output, "\"totals\":{\"vsock.tx_bytes_count\":5}");
	CHECK(!has(r.output, "lost"));
	close(w);
	cht_probe_free(p);
}

static void test_minutes_without_a_line_are_told(void **state)
{
	static const struct {
		const char *line;
		bool is_told;
	} rows[] = {
		{ LINE("160000", "0", "0"), false },
		{ LINE("100001", "0", "0"), false }, /* a clock that went back */
		{ LINE("176000", "0", "0"), true },
		{ "{\"utc_timestamp_ms\":500000,\"logger\":{\"missed_metrics_count\":6}}\n",
		  false },
		{ "{\"utc_timestamp_ms\":500000,\"latencies_us\":{\"resume_vm\":6}}\n", false },
		{ "{\"no_time\":500000}\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_probe *p = open_it(true);
		int w = open_writer();

		check_row = rows[i].line;
		put(w, LINE("100000", "0", "0"));
		(void)next(p);
		put(w, rows[i].line);
		CHECK_INT(has(next(p).output, "\"lost\":{\"minutesMissed\":1}"), rows[i].is_told);
		close(w);
		cht_probe_free(p);
	}
}

static void test_a_vmm_that_floods_is_summed_and_not_shown(void **state)
{
	struct cht_probe *p = open_it(true);
	struct cht_now now = { .realtime_ns = 1 };
	struct cht_reading r;
	int w = open_writer();
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		put(w, i % 3 == 0 ? "{{\n" : LINE("1000", "5", "2"));
	for (unsigned i = 0; i < 100; i++)
		n += cht_probe_read(p, &now, &r) == 1;
	CHECK_INT(n, 32);
	now.monotonic_ns = 1500000000;
	put(w, LINE("1000", "5", "2"));
	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	CHECK_HAS(r.output, "\"linesBefore\":268,\"lost\":{\"malformedLines\":100}");
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":1005}");
	/* Why it ends is news. */
	put(w, LINE("1000", "5", "2") "{\"signals\":{\"sigbus\":1}}\n");
	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	CHECK_HAS(r.output, "{\"fatal\":[\"signals.sigbus\"],");
	CHECK_HAS(r.output, "\"linesBefore\":1,");
	close(w);
	cht_probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_line_is_a_reading_and_all_are_summed,
						enter, leave),
		cmocka_unit_test_setup_teardown(
			test_a_writer_that_ends_is_told_and_the_next_goes_on, enter, leave),
		cmocka_unit_test_setup_teardown(test_lines_of_a_real_vmm, enter, leave),
		cmocka_unit_test_setup_teardown(test_what_is_no_line_is_counted, enter, leave),
		cmocka_unit_test_setup_teardown(test_a_line_of_a_mebibyte_is_told_by_its_digest,
						enter, leave),
		cmocka_unit_test_setup_teardown(test_a_line_too_long_to_be_shown_is_summed, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_minutes_without_a_line_are_told, enter, leave),
		cmocka_unit_test_setup_teardown(test_a_vmm_that_floods_is_summed_and_not_shown,
						enter, leave),
	};

	return cmocka_run_group_tests_name("fc_metrics", tests, setup, teardown);
}
