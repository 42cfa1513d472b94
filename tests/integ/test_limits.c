/* SPDX-License-Identifier: Apache-2.0
 *
 * Real cgroups, of whichever version this kernel has, with processes that hit their limits: what
 * the probe tells of it, and when. Needs the right to make cgroups; where there is none it says so
 * and is skipped. tests/vm runs it on a kernel with v2.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#include "base/bytes.h"
#include "base/text.h"

#include <cht/probe.h>

enum { LIMIT_MS = 60000, SKIPPED = 77, NOBODY = 65534 };

static const char *const trees_v1[] = { "memory/", "cpu/", "cpuacct/", "pids/", NULL };
static const char *const trees_v2[] = { "", NULL };
static const char *const *trees;
static bool is_v2;
static char leaf[64];
static pid_t child; /* that is there still; 0: none */

static const char *path_of(const char *tree, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s/%s", tree, leaf, name);
	return path;
}

static void put(const char *tree, const char *name, const char *text)
{
	const char *path = path_of(is_v2 ? "" : tree, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	check_row = path;
	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	check_row = "";
}

/* 0, or an errno. */
static int make_group(void)
{
	for (unsigned i = 0; trees[i] != NULL; i++)
		if (mkdir(path_of(trees[i], ""), 0755) < 0)
			return errno;
	return 0;
}

/* Once its last process is reaped it may be busy for a moment. */
static void drop_group(void)
{
	for (unsigned i = 0; trees[i] != NULL; i++)
		for (int ms = 0; rmdir(path_of(trees[i], "")) < 0 && errno == EBUSY; ms++) {
			assert_true(ms < LIMIT_MS);
			poll(NULL, 0, 1);
		}
}

static int setup(void **state)
{
	(void)state;
	return make_group() == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (child > 0) { /* the test failed */
		kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	child = 0;
	drop_group();
	return 0;
}

static void join_group(void)
{
	for (unsigned i = 0; trees[i] != NULL; i++) {
		int fd = open(path_of(trees[i], "cgroup.procs"), O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(99);
		close(fd);
	}
}

/* A child in the group that does this; it is there when this returns. */
static pid_t spawn(void (*work)(void))
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		join_group();
		if (write(ready[1], "", 1) == 1)
			work();
		_exit(0);
	}
	close(ready[1]);
	child = pid;
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	child = 0;
	return status;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	(void)end_of(pid);
}

/* More than it may have. */
static void hog(void)
{
	enum { BYTES = 256 << 20, PAGE = 4096 };
	volatile char *p =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < BYTES; i += PAGE)
		p[i] = 1;
}

static void spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

static void linger(void)
{
	pause();
}

static void breed(void)
{
	pid_t pid = fork();

	_exit(pid < 0 && errno == EAGAIN ? 7 : 8);
}

/* ---- the probe */

static struct cht_probe *open_it(const char *where)
{
	const struct cht_probe_options options = { .kind = CHT_PROBE_CGROUP, .cgroup = where };
	struct cht_probe *p = NULL;

	assert_int_equal(cht_probe_open(&p, &options, NULL), 0);
	return p;
}

static struct cht_reading read_it(struct cht_probe *p)
{
	struct cht_reading r;
	struct cht_now now;

	cht_now(&now);
	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	return r;
}

static bool has(struct cht_str s, const char *text)
{
	return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

/* The number behind the key of an object in the output; 0: it is not there. */
static uint64_t number(struct cht_str s, const char *object, const char *key)
{
	char text[64];
	const char *at, *end;
	uint64_t v = 0;

	snprintf(text, sizeof(text), "\"%s\":{", object);
	at = memmem(s.ptr, s.len, text, strlen(text));
	if (at == NULL)
		return 0;
	end = memchr(at, '}', (size_t)(s.ptr + s.len - at));
	snprintf(text, sizeof(text), "\"%s\":", key);
	at = memmem(at, (size_t)(end - at), text, strlen(text));
	for (at = at != NULL ? at + strlen(text) : end; *at >= '0' && *at <= '9'; at++)
		v = 10 * v + (uint64_t)(*at - '0');
	return v;
}

static int wait_ready(struct cht_probe *p, int ms)
{
	struct pollfd poll_fd = { .fd = cht_probe_fd(p, &poll_fd.events) };

	assert_true(poll_fd.fd >= 0);
	return poll(&poll_fd, 1, ms);
}

/* Reads until it says so. */
static struct cht_reading until_it_says(struct cht_probe *p, enum cht_probe_says says)
{
	struct cht_reading r = read_it(p);

	for (int ms = 0; r.says != says; ms += 20) {
		assert_true(ms < LIMIT_MS);
		poll(NULL, 0, 20);
		r = read_it(p);
	}
	return r;
}

static void test_a_kill_for_want_of_memory_is_told_when_it_happens(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;
	int status;
	pid_t pid;

	(void)state;
	put("memory/", is_v2 ? "memory.max" : "memory.limit_in_bytes", "16777216");
	p = open_it(leaf);
	r = read_it(p);
	CHECK_STR(r.error, "");
	CHECK_INT(number(r.output, "memory_events", "oom_kill"), 0);
	CHECK_INT(wait_ready(p, 0), 0);
	pid = spawn(hog);
	CHECK_INT(wait_ready(p, LIMIT_MS), 1);
	status = end_of(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (r = read_it(p); number(r.output, "memory_events", "oom_kill") != 1; r = read_it(p))
		CHECK_INT(wait_ready(p, LIMIT_MS), 1);
	CHECK_STR(r.error, "");
	cht_probe_free(p);
}

static void test_who_is_throttled_is_starved_and_who_is_not_runs(void **state)
{
	struct cht_probe *p = open_it(leaf);
	pid_t pid = spawn(spin);
	struct cht_reading r;
	uint64_t periods;

	(void)state;
	r = until_it_says(p, CHT_PROBE_SAYS_RUNS);
	periods = number(r.output, "cpu_stat", "nr_throttled");
	if (is_v2) {
		put("", "cpu.max", "1000 100000");
	} else {
		put("cpu/", "cpu.cfs_period_us", "100000");
		put("cpu/", "cpu.cfs_quota_us", "1000");
	}
	/* The kernel adds the time when it lets it go on. */
	do
		r = until_it_says(p, CHT_PROBE_SAYS_STARVED);
	while (number(r.output, "cpu_stat", is_v2 ? "throttled_usec" : "throttled_time") == 0);
	CHECK(number(r.output, "cpu_stat", "nr_throttled") > periods);
	if (is_v2)
		CHECK(number(r.output, "cpu_pressure", "some_usec") > 0);
	put("cpu/", is_v2 ? "cpu.max" : "cpu.cfs_quota_us", is_v2 ? "max" : "-1");
	(void)until_it_says(p, CHT_PROBE_SAYS_RUNS);
	kill(pid, SIGSTOP);
	(void)until_it_says(p, CHT_PROBE_SAYS_STILL);
	stop(pid);
	cht_probe_free(p);
}

static void test_of_v2_it_is_told_when_its_last_process_ended(void **state)
{
	struct cht_probe *p = open_it(leaf);
	pid_t pid;

	(void)state;
	if (!is_v2) {
		cht_probe_free(p);
		skip();
	}
	/* Nobody came yet: nobody has gone. */
	CHECK(has(read_it(p).output, "\"populated\":0"));
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STILL);
	pid = spawn(linger);
	CHECK(has(read_it(p).output, "\"populated\":1"));
	stop(pid);
	CHECK_INT(until_it_says(p, CHT_PROBE_SAYS_GONE).error.len, 0);
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_GONE);
	pid = spawn(linger);
	CHECK(read_it(p).says != CHT_PROBE_SAYS_GONE);
	stop(pid);
	cht_probe_free(p);
}

static void test_forks_that_were_refused_are_counted(void **state)
{
	struct cht_probe *p = open_it(leaf);
	struct cht_reading r;
	int status;

	(void)state;
	put("pids/", "pids.max", "1");
	status = end_of(spawn(breed));
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 7);
	r = read_it(p);
	CHECK(number(r.output, "pids_events", "max") >= 1);
	cht_probe_free(p);
}

static void test_of_v2_waiting_for_memory_is_counted(void **state)
{
	struct cht_probe *p;
	struct cht_reading r;
	pid_t pid;

	(void)state;
	if (!is_v2)
		skip();
	put("", "memory.high", "4194304");
	p = open_it(leaf);
	pid = spawn(hog);
	r = read_it(p);
	for (int ms = 0; number(r.output, "memory_pressure", "full_usec") == 0; ms += 20) {
		assert_true(ms < LIMIT_MS);
		poll(NULL, 0, 20);
		r = read_it(p);
	}
	stop(pid);
	cht_probe_free(p);
}

static void test_one_that_is_removed_is_gone_and_may_come_back(void **state)
{
	struct cht_probe *p = open_it(leaf);
	struct cht_reading r = read_it(p);

	(void)state;
	CHECK_STR(r.error, "");
	CHECK(has(r.output, is_v2 ? "\"version\":\"v2\"" : "\"version\":\"v1\""));
	CHECK(has(r.inputs, is_v2 ? "\"files\":[\"memory.events\",\"cpu.stat\",\"pids.events\"]}"
				  : "\"files\":[\"memory/memory.oom_control\","));
	drop_group();
	CHECK_INT(wait_ready(p, LIMIT_MS), 1);
	r = read_it(p);
	CHECK_STR(r.output, "");
	CHECK_STR(r.error, "gone");
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	r = read_it(p);
	CHECK_STR(r.error, "not_found");
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	assert_int_equal(make_group(), 0);
	r = read_it(p);
	CHECK_STR(r.error, "");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK_INT(wait_ready(p, 0), 0);
	cht_probe_free(p);
}

static void look_as_nobody(void)
{
	struct cht_probe *p;
	struct cht_reading r;

	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(1);
	p = open_it(leaf);
	r = read_it(p);
	if (!str_eq(r.error, STR("forbidden")) || has(r.output, "pids_events") ||
	    !has(r.output, "\"cpu_stat\":{") || !has(r.output, "\"memory_events\":{"))
		_exit(2);
	cht_probe_free(p);
}

static void test_a_forbidden_file_is_one_and_the_others_are_read(void **state)
{
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(path_of(is_v2 ? "" : "pids/", "pids.events"), 0), 0);
	status = end_of(spawn(look_as_nobody));
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static void test_a_whole_path_reads_the_same(void **state)
{
	struct cht_probe *by_leaf = open_it(leaf), *by_path;
	char path[512], want[1024];
	struct cht_reading r = read_it(by_leaf);

	(void)state;
	if (is_v2)
		snprintf(want, sizeof(want), "%.*s", (int)r.output.len, r.output.ptr);
	else
		snprintf(want, sizeof(want),
			 "{\"memory_events\":{\"oom_kill\":0,\"oom_kill_disable\":0,"
			 "\"under_oom\":0},\"version\":\"v1\"}");
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s", trees[0], leaf);
	by_path = open_it(path);
	CHECK_STR(read_it(by_path).output, want);
	cht_probe_free(by_path);
	cht_probe_free(by_leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_GROUP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		IN_A_GROUP(test_a_kill_for_want_of_memory_is_told_when_it_happens),
		IN_A_GROUP(test_who_is_throttled_is_starved_and_who_is_not_runs),
		IN_A_GROUP(test_of_v2_it_is_told_when_its_last_process_ended),
		IN_A_GROUP(test_forks_that_were_refused_are_counted),
		IN_A_GROUP(test_of_v2_waiting_for_memory_is_counted),
		IN_A_GROUP(test_one_that_is_removed_is_gone_and_may_come_back),
		IN_A_GROUP(test_a_forbidden_file_is_one_and_the_others_are_read),
		IN_A_GROUP(test_a_whole_path_reads_the_same),
	};
	int why;

	is_v2 = access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0;
	trees = is_v2 ? trees_v2 : trees_v1;
	snprintf(leaf, sizeof(leaf), "cht-limits-%d", (int)getpid());
	why = make_group();
	if (why != 0) {
		fprintf(stderr, "skipped: no cgroup can be made here: %s\n", strerrordesc_np(why));
		return SKIPPED;
	}
	drop_group();
	return cmocka_run_group_tests_name(is_v2 ? "limits v2" : "limits v1", tests, NULL, NULL);
}
