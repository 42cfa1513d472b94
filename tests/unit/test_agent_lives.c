/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a mechanism saw to frames, read back with the receiver's own decoder.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "agent/lives.h"
#include "base/limits.h"
#include "check.h"

static struct report r;
static struct lives l;

static int reset(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	memset(&l, 0, sizeof(l));
	r.boot = 42;
	lives_init(&l, &r);
	return 0;
}

static uint8_t bytes[QUEUE_BYTES];

/* The oldest frame, which is then gone; it borrows until the next call. */
static struct cht_declaration take(void)
{
	struct cht_declaration d = { 0 };
	struct iovec spans[2];
	size_t len = 0;
	int n = queue_spans(&r.queue, true, spans);

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		memcpy(bytes + len, spans[i].iov_base, spans[i].iov_len);
		len += spans[i].iov_len;
	}
	CHECK_INT(le32_load(bytes), len - 4);
	CHECK_INT(cht_decode(bytes + 4, len - 4, &d, NULL), 0);
	CHECK_INT(queue_advance(&r.queue, len), 1);
	CHECK_INT(d.agent_boot, 42);
	return d;
}

static struct cht_bytes raw(const char *s)
{
	return (struct cht_bytes){ (const uint8_t *)s, strlen(s) };
}

enum { A = INT32_MAX - 5, B, C }; /* no such processes */

static void test_a_fork_without_exec_is_told_at_its_exit(void **state)
{
	struct cht_declaration d;

	(void)state;
	lives_on_fork(&l, A, 1, 1000);
	lives_on_comm(&l, A, raw("work\xff"));
	lives_on_exit(&l, A, 1, 7 << 8, 2000);
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_SPAWNED);
	CHECK_INT(d.monotonic_ns, 1000);
	CHECK_INT(d.agent_seq, 1);
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
	CHECK_INT(d.pid, A);
	CHECK_INT(d.agent_seq, 2);
	CHECK_INT(d.detail[CHT_DETAIL_EXIT_CODE].num, 7);
	CHECK_INT(d.details >> CHT_DETAIL_EXIT_SIGNAL & 1, 0);
	CHECK_STR(d.comm, "work\xef\xbf\xbd");
	CHECK(d.details >> CHT_DETAIL_COMM_RAW & 1);
	CHECK(memcmp(d.detail[CHT_DETAIL_COMM_RAW].raw.ptr, "work\xff", 5) == 0);
	CHECK_INT(r.queue.n, 0);
}

static void test_an_exec_is_told_and_then_only_the_exit(void **state)
{
	struct cht_declaration d;

	(void)state;
	lives_on_fork(&l, A, 1, 1000);
	CHECK_INT(lives_look(&l, A).len, 0);
	lives_on_exec(&l, A, raw("/bin/true"), 1500);
	lives_on_exit(&l, A, 9, 11 | 0x80, 2000); /* SIGSEGV, core dumped */
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_SPAWNED);
	CHECK_STRS(d.detail[CHT_DETAIL_EXE].text, STR("/bin/true"));
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
	CHECK_INT(d.detail[CHT_DETAIL_EXIT_SIGNAL].num, 11);
	CHECK_INT(d.details >> CHT_DETAIL_EXIT_CODE & 1, 0);
	CHECK_INT(d.detail[CHT_DETAIL_PPID].num, 9);
	CHECK_STRS(d.detail[CHT_DETAIL_EXE].text, STR("/bin/true"));
	CHECK_INT(r.queue.n, 0);
}

static void test_a_child_has_what_its_parent_had(void **state)
{
	struct cht_declaration d;

	(void)state;
	lives_on_fork(&l, A, 1, 1000);
	(void)lives_look(&l, A);
	lives_on_exec(&l, A, raw("/bin/sh"), 1000);
	lives_on_comm(&l, A, raw("shell"));
	table_find(&l.table, A)->flags |= PROC_IDS;
	lives_on_uid(&l, A, 1000);
	lives_on_gid(&l, A, 33);
	lives_on_fork(&l, B, A, 2000);
	lives_on_exit(&l, B, A, 0, 3000);
	(void)take();
	d = take();
	CHECK_INT(d.pid, B);
	CHECK_STR(d.comm, "shell");
	CHECK_INT(d.detail[CHT_DETAIL_UID].num, 1000);
	CHECK_INT(d.detail[CHT_DETAIL_GID].num, 33);
	CHECK_STRS(d.detail[CHT_DETAIL_EXE].text, STR("/bin/sh"));
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
}

static void test_a_fork_that_lives_on_is_told_after_a_second(void **state)
{
	struct cht_declaration d;

	(void)state;
	lives_on_fork(&l, A, 1, NS_PER_S);
	CHECK_INT(l.tell_at_ns, 2 * NS_PER_S);
	lives_tick(&l, 2 * NS_PER_S - 1);
	CHECK_INT(r.queue.n, 0);
	lives_tick(&l, 2 * NS_PER_S);
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_SPAWNED);
	CHECK_INT(d.monotonic_ns, NS_PER_S);
	CHECK_INT(l.tell_at_ns, UINT64_MAX);
	lives_on_exit(&l, A, 1, 0, 3 * NS_PER_S);
	CHECK_INT(take().source, CHT_SOURCE_PROCESS_EXITED);
	CHECK_INT(r.queue.n, 0);
}

static void test_kernel_threads_are_not_told_until_they_exec(void **state)
{
	(void)state;
	lives_on_fork(&l, A, 2, 1);
	lives_on_fork(&l, B, A, 1);
	lives_on_exit(&l, A, 2, 0, 2);
	lives_tick(&l, 5 * NS_PER_S);
	CHECK_INT(r.now.seq, 0);
	(void)lives_look(&l, B);
	lives_on_exec(&l, B, raw("/sbin/modprobe"), 3);
	lives_on_exit(&l, B, A, 0, 4);
	CHECK_INT(r.now.seq, 2);
}

static void test_an_exit_of_an_unknown_process_is_told(void **state)
{
	struct cht_declaration d;

	(void)state;
	lives_on_exit(&l, C, 1, 0, 5);
	d = take();
	CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
	CHECK_INT(d.pid, C);
	CHECK_STR(d.comm, "");
	CHECK_INT(d.details >> CHT_DETAIL_UID & 1, 0);
	CHECK_INT(r.queue.n, 0);
}

static void test_a_full_table_still_tells_execs_and_exits(void **state)
{
	(void)state;
	for (uint32_t pid = 1000000; table_put(&l.table, pid) != NULL; pid++)
		;
	lives_on_fork(&l, A, 1, 1);
	(void)lives_look(&l, A);
	lives_on_exec(&l, A, raw("/bin/x"), 2);
	lives_on_exit(&l, A, 1, 0, 3);
	CHECK_INT(r.now.seq, 2);
	CHECK_STRS(take().detail[CHT_DETAIL_EXE].text, STR("/bin/x"));
}

static void test_seen_is_queued_and_dropped(void **state)
{
	struct cht_declaration d;
	uint64_t dropped, seq;

	(void)state;
	while (r.now.dropped < 3)
		report_file(&r, raw("/etc/passwd"), 2, 5);
	CHECK_INT(r.now.seq, r.queue.n + r.now.dropped);
	seq = r.now.seq;
	report_lost(&r, 10);
	CHECK_INT(r.now.seq, seq + 10);
	dropped = r.now.dropped;
	CHECK_INT(dropped, 13);
	d = take();
	CHECK_INT(d.agent_seq, 1);
	CHECK_INT(d.agent_dropped, 0);
	while (r.queue.n > 0)
		d = take();
	report_file(&r, raw("/etc/passwd"), 2, 5);
	CHECK_INT(take().agent_dropped, 13);
	report_file(&r, raw("/etc/passwd"), 2, 5);
	report_give_up(&r);
	CHECK_INT(r.now.dropped, 14);
	CHECK_INT(r.queue.n, 0);
}

static void test_a_hello_carries_its_coverage(void **state)
{
	uint8_t out[REPORT_CONTROL_MAX];
	struct cht_declaration d;
	struct cht_coverage c;
	char long_reason[1000];
	size_t at = 0, n;

	(void)state;
	memset(long_reason, 'x', sizeof(long_reason) - 1);
	long_reason[sizeof(long_reason) - 1] = '\0';
	for (int i = 0; i < N_SEES; i++)
		report_coverage(&r, (enum coverage_kind)i, COVERAGE_DEGRADED,
				"proc-connector, fanotify", long_reason);
	report_file(&r, raw("/x"), 2, 5);
	n = report_control(&r, REPORT_HELLO, NULL, 7, out);
	CHECK_INT(cht_decode(out + 4, n - 4, &d, NULL), 0);
	CHECK_INT(d.source, CHT_SOURCE_AGENT_HELLO);
	CHECK_INT(d.agent_seq, 0); /* event 1 is still in the queue behind it */
	CHECK(!r.coverage_changed);
	for (int i = 0; i < N_SEES; i++) {
		CHECK(cht_coverage_next(d.detail[CHT_DETAIL_COVERAGE].raw, &at, &c));
		CHECK_STR(c.state, "degraded");
		CHECK_INT(c.reason.len, COVERAGE_TEXT_MAX - 1);
	}
	(void)take();
	n = report_control(&r, REPORT_BYE, "SIGTERM", 7, out);
	CHECK_INT(cht_decode(out + 4, n - 4, &d, NULL), 0);
	CHECK_INT(d.source, CHT_SOURCE_AGENT_BYE);
	CHECK_INT(d.agent_seq, 1);
	CHECK_STRS(d.detail[CHT_DETAIL_REASON].text, STR("SIGTERM"));
}

static void test_the_longest_odd_path_fits_a_frame(void **state)
{
	static uint8_t path[PATH_BYTES_MAX];
	struct cht_declaration d;

	(void)state;
	memset(path, 0xff, sizeof(path));
	report_file(&r, (struct cht_bytes){ path, sizeof(path) }, UINT32_MAX, UINT64_MAX);
	CHECK_INT(r.now.dropped, 0);
	d = take();
	CHECK_INT(d.detail[CHT_DETAIL_PATH_RAW].raw.len, PATH_BYTES_MAX);
	CHECK_INT(d.detail[CHT_DETAIL_PATH].text.len, PATH_TEXT_MAX);
}

static void test_a_poll_tells_what_began_and_what_ended(void **state)
{
	bool began = false;
	siginfo_t info;
	int ends[2];
	pid_t child;

	(void)state;
	CHECK(lives_scan(&l, LIVES_SEED, 1));
	CHECK_INT(r.now.seq, 0);
	CHECK(table_find(&l.table, (uint32_t)getpid()) != NULL);
	CHECK_INT(pipe(ends), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		char nothing;

		(void)!read(ends[0], &nothing, 1);
		_exit(5);
	}
	CHECK(lives_scan(&l, LIVES_POLL, 2));
	while (r.queue.n > 0) {
		struct cht_declaration d = take();

		if (d.pid == (uint32_t)child)
			began = d.source == CHT_SOURCE_PROCESS_SPAWNED;
	}
	CHECK(began);
	CHECK_INT(write(ends[1], "x", 1), 1);
	CHECK_INT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0); /* a zombie now */
	CHECK(lives_scan(&l, LIVES_POLL, 3));
	CHECK_INT(waitid(P_PID, (id_t)child, &info, WEXITED), 0);
	CHECK(lives_scan(&l, LIVES_POLL, 4)); /* told once */
	began = false;
	while (r.queue.n > 0) {
		struct cht_declaration d = take();

		if (d.pid != (uint32_t)child)
			continue;
		CHECK(!began);
		began = true;
		CHECK_INT(d.source, CHT_SOURCE_PROCESS_EXITED);
		CHECK_INT(d.detail[CHT_DETAIL_EXIT_CODE].num, 5);
	}
	CHECK(began);
	CHECK(table_find(&l.table, (uint32_t)child) == NULL);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_fork_without_exec_is_told_at_its_exit, reset),
		cmocka_unit_test_setup(test_an_exec_is_told_and_then_only_the_exit, reset),
		cmocka_unit_test_setup(test_a_child_has_what_its_parent_had, reset),
		cmocka_unit_test_setup(test_a_fork_that_lives_on_is_told_after_a_second, reset),
		cmocka_unit_test_setup(test_kernel_threads_are_not_told_until_they_exec, reset),
		cmocka_unit_test_setup(test_an_exit_of_an_unknown_process_is_told, reset),
		cmocka_unit_test_setup(test_a_full_table_still_tells_execs_and_exits, reset),
		cmocka_unit_test_setup(test_seen_is_queued_and_dropped, reset),
		cmocka_unit_test_setup(test_a_hello_carries_its_coverage, reset),
		cmocka_unit_test_setup(test_the_longest_odd_path_fits_a_frame, reset),
		cmocka_unit_test_setup(test_a_poll_tells_what_began_and_what_ended, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
