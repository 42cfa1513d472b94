/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_dir.h"

#include "control/passing.h"

enum { STRANGER = 54321 };

static struct flock lock_of(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

/* In a process of its own: passes fd, hears the answer, ends. */
static int pass(int fd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const struct cht_bytes body = { (const uint8_t *)"{}", 2 };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char text[512] = "";

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.99s", in_dir("register"));
	if ((geteuid() == 0 && (setresgid(STRANGER, STRANGER, STRANGER) != 0 ||
				setresuid(STRANGER, STRANGER, STRANGER) != 0)) ||
	    connect(sock, (const struct sockaddr *)&a, sizeof(a)) != 0 ||
	    fd_send_msg(sock, body, &fd, 1, NULL) != 0)
		return 1;
	if (recv(sock, text, sizeof(text) - 1, 0) <= 0 || strstr(text, "not_a_writer") == NULL)
		return 2;
	return recv(sock, text, sizeof(text), 0) == 0 ? 0 : 3;
}

static int is_locked(int fd)
{
	struct flock lock = lock_of(F_WRLCK);

	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1;
}

static int listen_in(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.99s", path);
	CHECK_INT(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	CHECK(chmod(dir, 0755) == 0 && chmod(path, 0666) == 0);
	CHECK_INT(listen(fd, 8), 0);
	return fd;
}

/* A process that closes a file gives up its locks of that file: ours shows whether we closed what
 * we were sent, and so had it. */
static void test_what_a_stranger_passes_is_never_ours(void **state)
{
	const struct control_handler handler = { .clients_max = 1 };
	int fd = open(in_dir("file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600), status;
	struct flock lock = lock_of(F_WRLCK);
	struct passing *p;
	pid_t pid;

	(void)state;
	CHECK_INT(fcntl(fd, F_SETLK, &lock), 0);
	CHECK_INT(passing_open(&p, listen_in(in_dir("register")), &handler, NULL), 0);
	pid = fork();
	if (pid == 0)
		_exit(pass(fd));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct pollfd ready = { .fd = passing_fd(p), .events = POLLIN };

		(void)poll(&ready, 1, 100);
		passing_run(p);
	}
	CHECK_INT(status, 0);
	pid = fork();
	if (pid == 0)
		_exit(is_locked(fd));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	passing_close(p);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_stranger_passes_is_never_ours),
	};

	return cmocka_run_group_tests_name("control_passing", tests, setup, teardown);
}
