/* SPDX-License-Identifier: Apache-2.0
 *
 * A cgroup's files become a reading; what is not there, or is something else, is said.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#include "base/bytes.h"
#include "probe/flat.h"

#include <cht/probe.h>

static char dir[] = "/tmp/cht-cgroup-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* As the kernel does it: the same file, other bytes. */
static void put(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void drop(const char *name)
{
	assert_int_equal(unlink(path_of(name)), 0);
}

static struct cht_probe *open_it(void)
{
	const struct cht_probe_options options = { .kind = CHT_PROBE_CGROUP, .cgroup = dir };
	struct cht_probe *p = NULL;
	struct cht_err err = { 0 };

	assert_int_equal(cht_probe_open(&p, &options, &err), 0);
	return p;
}

static struct cht_reading read_it(struct cht_probe *p)
{
	const struct cht_now now = { .realtime_ns = 1 };
	struct cht_reading r;

	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	CHECK_INT(r.kind, CHT_PROBE_CGROUP);
	CHECK_INT(r.sampled_ns, 1);
	return r;
}

static void test_its_files_are_read_each_time(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;

	(void)state;
	put("memory.events", "low 0\nhigh 2\nmax 0\noom 1\noom_kill 1\n");
	put("cpu.stat", "usage_usec 70\nuser_usec 40\nthrottled_usec 0\n");
	put("pids.events", "max 18446744073709551615\n");
	p = open_it();
	r = read_it(p);
	CHECK_STR(r.output,
		  "{\"cpu_stat\":{\"throttled_usec\":0,\"usage_usec\":70,\"user_usec\":40},"
		  "\"memory_events\":{\"high\":2,\"low\":0,\"max\":0,\"oom\":1,"
		  "\"oom_kill\":1},\"pids_events\":{\"max\":18446744073709551615},"
		  "\"version\":\"v2\"}");
	CHECK_STR(r.error, "");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STILL);
	put("cpu.stat", "usage_usec 71\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_RUNS);
	put("cpu.stat", "usage_usec 72\nthrottled_usec 900000\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STARVED);
	put("cpu.stat", "usage_usec 1\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_NOTHING);
	cht_probe_free(p);
	drop("memory.events");
	drop("cpu.stat");
	drop("pids.events");
}

static void test_what_is_not_there_is_said_and_looked_for_again(void **state)
{
	struct cht_probe *p = open_it();
	struct cht_reading r = read_it(p);

	(void)state;
	CHECK_STR(r.output, "");
	CHECK_STR(r.error, "not_found");
	put("cpu.stat", "usage_usec 70\n");
	r = read_it(p);
	CHECK_STR(r.output, "{\"cpu_stat\":{\"usage_usec\":70},\"version\":\"v2\"}");
	CHECK_STR(r.error, "not_found");
	CHECK_STR(r.error_text, "memory.events: No such file or directory");
	cht_probe_free(p);
	drop("cpu.stat");
}

static void test_what_is_no_flat_file_is_malformed(void **state)
{
	static const char *const rows[] = { "usage_usec\n",
					    "usage_usec x\n",
					    "usage_usec 1\nusage_usec 1\n",
					    "usage_usec 18446744073709551616\n",
					    "a\"b 1\n",
					    " 1\n",
					    "a\tb 1\n",
					    "usage_usec -1\n",
					    "\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[256];
		struct buf b = buf_init(mem, sizeof(mem));
		const struct cht_bytes text = { (const uint8_t *)rows[i], strlen(rows[i]) };

		check_row = rows[i];
		CHECK(!flat_put(&b, text));
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), "{}");
	}
}

static void test_pressure_is_read_exactly(void **state)
{
#define AVERAGES "avg10=0.00 avg60=12.34 avg300=100.00"
	static const struct {
		const char *text;
		bool ok, has_full;
		uint64_t some, full;
	} rows[] = {
		{ "some " AVERAGES " total=7\nfull " AVERAGES " total=5\n", true, true, 7, 5 },
		{ "some " AVERAGES " total=18446744073709551615\n", true, false, UINT64_MAX, 0 },
		{ "", false, false, 0, 0 },
		{ "some " AVERAGES " total=\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=18446744073709551616\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=07\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=7 \n", false, false, 0, 0 },
		{ "full " AVERAGES " total=7\n", false, false, 0, 0 },
		{ "some avg10=0.0 avg60=0.00 avg300=0.00 total=7\n", false, false, 0, 0 },
		{ "some avg10=.00 avg60=0.00 avg300=0.00 total=7\n", false, false, 0, 0 },
		{ "some avg60=0.00 avg300=0.00 total=7\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=7\nsome " AVERAGES " total=7\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=7\nfull " AVERAGES " total=5\nx\n", false, false, 0, 0 },
		{ "some " AVERAGES " total=7\n\n", false, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct cht_bytes text = { (const uint8_t *)rows[i].text,
						strlen(rows[i].text) };
		struct pressure p = { .some = 0 };

		check_row = rows[i].text;
		CHECK_INT(pressure_read(text, &p), rows[i].ok);
		CHECK_INT(p.has_full, rows[i].has_full);
		CHECK(p.some == rows[i].some && p.full == rows[i].full);
	}
}

static void test_more_than_it_must_have_is_told_where_it_is(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;

	(void)state;
	put("memory.events", "oom_kill 0\n");
	put("cpu.stat", "usage_usec 70\n");
	put("pids.events", "max 0\n");
	put("cgroup.events", "populated 1\nfrozen 0\n");
	put("cpu.pressure", "some " AVERAGES " total=7\nfull " AVERAGES " total=5\n");
	put("memory.pressure", "some " AVERAGES " total=3\nfull " AVERAGES " total=\n");
	p = open_it();
	r = read_it(p);
	CHECK_STR(r.output, "{\"cgroup_events\":{\"frozen\":0,\"populated\":1},"
			    "\"cpu_pressure\":{\"full_usec\":5,\"some_usec\":7},"
			    "\"cpu_stat\":{\"usage_usec\":70},\"memory_events\":{\"oom_kill\":0},"
			    "\"memory_pressure\":{},\"pids_events\":{\"max\":0},"
			    "\"version\":\"v2\"}");
	CHECK_STR(r.error, "malformed");
	CHECK_STR(r.error_text, "memory.pressure");
	CHECK(str_starts(r.inputs, STR("{\"alsoFiles\":[\"cgroup.events\",\"cpu.pressure\","
				       "\"memory.pressure\"],\"cgroupLeaf\":\"/tmp/")));
	/* It ran for nothing and waited for 8 microseconds. */
	put("cpu.pressure", "some " AVERAGES " total=15\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STARVED);
	put("cgroup.events", "populated 0\nfrozen 0\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_GONE);
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_GONE);
	put("cgroup.events", "populated 1\nfrozen 0\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STILL);
	cht_probe_free(p);
	drop("memory.events");
	drop("cpu.stat");
	drop("pids.events");
	drop("cgroup.events");
	drop("cpu.pressure");
	drop("memory.pressure");
}

static enum cht_probe_says says_after(struct cht_probe *p, uint64_t ms)
{
	static uint64_t now_ms;
	struct cht_now now = { .realtime_ns = 1 };
	struct cht_reading r;

	now_ms += ms;
	now.monotonic_ns = now_ms * 1000000;
	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	return r.says;
}

static void test_a_moments_wait_is_no_want(void **state)
{
	struct cht_probe *p;

	(void)state;
	put("memory.events", "oom_kill 0\n");
	put("pids.events", "max 0\n");
	put("cpu.stat", "usage_usec 70\n");
	put("cpu.pressure", "some " AVERAGES " total=0\n");
	p = open_it();
	CHECK_INT(says_after(p, 0), CHT_PROBE_SAYS_NOTHING);
	put("cpu.pressure", "some " AVERAGES " total=99999\n");
	CHECK_INT(says_after(p, 1000), CHT_PROBE_SAYS_STILL);
	put("cpu.pressure", "some " AVERAGES " total=199999\n");
	CHECK_INT(says_after(p, 1000), CHT_PROBE_SAYS_STARVED);
	put("cpu.pressure", "some " AVERAGES " total=399999\n");
	put("cpu.stat", "usage_usec 300070\n");
	CHECK_INT(says_after(p, 1000), CHT_PROBE_SAYS_RUNS);
	cht_probe_free(p);
	drop("memory.events");
	drop("pids.events");
	drop("cpu.stat");
	drop("cpu.pressure");
}

static void test_of_v1_it_says_the_same_by_other_files(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;

	(void)state;
	put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put("cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 5000\n");
	put("cpuacct.usage", "70000\n");
	put("cpuacct.stat", "user 1\nsystem 2\n");
	put("pids.events", "max 0\n");
	p = open_it();
	r = read_it(p);
	CHECK_STR(r.error, "");
	CHECK_STR(r.output,
		  "{\"cpu_stat\":{\"nr_periods\":1,\"nr_throttled\":1,\"throttled_time\":5000},"
		  "\"cpuacct_stat\":{\"system\":2,\"user\":1},\"cpuacct_usage\":70000,"
		  "\"memory_events\":{\"oom_kill\":2,\"oom_kill_disable\":0,\"under_oom\":0},"
		  "\"pids_events\":{\"max\":0},\"version\":\"v1\"}");
	put("cpuacct.usage", "80000\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_RUNS);
	put("cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 9000\n");
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STARVED);
	put("cpuacct.usage", "x\n");
	r = read_it(p);
	CHECK_STR(r.error, "malformed");
	CHECK_STR(r.error_text, "cpuacct.usage");
	CHECK(memmem(r.output.ptr, r.output.len, "usage", 5) == NULL);
	cht_probe_free(p);
	drop("memory.oom_control");
	drop("cpu.stat");
	drop("cpuacct.usage");
	drop("cpuacct.stat");
	drop("pids.events");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_its_files_are_read_each_time),
		cmocka_unit_test(test_what_is_not_there_is_said_and_looked_for_again),
		cmocka_unit_test(test_what_is_no_flat_file_is_malformed),
		cmocka_unit_test(test_pressure_is_read_exactly),
		cmocka_unit_test(test_more_than_it_must_have_is_told_where_it_is),
		cmocka_unit_test(test_a_moments_wait_is_no_want),
		cmocka_unit_test(test_of_v1_it_says_the_same_by_other_files),
	};

	return cmocka_run_group_tests_name("probe_cgroup", tests, setup, teardown);
}
