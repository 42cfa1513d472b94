/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of metrics is followed: over holes, over another file of its name, and where a new VMM
 * writes over an older one's lines.
 */
#include "fc_line.h"

static void put_at(int fd, off_t at, const char *text)
{
	assert_true(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
}

static void test_a_file_is_followed(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;
	int w;

	(void)state;
	p = open_it(false);
	r = next(p);
	CHECK_STR(r.error, "not_found");
	CHECK_STR(r.output, "");
	w = open_writer();
	check_none(p);
	CHECK_INT(cht_probe_fd(p, &events), -1);
	put(w, LINE("1000", "5", "2") "{\"utc_times");
	r = next(p);
	CHECK_HAS(r.output, "{\"lineSha256\":");
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":5}");
	check_none(p);
	put(w, "tamp_ms\":2000,\"vsock\":{\"tx_bytes_count\":1}}\n");
	CHECK_HAS(next(p).output, "\"vsock.tx_bytes_count\":6}");
	check_none(p);
	/* Emptied from outside: its writer leaves a hole. */
	assert_int_equal(ftruncate(w, 0), 0);
	check_none(p);
	put_at(w, 40000000, LINE("3000", "1", "1"));
	r = next(p);
	CHECK_STR(r.error, "");
	CHECK_HAS(r.output, "\"lost\":{\"truncations\":1}");
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":7}");
	check_none(p);
	close(w);
	/* Another one under its name. */
	assert_int_equal(unlink(path), 0);
	check_none(p);
	w = open_writer();
	put(w, LINE("4000", "1", "1"));
	r = next(p);
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":8}");
	close(w);
	cht_probe_free(p);
}

static void test_what_a_file_had_is_summed_and_its_last_line_shown(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;
	int w = open_writer();

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		put(w, LINE("1000", "5", "2"));
	put(w, "{}}\n" LINE("2000", "7", "2"));
	p = open_it(false);
	r = next(p);
	CHECK_STR(r.error, "malformed");
	CHECK_HAS(r.output, "\"linesBefore\":10,\"lost\":{\"malformedLines\":1}");
	r = next(p);
	CHECK_HAS(r.output, "\"utc_timestamp_ms\":2000");
	CHECK_HAS(r.output, "\"vsock.tx_bytes_count\":57}");
	check_none(p);
	close(w);
	cht_probe_free(p);
}

/* Firecracker opens a file without emptying it. */
static void test_a_new_vmm_writes_over_the_older_ones_lines(void **state)
{
	static const char older[] =
		LINE("1000", "5", "2") LINE("2000", "6", "2") LINE("3000", "7", "2");
	struct cht_probe *p;
	int w = open_writer();
	off_t at = 0;

	(void)state;
	put(w, older);
	p = open_it(false);
	CHECK_HAS(next(p).output, "\"vsock.tx_bytes_count\":18}");
	check_none(p);
	/* Begun, and over the first one's end. */
	put_at(w, at,
	       "{\"utc_timestamp_ms\":9000,\"vsock\":{\"tx_bytes_count\":100},\"vcpu\":{\"exit_io_"
	       "in\":1");
	check_none(p);
	at = (off_t)strlen("{\"utc_timestamp_ms\":9000,\"vsock\":{\"tx_bytes_count\":100},\"vcpu\":"
			   "{\"exit_io_in\":1");
	put_at(w, at, "}}\n");
	at += 3;
	CHECK_HAS(next(p).output, "\"vsock.tx_bytes_count\":118}");
	check_none(p);
	check_none(p);
	for (unsigned i = 0; i < 3; i++) {
		char line[100];

		(void)snprintf(line, sizeof(line), LINE("91%02u", "100", "1"), i);
		put_at(w, at, line);
		at += (off_t)strlen(line);
		CHECK_HAS(next(p).output, "\"tx_bytes_count\":100}},");
		check_none(p);
	}
	put_at(w, at, LINE("9900", "2", "1"));
	CHECK_HAS(next(p).output, "\"vsock.tx_bytes_count\":420}");
	check_none(p);
	close(w);
	cht_probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_file_is_followed, enter, leave),
		cmocka_unit_test_setup_teardown(
			test_what_a_file_had_is_summed_and_its_last_line_shown, enter, leave),
		cmocka_unit_test_setup_teardown(test_a_new_vmm_writes_over_the_older_ones_lines,
						enter, leave),
	};

	return cmocka_run_group_tests_name("fc_file", tests, setup, teardown);
}
