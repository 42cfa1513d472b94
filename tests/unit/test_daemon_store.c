/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/store.h"

static void test_every_number_has_one_name(void **state)
{
	static uint8_t seen[STORE_MAX];
	size_t total = 0;

	(void)state;
	for (unsigned n = 0; n < STORE_MAX; n++) {
		char name[STORE_NAME_MAX + 1];
		size_t len;

		CHECK(store_name((uint16_t)n, name));
		len = strlen(name);
		CHECK(len >= 1 && len <= STORE_NAME_MAX);
		CHECK_INT(store_number(name, len), n);
		CHECK(!seen[n]);
		seen[n] = 1;
		total += len + 1;
	}
	/* One environment variable holds them all, with its own name. */
	CHECK(total + sizeof("+:_:") + sizeof("LISTEN_FDNAMES=") < 128 << 10);
	CHECK(!store_name(STORE_NONE, (char[STORE_NAME_MAX + 1]){ 0 }));
}

static void test_other_names_are_nobodys(void **state)
{
	static const char *const others[] = { "",    "+",   "-",    "=",           "a-",
					      "a b", "zz.", "zzzz", "chtd.socket", "zzz" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK_INT(store_number(others[i], strlen(others[i])), STORE_NONE);
	CHECK_INT(store_number("a\0b", 3), STORE_NONE);
}

/* A manager's end of the notify socket, and a store at the other. */
static int pair(struct store *s)
{
	struct cht_err err = { 0 };
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
	if (store_open(s, ends[1], &err) < 0)
		fail_msg("%s", err.text);
	fd_close(&ends[1]);
	return ends[0];
}

static void must_hear(int manager, const char *text, bool has_fd)
{
	char got[64];
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { got, sizeof(got) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(manager, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	CHECK(n >= 0);
	CHECK_STRS(((struct cht_str){ got, (size_t)n }), str_of(text));
	CHECK((CMSG_FIRSTHDR(&msg) != NULL) == has_fd);
	if (has_fd) {
		int fd;

		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		fd_close(&fd);
	}
}

static void test_a_name_is_given_again_once_it_is_given_up(void **state)
{
	struct store s;
	int manager = pair(&s), fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint16_t a = store_put(&s, fd), b = store_put(&s, fd);

	(void)state;
	must_hear(manager, "FDSTORE=1\nFDNAME=0\nFDPOLL=0", true);
	must_hear(manager, "FDSTORE=1\nFDNAME=1\nFDPOLL=0", true);
	CHECK(a != b);
	store_drop(&s, &a);
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=0", false);
	CHECK_INT(a, STORE_NONE);
	store_drop(&s, &a); /* once */
	CHECK_INT(store_put(&s, fd), 0);
	must_hear(manager, "FDSTORE=1\nFDNAME=0\nFDPOLL=0", true);
	fd_close(&fd);
	fd_close(&manager);
	store_close(&s);
}

/* What it did not hear of is told as soon as it hears: a name that it holds is not given again. */
static void test_a_manager_that_is_busy_holds_up_nobody(void **state)
{
	struct store s;
	int manager = pair(&s), fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint16_t first = store_put(&s, fd), name = first;
	unsigned n = 0;

	(void)state;
	while (name != STORE_NONE && n++ < STORE_MAX)
		name = store_put(&s, fd);
	CHECK_INT(name, STORE_NONE); /* its queue is full */
	store_drop(&s, &first);
	CHECK_INT(s.n_owed, 1);
	while (n-- > 0) {
		char got[64];

		(void)!recv(manager, got, sizeof(got), MSG_DONTWAIT);
	}
	s.deaf_until_ns = 1; /* a second later */
	name = store_put(&s, fd);
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=0", false);
	must_hear(manager, "FDSTORE=1\nFDNAME=0\nFDPOLL=0", true);
	CHECK_INT(name, 0);
	fd_close(&fd);
	fd_close(&manager);
	store_close(&s);
}

/* The manager says nothing when it is full: what holds the place goes just before the new memory
 * comes, and is back once the old one is gone. */
static void test_the_place_of_the_next_memory_is_held(void **state)
{
	struct store s;
	int manager = pair(&s), fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	CHECK(store_put_memory(&s, fd));
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=_", false);
	must_hear(manager, "FDSTORE=1\nFDNAME=-\nFDPOLL=0", true);
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=+", false);
	must_hear(manager, "FDSTORE=1\nFDNAME=_\nFDPOLL=0", true);
	store_drop_memory(&s);
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=-", false);
	must_hear(manager, "FDSTOREREMOVE=1\nFDNAME=_", false);
	fd_close(&fd);
	fd_close(&manager);
	store_close(&s);
}

/* In a process of its own, which has nothing at these numbers. */
static int find_twice(void)
{
	char pid[16];
	struct store s;

	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	for (int fd = 3; fd < 7; fd++)
		if (dup3(0, fd, O_CLOEXEC) < 0)
			return 1;
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "4", 1);
	(void)setenv("LISTEN_FDNAMES", "7:7:8:7", 1);
	(void)pair(&s);
	if (s.n_found != 2 || s.n_free != STORE_MAX - 2 || fcntl(4, F_GETFD) >= 0)
		return 2;
	store_drop_rest(&s);
	return s.n_free + s.n_owed == STORE_MAX ? 0 : 3;
}

static void test_a_name_that_stands_twice_is_taken_once(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(find_twice());
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

static void test_without_a_manager_there_is_no_store(void **state)
{
	struct cht_err err = { 0 };
	struct store s;

	(void)state;
	CHECK_INT(store_open(&s, -1, &err), CHT_E_CONFIG);
	CHECK_INT(store_put(&s, 0), STORE_NONE);
	store_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_number_has_one_name),
		cmocka_unit_test(test_other_names_are_nobodys),
		cmocka_unit_test(test_a_name_is_given_again_once_it_is_given_up),
		cmocka_unit_test(test_the_place_of_the_next_memory_is_held),
		cmocka_unit_test(test_a_manager_that_is_busy_holds_up_nobody),
		cmocka_unit_test(test_a_name_that_stands_twice_is_taken_once),
		cmocka_unit_test(test_without_a_manager_there_is_no_store),
	};

	return cmocka_run_group_tests_name("daemon_store", tests, NULL, NULL);
}
