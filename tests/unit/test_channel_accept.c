/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_dir.h"

static void test_what_is_bound_is_answered_and_then_gone(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	struct channel_spare spare = CHANNEL_SPARE_NULL;
	struct channel_socket s;
	struct channel_peer peer;
	int client, fd = -1;

	(void)state;
	o.base = in_dir("v.sock");
	s = must_bind(&o);
	CHECK_INT(channel_spare_open(&spare, NULL), 0);
	CHECK_INT(channel_accept(s.fd, &spare, &fd, &peer, NULL), 0);
	client = dial(in_dir("v.sock_9001"), 0);
	CHECK(client >= 0);
	CHECK_INT(channel_accept(s.fd, &spare, &fd, &peer, NULL), 1);
	CHECK_INT(peer.pid, getpid());
	CHECK_INT(peer.uid, getuid());
	CHECK_INT(peer.gid, getgid());
	CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	CHECK((fcntl(s.fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
	close(client);
	channel_unbind(&s);
	channel_unbind(&s);
	CHECK_INT(dial(in_dir("v.sock_9001"), 0), -ENOENT);
	CHECK_INT(files_in_dir(), 0);
	channel_spare_close(&spare);
}

/* A child connects as fast as it can while we bind: it may find no name, and then a listener;
 * a refused connect would be a name without one. */
static void test_whoever_finds_the_name_is_answered(void **state)
{
	int status;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct cht_listener_options o = at_path(in_dir("race"));
		struct channel_socket s;
		int ready[2];
		pid_t pid;
		char c;

		CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0) {
			int fd = dial(in_dir("race"), SOCK_NONBLOCK);

			(void)!write(ready[1], "", 1);
			while (fd == -ENOENT)
				fd = dial(in_dir("race"), SOCK_NONBLOCK);
			_exit(fd >= 0 ? 0 : -fd);
		}
		CHECK_INT(read(ready[0], &c, 1), 1);
		s = must_bind(&o);
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK_INT(status, 0);
		channel_unbind(&s);
		close(ready[0]);
		close(ready[1]);
	}
}

enum { CROWD = 2000, DIALLERS = 8 };

static void raise_descriptors(void)
{
	struct rlimit l;

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = l.rlim_max;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &l), 0);
	if (l.rlim_cur < CROWD + 100)
		skip();
}

/* Blocking connects from several processes, so that more wait than a backlog holds. */
static void test_two_thousand_at_once_are_all_answered(void **state)
{
	struct cht_listener_options o = at_path(in_dir("crowd"));
	struct channel_spare spare = CHANNEL_SPARE_NULL;
	struct channel_socket s = must_bind(&o);
	static int taken[CROWD];
	pid_t pids[DIALLERS];
	unsigned n = 0;

	(void)state;
	raise_descriptors();
	CHECK_INT(channel_spare_open(&spare, NULL), 0);
	for (int p = 0; p < DIALLERS; p++) {
		pids[p] = fork();
		if (pids[p] == 0) {
			static int mine[CROWD / DIALLERS];
			char c;

			for (int i = 0; i < CROWD / DIALLERS; i++)
				if ((mine[i] = dial(in_dir("crowd"), 0)) < 0)
					_exit(1);
			for (int i = 0; i < CROWD / DIALLERS; i++)
				if (read(mine[i], &c, 1) != 1)
					_exit(2);
			_exit(0);
		}
	}
	while (n < CROWD) {
		struct pollfd p = { .fd = s.fd, .events = POLLIN };
		struct channel_peer peer;
		int r;

		CHECK_INT(poll(&p, 1, 20000), 1);
		while ((r = channel_accept(s.fd, &spare, &taken[n], &peer, NULL)) == 1)
			CHECK_INT(write(taken[n++], "", 1), 1);
		CHECK_INT(r, 0);
	}
	for (int p = 0; p < DIALLERS; p++) {
		int status;

		CHECK_INT(waitpid(pids[p], &status, 0), pids[p]);
		CHECK_INT(status, 0);
	}
	while (n > 0)
		close(taken[--n]);
	channel_spare_close(&spare);
	channel_unbind(&s);
}

/* In a child: what it does to the limit must not touch the other tests. */
static int out_of_descriptors(void)
{
	struct cht_listener_options o = at_path(in_dir("emfile"));
	struct channel_socket s = must_bind(&o);
	struct channel_spare spare = CHANNEL_SPARE_NULL;
	struct channel_peer peer;
	struct cht_err err;
	struct rlimit l = { 0, 0 };
	int clients[3], fd = -1;
	char c;

	if (channel_spare_open(&spare, NULL) != 0)
		return 1;
	for (int i = 0; i < 3; i++)
		clients[i] = dial(in_dir("emfile"), 0);
	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return 2;
	l.rlim_cur = (rlim_t)clients[2] + 1;
	if (setrlimit(RLIMIT_NOFILE, &l) != 0)
		return 3;
	while (dup(0) >= 0) /* every number up to it is in use */
		;
	for (int i = 0; i < 2; i++) {
		if (channel_accept(s.fd, &spare, &fd, &peer, &err) != CHT_E_LIMIT || spare.fd < 0)
			return 4;
		if (read(clients[i], &c, 1) != 0) /* it was closed, not left to wait */
			return 5;
	}
	close(clients[0]); /* now there is one to be had */
	if (channel_accept(s.fd, &spare, &fd, &peer, &err) != 1)
		return 6;
	/* Nobody waits: the kernel says EMFILE all the same. */
	if (channel_accept(s.fd, &spare, &fd, &peer, &err) != 0 || spare.fd < 0)
		return 7;
	/* Not even the spare. */
	channel_spare_close(&spare);
	if (dup(0) < 0)
		return 8;
	if (channel_accept(s.fd, &spare, &fd, &peer, &err) != CHT_E_IO || err.sys != EMFILE)
		return 9;
	channel_unbind(&s);
	return 0;
}

static void test_out_of_descriptors_is_answered_too(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (getenv("CHT_VALGRIND") != NULL)
		skip(); /* valgrind has descriptors of its own above the limit */
	pid = fork();
	if (pid == 0)
		_exit(out_of_descriptors());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_bound_is_answered_and_then_gone),
		cmocka_unit_test(test_whoever_finds_the_name_is_answered),
		cmocka_unit_test(test_two_thousand_at_once_are_all_answered),
		cmocka_unit_test(test_out_of_descriptors_is_answered_too),
	};

	return cmocka_run_group_tests_name("channel_accept", tests, setup, teardown);
}
