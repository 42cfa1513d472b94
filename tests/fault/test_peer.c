/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose process is at the other end: as the kernel hands it out, and by its number alone, on
 * kernels that do not (before Linux 6.5).
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/channel.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static bool is_old;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (is_old && level == SOL_SOCKET && name == SO_PEERPIDFD) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return __real_getsockopt(fd, level, name, value, len);
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) != 0;
}

/* A child at the other end of *fd, alive until it is killed. */
static pid_t connected_child(int *fd)
{
	char path[64];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at.sun_family) + 1;
	pid_t pid;

	/* An abstract name, of our process alone. */
	(void)snprintf(path, sizeof(path), "cht-peer-%d", (int)getpid());
	memcpy(at.sun_path + 1, path, strlen(path));
	len += (socklen_t)strlen(path);
	CHECK_INT(bind(listener, (struct sockaddr *)&at, len), 0);
	CHECK_INT(listen(listener, 1), 0);
	pid = fork();
	if (pid == 0) {
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(s, (struct sockaddr *)&at, len) != 0)
			_exit(1);
		for (;;)
			pause();
	}
	*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(*fd >= 0);
	close(listener);
	return pid;
}

static void end(pid_t pid)
{
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void check_lives_and_ends(void)
{
	int fd, pidfd;
	pid_t pid = connected_child(&fd);

	pidfd = channel_peer_pidfd(fd);
	CHECK(pidfd >= 0);
	CHECK((fcntl(pidfd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK(!is_ready(pidfd, POLLIN));
	end(pid);
	CHECK(is_ready(pidfd, POLLIN));
	close(pidfd);
	close(fd);
}

static void test_its_end_is_seen(void **state)
{
	(void)state;
	is_old = false;
	check_lives_and_ends();
}

static void test_its_end_is_seen_by_number(void **state)
{
	(void)state;
	is_old = true;
	check_lives_and_ends();
}

/* Its number could be anybody's by now. */
static void test_who_has_ended_is_not_taken_by_number(void **state)
{
	int fd;
	pid_t pid = connected_child(&fd);

	(void)state;
	is_old = true;
	CHECK_INT(kill(pid, SIGKILL), 0);
	while (!is_ready(fd, POLLRDHUP))
		(void)poll(NULL, 0, 1);
	CHECK_INT(channel_peer_pidfd(fd), -1); /* it is a zombie, and can still be opened */
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(channel_peer_pidfd(fd), -1);
	close(fd);
}

static void test_what_has_no_process_has_none(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	for (int old = 0; old < 2 && fd >= 0; old++) {
		is_old = old != 0;
		CHECK_INT(channel_peer_pidfd(fd), -1);
	}
	CHECK_INT(channel_pidfd(0), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_its_end_is_seen),
		cmocka_unit_test(test_its_end_is_seen_by_number),
		cmocka_unit_test(test_who_has_ended_is_not_taken_by_number),
		cmocka_unit_test(test_what_has_no_process_has_none),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
