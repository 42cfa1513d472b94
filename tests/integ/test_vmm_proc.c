/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that runs, is stopped, waits, is kept from the processor, ends or is replaced by
 * another of its number: real ones.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#include "base/bytes.h"
#include "probe/probe.h"

enum { LIMIT_MS = 60000 };

/* ---- processes */

static pid_t spawn(void (*work)(void))
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) == 1)
			work();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

static void linger(void)
{
	for (;;)
		pause();
}

static void *spin_as_vcpu(void *arg)
{
	prctl(PR_SET_NAME, "fc_vcpu 0");
	spin();
	return arg;
}

static void *linger_as_vcpu(void *arg)
{
	prctl(PR_SET_NAME, "fc_vcpu 0");
	linger();
	return arg;
}

static void be_a_vmm(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, spin_as_vcpu, NULL) == 0)
		linger();
}

static void be_a_vmm_of_a_paused_vm(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, linger_as_vcpu, NULL) == 0)
		spin();
}

static void use_the_first_processor(int niceness)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		_exit(1);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0 ||
	    setpriority(PRIO_PROCESS, 0, niceness) < 0)
		_exit(1);
	spin();
}

static void push(void)
{
	use_the_first_processor(0);
}

static void give_way(void)
{
	use_the_first_processor(19);
}

static struct cht_probe *open_it(pid_t pid)
{
	const struct cht_probe_options options = { .kind = CHT_PROBE_VMM_PROC,
						   .pid = (uint32_t)pid };
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

static bool has(const struct cht_reading *r, const char *text)
{
	return r->output.len > 0 &&
	       memmem(r->output.ptr, r->output.len, text, strlen(text)) != NULL;
}

static uint64_t user_ms(const struct cht_reading *r)
{
	static const char key[] = "\"userTimeMs\":";
	const char *at = memmem(r->output.ptr, r->output.len, key, strlen(key));
	uint64_t v = 0;

	assert_non_null(at);
	for (at += strlen(key); *at >= '0' && *at <= '9'; at++)
		v = 10 * v + (uint64_t)(*at - '0');
	return v;
}

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

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_a_stopped_one_is_told_from_a_busy_one_and_its_end_from_both(void **state)
{
	pid_t pid = spawn(spin);
	struct cht_probe *p = open_it(pid);
	struct cht_reading r = read_it(p);
	struct pollfd end;
	char inputs[64];

	(void)state;
	snprintf(inputs, sizeof(inputs), "{\"pid\":%d,\"procfs\":\"/proc/%d\"}", pid, pid);
	CHECK_STR(r.inputs, inputs);
	CHECK_STR(r.error, "");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	(void)until_it_says(p, CHT_PROBE_SAYS_RUNS);
	kill(pid, SIGSTOP);
	do
		r = until_it_says(p, CHT_PROBE_SAYS_STILL);
	while (!has(&r, "\"state\":\"T\""));
	poll(NULL, 0, 20);
	CHECK_INT(read_it(p).says, CHT_PROBE_SAYS_STILL);
	kill(pid, SIGCONT);
	(void)until_it_says(p, CHT_PROBE_SAYS_RUNS);
	end.fd = cht_probe_fd(p, &end.events);
	CHECK_INT(poll(&end, 1, 0), 0);
	kill(pid, SIGKILL);
	CHECK_INT(poll(&end, 1, LIMIT_MS), 1);
	r = read_it(p);
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	CHECK(has(&r, "\"state\":\"Z\""));
	CHECK_INT(cht_probe_fd(p, &end.events), -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	r = read_it(p);
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	CHECK_STR(r.error, "gone");
	CHECK_STR(r.output, "");
	cht_probe_free(p);
}

static void test_one_that_waits_is_still(void **state)
{
	pid_t pid = spawn(linger);
	struct cht_probe *p = open_it(pid);
	struct cht_reading r;

	(void)state;
	r = until_it_says(p, CHT_PROBE_SAYS_STILL);
	CHECK(has(&r, "\"state\":\"S\""));
	CHECK(has(&r, "\"threads\":1,"));
	CHECK(!has(&r, "vcpus"));
	stop(pid);
	r = read_it(p);
	CHECK_STR(r.error, "gone");
	cht_probe_free(p);
}

static void test_its_vcpus_speak_for_it(void **state)
{
	pid_t runs = spawn(be_a_vmm), is_paused = spawn(be_a_vmm_of_a_paused_vm);
	struct cht_probe *a = open_it(runs), *b = open_it(is_paused);
	struct cht_reading r = read_it(a);

	(void)state;
	while (!has(&r, "\"threads\":2,") || !has(&r, "\"vcpus\":{\"count\":1,"))
		r = until_it_says(a, CHT_PROBE_SAYS_RUNS);
	(void)until_it_says(a, CHT_PROBE_SAYS_RUNS);
	r = read_it(b);
	while (!has(&r, "\"vcpus\":{\"count\":1,"))
		r = read_it(b);
	(void)until_it_says(b, CHT_PROBE_SAYS_STILL);
	/* Meanwhile its own thread runs. */
	for (uint64_t until = user_ms(&r) + 50; user_ms(&r) < until; r = read_it(b)) {
		CHECK(has(&r, "\"vcpus\":{\"count\":1,"));
		poll(NULL, 0, 10);
		CHECK_INT(read_it(b).says, CHT_PROBE_SAYS_STILL);
	}
	stop(runs);
	stop(is_paused);
	cht_probe_free(a);
	cht_probe_free(b);
}

static void test_one_that_is_kept_from_the_processor_is_starved(void **state)
{
	pid_t other = spawn(push), pid = spawn(give_way);
	struct cht_probe *p = open_it(pid);

	(void)state;
	(void)until_it_says(p, CHT_PROBE_SAYS_STARVED);
	stop(other);
	(void)until_it_says(p, CHT_PROBE_SAYS_RUNS);
	stop(pid);
	cht_probe_free(p);
}

static void be_oddly_named(void)
{
	prctl(PR_SET_NAME, ") T 1 (\n)");
	linger();
}

static void test_an_odd_name_hides_nothing(void **state)
{
	pid_t pid = spawn(be_oddly_named);
	struct cht_probe *p = open_it(pid);
	struct cht_reading r = until_it_says(p, CHT_PROBE_SAYS_STILL);

	(void)state;
	CHECK_STR(r.error, "");
	CHECK(has(&r, "\"state\":\"S\""));
	stop(pid);
	cht_probe_free(p);
}

static void test_one_that_never_was_is_looked_for_again(void **state)
{
	const struct cht_probe_options bad[] = {
		{ .kind = CHT_PROBE_VMM_PROC }, { .kind = CHT_PROBE_VMM_PROC, .pid = UINT32_MAX }
	};
	struct cht_probe *p = open_it(INT32_MAX);
	struct cht_reading r = read_it(p);

	(void)state;
	CHECK_STR(r.error, "not_found");
	CHECK_INT(r.says, CHT_PROBE_SAYS_NOTHING);
	CHECK_STR(read_it(p).error, "not_found");
	cht_probe_free(p);
	for (size_t i = 0; i < 2; i++)
		CHECK_INT(cht_probe_open(&p, &bad[i], NULL), CHT_E_RANGE);
}

/* A child of this number; -1: this kernel or user may not. */
static pid_t spawn_as(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uint64_t)(uintptr_t)&pid,
				   .set_tid_size = 1 };
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (child == 0) {
		linger();
		_exit(0);
	}
	return child;
}

static void test_another_of_its_number_is_not_it(void **state)
{
	pid_t pid = spawn(linger);
	struct cht_probe *p = open_it(pid);
	struct cht_reading r = until_it_says(p, CHT_PROBE_SAYS_STILL);

	(void)state;
	stop(pid);
	if (spawn_as(pid) != pid) {
		cht_probe_free(p);
		skip();
	}
	r = read_it(p);
	CHECK_STR(r.error, "gone");
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	CHECK_STR(r.output, "");
	CHECK_STR(read_it(p).error, "gone");
	stop(pid);
	cht_probe_free(p);
}

/* ---- given by hand */

#define REST                                                                                       \
	" S 1 1 1 0 -1 4194304 9 0 0 0 11 12 0 0 20 0 3 0 555 4096 77 18446744073709551615 1 1 0 " \
	"0 0"                                                                                      \
	" 0 0 0 0 0 0 0 17 1 0 0 0 44 -5"

static int file_of(const char *text)
{
	int fd = memfd_create("stat", MFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static int read_given(struct probe *p, struct probe_room *room, struct cht_reading *r, int stat_fd)
{
	const struct cht_now now = { .realtime_ns = 1 };
	struct probe_want want;

	probe_begin(p);
	while (probe_next_want(p, &want)) {
		struct probe_given given = { .fd = -1, .code = CHT_E_IO, .sys = 13 };

		if (want.kind == PROBE_WANT_FILE) {
			given = (struct probe_given){ .fd = stat_fd };
			stat_fd = -1;
		}
		probe_give(p, &given);
	}
	return probe_read(p, &now, room, r);
}

static void test_a_start_at_another_time_is_another_process(void **state)
{
	static struct probe_room room;
	const struct cht_probe_options options = { .kind = CHT_PROBE_VMM_PROC, .pid = 42 };
	int fd = file_of("42 (a)" REST "\n");
	struct cht_reading r;
	struct probe *p;

	(void)state;
	assert_int_equal(probe_new(&p, &options, NULL), 0);
	CHECK_INT(read_given(p, &room, &r, fd), 1);
	/* What is forbidden is said; what was read beside it stands. */
	CHECK_STR(r.error, "forbidden");
	CHECK_STR(r.error_text, "task: Permission denied");
	CHECK(has(&r, "\"startTicks\":555,\"state\":\"S\","));
	CHECK(has(&r, "\"rssBytes\":315392,"));
	CHECK_INT(pwrite(fd, "x", 1,
			 (off_t)strlen("42 (a) S 1 1 1 0 -1 4194304 9 0 0 0 11 12 0 0 20 0 3 0 ")),
		  1);
	CHECK_INT(read_given(p, &room, &r, -1), 1);
	CHECK_STR(r.error, "malformed");
	CHECK_STR(r.output, "");
	CHECK_INT(pwrite(fd, "6", 1,
			 (off_t)strlen("42 (a) S 1 1 1 0 -1 4194304 9 0 0 0 11 12 0 0 20 0 3 0 ")),
		  1);
	CHECK_INT(read_given(p, &room, &r, -1), 1);
	CHECK_STR(r.error, "gone");
	CHECK_INT(r.says, CHT_PROBE_SAYS_GONE);
	CHECK_STR(r.output, "");
	probe_free(p);
}

/* The kernel has not counted yet how long it waits. */
static void test_one_that_is_to_run_and_never_does_is_starved(void **state)
{
	static const struct {
		const char *stat;
		uint64_t ms;
		enum cht_probe_says says;
	} rows[] = {
		{ "R", 0, CHT_PROBE_SAYS_NOTHING },  { "R", 1000, CHT_PROBE_SAYS_STARVED },
		{ "R", 10, CHT_PROBE_SAYS_STILL },   { "S", 1000, CHT_PROBE_SAYS_STILL },
		{ "R", 1000, CHT_PROBE_SAYS_STILL }, { "R", 1000, CHT_PROBE_SAYS_STARVED },
	};
	static struct probe_room room;
	const struct cht_probe_options options = { .kind = CHT_PROBE_VMM_PROC,
						   .pid = (uint32_t)getpid() };
	int stat_fd = file_of("42 (fc_vcpu 0)" REST "\n"), sched_fd = file_of("5 7 1\n");
	struct cht_now now = { .realtime_ns = 1 };
	struct probe *p;

	(void)state;
	assert_int_equal(probe_new(&p, &options, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_want want;
		struct cht_reading r;

		now.monotonic_ns += rows[i].ms * 1000000;
		CHECK_INT(pwrite(stat_fd, rows[i].stat, 1, (off_t)strlen("42 (fc_vcpu 0) ")), 1);
		probe_begin(p);
		while (probe_next_want(p, &want)) {
			struct probe_given given = { .fd = -1, .code = CHT_E_IO, .sys = 13 };

			if (want.kind == PROBE_WANT_LIST)
				given = (struct probe_given){ .fd = open("/proc/self/task",
									 O_RDONLY | O_DIRECTORY |
										 O_CLOEXEC) };
			if (want.kind == PROBE_WANT_FILE)
				given = (struct probe_given){
					.fd = dup(strstr(want.path, "sched") != NULL ? sched_fd
										     : stat_fd)
				};
			probe_give(p, &given);
		}
		CHECK_INT(probe_read(p, &now, &room, &r), 1);
		check_row = rows[i].stat;
		CHECK_INT(r.says, rows[i].says);
	}
	probe_free(p);
	close(stat_fd);
	close(sched_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stopped_one_is_told_from_a_busy_one_and_its_end_from_both),
		cmocka_unit_test(test_one_that_waits_is_still),
		cmocka_unit_test(test_its_vcpus_speak_for_it),
		cmocka_unit_test(test_one_that_is_kept_from_the_processor_is_starved),
		cmocka_unit_test(test_an_odd_name_hides_nothing),
		cmocka_unit_test(test_one_that_never_was_is_looked_for_again),
		cmocka_unit_test(test_another_of_its_number_is_not_it),
		cmocka_unit_test(test_one_that_is_to_run_and_never_does_is_starved),
		cmocka_unit_test(test_a_start_at_another_time_is_another_process),
	};

	return cmocka_run_group_tests_name("vmm_proc", tests, NULL, NULL);
}
