/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_dir.h"

/* A socket file that nobody listens on, as a process that was killed leaves one. */
static void leave_stale(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.99s", path);
	CHECK_INT(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
}

static void test_the_suffix_is_the_port(void **state)
{
	char out[32];

	(void)state;
	CHECK_INT(cht_socket_path("/run/v.sock", out, sizeof(out)), 16);
	CHECK_STR(str_of(out), "/run/v.sock_9001");
	CHECK_INT(cht_socket_path("0123456789", out, 16), 15);
	CHECK_INT(cht_socket_path("0123456789", out, 15), CHT_E_RANGE);
	CHECK_INT(cht_socket_path("", out, 5), CHT_E_RANGE);
}

static void test_a_base_that_a_vmm_cannot_use_is_told(void **state)
{
	char base[104];

	(void)state;
	memset(base, 'a', sizeof(base));
	base[102] = '\0';
	CHECK(!cht_base_is_too_long(base));
	base[102] = 'a';
	base[103] = '\0';
	CHECK(cht_base_is_too_long(base));
}

static void test_mode_is_as_asked_whatever_the_umask(void **state)
{
	static const struct {
		mode_t umask, ask, want;
	} rows[] = {
		{ 0, 0, 0600 }, { 022, 0660, 0660 }, { 077, 0666, 0666 }, { 0777, 0600, 0600 }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_listener_options o = at_path(in_dir("mode"));
		mode_t before = umask(rows[i].umask);
		struct channel_socket s;
		struct stat st;

		o.mode = rows[i].ask;
		s = must_bind(&o);
		(void)umask(before);
		CHECK_INT(lstat(in_dir("mode"), &st), 0);
		CHECK_INT(st.st_mode & 07777, rows[i].want);
		channel_unbind(&s);
	}
}

static void test_owner_from_birth_needs_privilege(void **state)
{
	struct cht_listener_options o = at_path(in_dir("owned/s"));
	struct channel_socket s;
	struct cht_err err;
	struct stat st;

	(void)state;
	CHECK_INT(mkdir(in_dir("owned"), 0777), 0);
	CHECK_INT(chmod(in_dir("owned"), 0777), 0);
	CHECK_INT(chmod(dir, 0711), 0);
	o = at_path(in_dir("owned/s"));
	o.uid = 65534;
	o.gid = 65533;
	if (getuid() != 0) {
		CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
		CHECK(strstr(err.text, "needs CAP_SET") != NULL);
		CHECK_INT(s.fd, -1);
		return;
	}
	s = must_bind(&o);
	CHECK_INT(lstat(in_dir("owned/s"), &st), 0);
	CHECK_INT(st.st_uid, 65534);
	CHECK_INT(st.st_gid, 65533);
	channel_unbind(&s);
	check_row = "and not where the owner may not write";
	CHECK_INT(chmod(in_dir("owned"), 0755), 0);
	CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
	CHECK_INT(err.sys, EACCES);
	check_row = "we are ourselves again";
	o.uid = o.gid = -1;
	s = must_bind(&o);
	channel_unbind(&s);
}

static void test_without_privilege_it_says_so(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (getuid() != 0)
		skip();
	CHECK_INT(chmod(dir, 0777), 0);
	pid = fork();
	if (pid == 0) {
		struct cht_listener_options o = at_path(in_dir("other"));
		struct channel_socket s;
		struct cht_err err;

		o.uid = 1;
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(9);
		if (channel_bind(&s, &o, &err) != CHT_E_BIND || s.fd != -1)
			_exit(1);
		if (strstr(err.text, "needs CAP_SETUID") == NULL)
			_exit(2);
		o.uid = -1;
		o.gid = 1;
		if (channel_bind(&s, &o, &err) != CHT_E_BIND ||
		    strstr(err.text, "needs CAP_SETGID") == NULL)
			_exit(3);
		o.gid = 65534;
		o.uid = 65534;
		_exit(channel_bind(&s, &o, &err) == 0 ? 0 : 4);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(unlink(in_dir("other")), 0);
}

static void test_long_paths_bind(void **state)
{
	char path[512], name[108];
	struct cht_listener_options o;
	struct channel_socket s;
	size_t n;
	int fd;

	(void)state;
	n = (size_t)snprintf(path, sizeof(path), "%s", dir);
	while (n < 280) {
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/%040d", 7);
		CHECK_INT(mkdir(path, 0700), 0);
	}
	n += (size_t)snprintf(path + n, sizeof(path) - n, "/s");
	CHECK(n >= 300);
	o = at_path(path);
	s = must_bind(&o);
	fd = dial(path, 0);
	CHECK(fd >= 0);
	close(fd);
	channel_unbind(&s);
	check_row = "a base of 103 bytes in its last name";
	memset(name, 'n', 102);
	name[102] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	o = (struct cht_listener_options)CHT_LISTENER_OPTIONS_INIT;
	o.base = path;
	s = must_bind(&o);
	CHECK_INT(strlen(s.name), 107);
	channel_unbind(&s);
	check_row = "a name too long for any sockaddr";
	memset(name, 'n', 103);
	name[103] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
}

static void test_options_that_cannot_be(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket s;

	(void)state;
	check_row = "neither base nor path";
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	check_row = "both";
	o.base = o.path = in_dir("x");
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	check_row = "a mode with more than permissions";
	o = at_path(in_dir("x"));
	o.mode = 04755;
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	check_row = "no name";
	o = at_path(in_dir(""));
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	check_row = "no directory";
	o = at_path(in_dir("absent/s"));
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	check_row = "a symlink for a directory";
	CHECK_INT(symlink("/tmp", in_dir("link")), 0);
	o = at_path(in_dir("link/s"));
	CHECK_INT(channel_bind(&s, &o, NULL), CHT_E_BIND);
	CHECK_INT(unlink(in_dir("link")), 0);
	CHECK_INT(files_in_dir(), 0);
}

static void test_a_stale_socket_goes_only_when_told(void **state)
{
	struct cht_listener_options o = at_path(in_dir("stale"));
	struct channel_socket s;
	struct cht_err err;
	int fd;

	(void)state;
	leave_stale(in_dir("stale"));
	CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
	CHECK(strstr(err.text, "--replace") != NULL);
	CHECK_INT(access(in_dir("stale"), F_OK), 0);
	o.replace = true;
	s = must_bind(&o);
	fd = dial(in_dir("stale"), 0);
	CHECK(fd >= 0);
	close(fd);
	channel_unbind(&s);
	CHECK_INT(files_in_dir(), 0);
}

static void test_a_live_socket_never_goes(void **state)
{
	struct cht_listener_options o = at_path(in_dir("live"));
	struct channel_socket first = must_bind(&o), second;
	struct cht_err err;
	int waiting[4], n = 0, fd;

	(void)state;
	o.replace = true;
	CHECK_INT(channel_bind(&second, &o, &err), CHT_E_BIND);
	CHECK(strstr(err.text, "listens") != NULL);
	check_row = "nor one whose backlog is full";
	CHECK_INT(listen(first.fd, 0), 0);
	while (n < 4 && (fd = dial(in_dir("live"), SOCK_NONBLOCK)) >= 0)
		waiting[n++] = fd;
	CHECK(n < 4);
	CHECK_INT(channel_bind(&second, &o, &err), CHT_E_BIND);
	CHECK(strstr(err.text, "listens") != NULL);
	while (n > 0)
		close(waiting[--n]);
	check_row = "nor one of another type";
	channel_unbind(&first);
	{
		struct sockaddr_un a = { .sun_family = AF_UNIX };

		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.99s", in_dir("live"));
		CHECK_INT(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
		CHECK_INT(channel_bind(&second, &o, &err), CHT_E_BIND);
		CHECK(strstr(err.text, "listens") != NULL);
		close(fd);
	}
	CHECK_INT(unlink(in_dir("live")), 0);
}

static void test_what_is_no_socket_never_goes(void **state)
{
	struct cht_listener_options o = at_path(in_dir("thing"));
	struct channel_socket s;
	struct cht_err err;

	(void)state;
	o.replace = true;
	close(open(in_dir("thing"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
	CHECK(strstr(err.text, "not a socket") != NULL);
	CHECK_INT(unlink(in_dir("thing")), 0);
	leave_stale(in_dir("target"));
	CHECK_INT(symlink("target", in_dir("thing")), 0);
	CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
	CHECK(strstr(err.text, "not a socket") != NULL);
	CHECK_INT(unlink(in_dir("thing")), 0);
	CHECK_INT(unlink(in_dir("target")), 0);
}

static void test_only_what_was_made_is_unlinked(void **state)
{
	struct cht_listener_options o = at_path(in_dir("mine"));
	struct channel_socket s = must_bind(&o);

	(void)state;
	CHECK_INT(unlink(in_dir("mine")), 0);
	leave_stale(in_dir("mine"));
	channel_unbind(&s);
	CHECK_INT(access(in_dir("mine"), F_OK), 0);
	CHECK_INT(unlink(in_dir("mine")), 0);
}

/* What it sends and has closed meanwhile would be ours to close. */
static void test_who_connects_sends_no_descriptors(void **state)
{
	enum { PASSRIGHTS = 83 };
	struct cht_listener_options o = at_path(in_dir("fds"));
	struct channel_socket s = must_bind(&o);
	const struct cht_bytes byte = { (const uint8_t *)"x", 1 };
	struct cht_err err = { .code = 0 };
	char name[200];
	int fd, passed, on = 0, other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* By setting it, as channel_bind does: qemu-user reads what it cannot set. */
	if (setsockopt(other, SOL_SOCKET, PASSRIGHTS, &on, sizeof(on)) < 0) {
		close(other);
		channel_unbind(&s);
		print_message("skipped: this kernel cannot refuse descriptors\n");
		skip();
	}
	close(other);
	check_row = "one that was bound";
	fd = dial(in_dir("fds"), 0);
	CHECK_INT(fd_send_msg(fd, byte, &fd, 1, &err), CHT_E_IO);
	CHECK_INT(err.sys, EPERM);
	CHECK_INT(fd_send_msg(fd, byte, NULL, 0, &err), 0);
	close(fd);
	check_row = "one that was passed in";
	passed = s.fd;
	on = 1;
	CHECK_INT(setsockopt(passed, SOL_SOCKET, PASSRIGHTS, &on, sizeof(on)), 0);
	CHECK_INT(channel_look_at_passed(passed, name, sizeof(name), &err), 0);
	fd = dial(in_dir("fds"), 0);
	CHECK_INT(fd_send_msg(fd, byte, &fd, 1, &err), CHT_E_IO);
	CHECK_INT(err.sys, EPERM);
	close(fd);
	channel_unbind(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_suffix_is_the_port),
		cmocka_unit_test(test_a_base_that_a_vmm_cannot_use_is_told),
		cmocka_unit_test(test_mode_is_as_asked_whatever_the_umask),
		cmocka_unit_test(test_owner_from_birth_needs_privilege),
		cmocka_unit_test(test_without_privilege_it_says_so),
		cmocka_unit_test(test_long_paths_bind),
		cmocka_unit_test(test_options_that_cannot_be),
		cmocka_unit_test(test_a_stale_socket_goes_only_when_told),
		cmocka_unit_test(test_a_live_socket_never_goes),
		cmocka_unit_test(test_what_is_no_socket_never_goes),
		cmocka_unit_test(test_only_what_was_made_is_unlinked),
		cmocka_unit_test(test_who_connects_sends_no_descriptors),
	};

	return cmocka_run_group_tests_name("channel_bind", tests, setup, teardown);
}
