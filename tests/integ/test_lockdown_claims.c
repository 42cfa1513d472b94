/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program of ours can still do when it is locked down, tried by one that does it: a child
 * for each claim, because there is no way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "lockdown/lockdown.h"

static const char *const programs[] = {
	[LOCKDOWN_LINE] = "chtd", [LOCKDOWN_SCRIBE] = "cht-scribe", [LOCKDOWN_OPENER] = "cht-opener"
};

/* Each gives 0 when the call worked, its errno when it was refused. */
typedef int (*deed_fn)(const char *dir);

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int network(const char *dir)
{
	(void)dir;
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int netlink(const char *dir)
{
	(void)dir;
	return result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/* Of no descriptor: what counts is whether the call is made. */
static int enter_network(const char *dir)
{
	(void)dir;
	return result(setns(-1, CLONE_NEWNET));
}

static int enter_files(const char *dir)
{
	(void)dir;
	return result(setns(-1, CLONE_NEWNS));
}

static int enter_any(const char *dir)
{
	(void)dir;
	return result(setns(-1, 0));
}

static int unix_socket(const char *dir)
{
	(void)dir;
	return result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int run_program(const char *dir)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };

	(void)dir;
	return result(execve("/bin/true", argv, environ));
}

static int copy_itself(const char *dir)
{
	pid_t pid = fork();

	(void)dir;
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int trace(const char *dir)
{
	(void)dir;
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int end_parent(const char *dir)
{
	(void)dir;
	return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int signal_by_kill(const char *dir)
{
	(void)dir;
	return result(kill(getppid(), 0));
}

static int end_itself(const char *dir)
{
	(void)dir;
	return result(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static int make_code(const char *dir)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)dir;
	return page == MAP_FAILED ? errno : 0;
}

static int make_code_of_data(const char *dir)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)dir;
	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int make_data(const char *dir)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)dir;
	return page == MAP_FAILED ? errno : 0;
}

static int new_namespace(const char *dir)
{
	(void)dir;
	return result(syscall(SYS_unshare, 0x10000000));
}

static int a_bpf_program(const char *dir)
{
	(void)dir;
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int async_io(const char *dir)
{
	aio_context_t context = 0;

	(void)dir;
	return result(syscall(SYS_io_setup, 1, &context));
}

static int in(char out[4096], const char *dir, const char *name)
{
	return snprintf(out, 4096, "%s/%s", dir, name);
}

static int open_at(const char *dir, const char *name, int flags)
{
	char path[4096];

	(void)in(path, dir, name);
	return result(open(path, flags | O_CLOEXEC, 0600));
}

static int read_outside(const char *dir)
{
	return open_at(dir, "outside", O_RDONLY);
}

static int read_passwd(const char *dir)
{
	(void)dir;
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int write_outside(const char *dir)
{
	return open_at(dir, "outside", O_WRONLY);
}

static int read_inside(const char *dir)
{
	return open_at(dir, "in/file", O_RDONLY);
}

static int make_inside(const char *dir)
{
	return open_at(dir, "in/new", O_WRONLY | O_CREAT);
}

static int unlink_at(const char *dir, const char *name)
{
	char path[4096];

	(void)in(path, dir, name);
	return result(unlinkat(AT_FDCWD, path, 0));
}

static int unlink_inside(const char *dir)
{
	return unlink_at(dir, "in/file");
}

static int unlink_outside(const char *dir)
{
	return unlink_at(dir, "outside");
}

static int bind_at(const char *dir, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", dir, name);
	return result(bind(fd, (struct sockaddr *)&at, sizeof(at)));
}

static int bind_inside(const char *dir)
{
	return bind_at(dir, "in/s");
}

static int bind_outside(const char *dir)
{
	return bind_at(dir, "s");
}

enum { DIES = -1 };

static const struct claim {
	enum lockdown_program program;
	unsigned rights; /* on dir/in */
	const char *what;
	deed_fn deed;
	int want; /* DIES, or an errno */
} claims[] = {
	{ LOCKDOWN_LINE, 0, "speaks TCP", network, DIES },
	{ LOCKDOWN_LINE, 0, "speaks netlink", netlink, DIES },
	{ LOCKDOWN_LINE, 0, "runs a program", run_program, DIES },
	{ LOCKDOWN_LINE, 0, "forks", copy_itself, DIES },
	{ LOCKDOWN_LINE, 0, "is traced", trace, DIES },
	{ LOCKDOWN_LINE, 0, "signals another", end_parent, DIES },
	{ LOCKDOWN_LINE, 0, "kills", signal_by_kill, DIES },
	{ LOCKDOWN_LINE, 0, "may abort()", end_itself, 0 },
	{ LOCKDOWN_LINE, 0, "makes code", make_code, DIES },
	{ LOCKDOWN_LINE, 0, "makes code of data", make_code_of_data, DIES },
	{ LOCKDOWN_LINE, 0, "takes memory", make_data, 0 },
	{ LOCKDOWN_LINE, 0, "makes a namespace", new_namespace, DIES },
	{ LOCKDOWN_LINE, 0, "loads BPF", a_bpf_program, DIES },
	{ LOCKDOWN_LINE, 0, "begins asynchronous I/O", async_io, DIES },
	{ LOCKDOWN_LINE, 0, "reads a file", read_outside, DIES },
	{ LOCKDOWN_LINE, 0, "reads /etc/passwd", read_passwd, DIES },
	{ LOCKDOWN_LINE, 0, "makes a file", make_inside, DIES },
	{ LOCKDOWN_LINE, 0, "makes a socket", unix_socket, DIES },
	{ LOCKDOWN_LINE, 0, "binds", bind_inside, DIES },
	{ LOCKDOWN_LINE, 0, "unlinks", unlink_inside, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "speaks TCP", network, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "makes a socket", unix_socket, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "runs a program", run_program, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "forks", copy_itself, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "is traced", trace, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "makes code", make_code, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "signals another", end_parent, DIES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "begins asynchronous I/O", async_io, 0 },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "reads a file outside", read_outside, EACCES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "writes a file outside", write_outside, EACCES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "unlinks outside", unlink_outside, EACCES },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "reads the ledger", read_inside, 0 },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "begins a segment", make_inside, 0 },
	{ LOCKDOWN_SCRIBE, LOCKDOWN_STORE, "prunes", unlink_inside, 0 },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "speaks TCP", network, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "speaks netlink", netlink, 0 },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "makes a namespace", new_namespace, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "enters one of files", enter_files, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "enters any kind", enter_any, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "enters one of networks", enter_network, EBADF },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "runs a program", run_program, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "is traced", trace, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "makes code", make_code, DIES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "reads a file outside", read_outside, EACCES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "reads beside its sockets", read_inside, EACCES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "makes a file beside them", make_inside, EACCES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "binds where it may", bind_inside, 0 },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "binds elsewhere", bind_outside, EACCES },
	{ LOCKDOWN_OPENER, LOCKDOWN_SOCKETS, "unlinks elsewhere", unlink_outside, EACCES },
	{ LOCKDOWN_OPENER, 0, "binds with no rule", bind_inside, EACCES },
	{ LOCKDOWN_OPENER, 0, "unlinks with no rule", unlink_inside, EACCES },
};

static void make_file(const char *dir, const char *name)
{
	char path[4096];
	int fd;

	(void)in(path, dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	(void)close(fd);
}

static void empty(const char *dir, const char *const *names)
{
	for (; *names != NULL; names++) {
		char path[4096];

		(void)in(path, dir, *names);
		(void)remove(path);
	}
	(void)rmdir(dir);
}

/* As main does it: the first half early. */
static int close_up(enum lockdown_program program, enum lockdown_mode mode, const char *dir,
		    unsigned rights, struct lockdown_state *state)
{
	const struct lockdown_path path = { .path = dir, .rights = rights };
	const struct lockdown asked = {
		.mode = mode, .program = program, .paths = &path, .n_paths = rights != 0
	};

	return lockdown_begin(NULL) < 0 || lockdown_enter(&asked, state, NULL) < 0;
}

/* The exit status of a child that does it, or DIES. */
static int outcome(const struct claim *c, enum lockdown_mode mode, const char *dir)
{
	pid_t pid = fork();
	int status = 0;

	CHECK(pid >= 0);
	if (pid == 0) {
		struct lockdown_state state;
		char path[4096];

		(void)in(path, dir, "in");
		_exit(close_up(c->program, mode, path, c->rights, &state) ? 255 : c->deed(dir));
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return DIES;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void in_a_directory(void (*body)(const char *dir, const struct claim *c),
			   const struct claim *c)
{
	static const char *const names[] = {
		"in/file", "in/new", "in/s", "in", "s", "outside", NULL
	};
	char dir[] = "/tmp/cht-lockdown-XXXXXX", path[4096];

	CHECK(mkdtemp(dir) != NULL);
	(void)in(path, dir, "in");
	CHECK_INT(mkdir(path, 0700), 0);
	make_file(dir, "in/file");
	make_file(dir, "outside");
	body(dir, c);
	empty(dir, names);
}

static void check_claim(const char *dir, const struct claim *c)
{
	char row[128];

	(void)snprintf(row, sizeof(row), "%s %s", programs[c->program], c->what);
	check_row = row;
	CHECK_INT(outcome(c, LOCKDOWN_KILL, dir), c->want);
}

/* The runtime of a sanitizer makes calls of its own in the child. */
static void needs_a_plain_build(void)
{
	if (lockdown_default_mode() != LOCKDOWN_KILL)
		skip();
}

static void test_each_claim(void **unused)
{
	(void)unused;
	needs_a_plain_build();
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		if (claims[i].want != EACCES || has_landlock())
			in_a_directory(check_claim, &claims[i]);
}

static void check_log(const char *dir, const struct claim *c)
{
	CHECK_INT(outcome(c, LOCKDOWN_LOG, dir), 0);
	CHECK_INT(outcome(c, LOCKDOWN_OFF, dir), 0);
}

/* What instruments need is made, and told to the kernel's audit. */
static void test_log_and_off_let_all_pass(void **unused)
{
	static const struct claim some[] = {
		{ LOCKDOWN_LINE, 0, "forks", copy_itself, 0 },
		{ LOCKDOWN_LINE, 0, "reads", read_outside, 0 },
		{ LOCKDOWN_SCRIBE, 0, "makes a socket", unix_socket, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		in_a_directory(check_log, &some[i]);
}

/* "Name:\tvalue" of /proc/self/status, whose reading needs an open descriptor. */
static bool status_says(const char *text, const char *line)
{
	return strstr(text, line) != NULL;
}

static int read_own_status(uint64_t keep)
{
	const struct lockdown asked = { .program = LOCKDOWN_SCRIBE, .keep = keep };
	struct lockdown_state state;
	char text[8192];
	ssize_t n;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || lockdown_begin(NULL) < 0 || lockdown_enter(&asked, &state, NULL) < 0)
		return 1;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 2;
	text[n] = '\0';
	if (!status_says(text, "\nSeccomp:\t2\n") || !status_says(text, "\nNoNewPrivs:\t1\n"))
		return 3;
	if (!status_says(text, keep == 0 ? "\nCapEff:\t0000000000000000\n"
					 : "\nCapEff:\t00000000000000c0\n"))
		return 4;
	if (!status_says(text, keep == 0 ? "\nCapBnd:\t0000000000000000\n"
					 : "\nCapBnd:\t00000000000000c0\n"))
		return 5;
	return 0;
}

static void test_no_privilege_is_left(void **unused)
{
	static const uint64_t kept[] = { 0, 0xc0 }; /* CAP_SETGID, CAP_SETUID */

	(void)unused;
	needs_a_plain_build();
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(read_own_status(kept[i]));
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK_INT(status, 0);
	}
}

static void test_modes_have_names(void **unused)
{
	enum lockdown_mode mode = LOCKDOWN_KILL;

	(void)unused;
	for (int m = LOCKDOWN_KILL; m <= LOCKDOWN_OFF; m++) {
		CHECK(lockdown_read_mode(lockdown_mode_name((enum lockdown_mode)m), &mode));
		CHECK_INT(mode, m);
	}
	CHECK(!lockdown_read_mode("", &mode));
	CHECK(!lockdown_read_mode("KILL", &mode));
	CHECK_INT(mode, LOCKDOWN_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_claim),
		cmocka_unit_test(test_log_and_off_let_all_pass),
		cmocka_unit_test(test_no_privilege_is_left),
		cmocka_unit_test(test_modes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
