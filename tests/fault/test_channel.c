/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding, with each system call on its way failing in turn: an error that says so, nothing left
 * in the directory, no descriptor left open.
 */
#include "../unit/channel_dir.h"

#include <dirent.h>
#include <stdarg.h>

int __wrap_socket(int domain, int type, int protocol);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_chmod(const char *path, mode_t mode);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __real_socket(int domain, int type, int protocol);
int __real_fchmod(int fd, mode_t mode);
int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __real_listen(int fd, int backlog);
int __real_chmod(const char *path, mode_t mode);
int __real_fstat64(int fd, struct stat *st);
int __real_open64(const char *path, int flags, ...);
int __real_openat64(int dir, const char *path, int flags, ...);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __real_eventfd(unsigned count, int flags);

static unsigned calls, failing; /* the call of this number fails; 0: none */
static int rename_errno;        /* what every renameat2 fails with; 0: it does not */
static const char *failed;
static bool has_rival; /* somebody takes the name just before us */

static bool fails(const char *name)
{
	calls++;
	if (calls != failing)
		return false;
	failed = name;
	errno = EIO;
	return true;
}

int __wrap_socket(int domain, int type, int protocol)
{
	return fails("socket") ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return fails("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	return fails("bind") ? -1 : __real_bind(fd, address, len);
}

int __wrap_listen(int fd, int backlog)
{
	return fails("listen") ? -1 : __real_listen(fd, backlog);
}

int __wrap_chmod(const char *path, mode_t mode)
{
	return fails("chmod") ? -1 : __real_chmod(path, mode);
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return fails("fstat") ? -1 : __real_fstat64(fd, st);
}

int __wrap_open64(const char *path, int flags, ...)
{
	return fails("open") ? -1 : __real_open64(path, flags);
}

int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
	return fails("openat") ? -1 : __real_openat64(dir_fd, path, flags);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (rename_errno != 0) {
		errno = rename_errno;
		return -1;
	}
	if (has_rival)
		close(__real_openat64(to_dir, to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return fails("renameat2") ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return fails("linkat") ? -1 : __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_eventfd(unsigned count, int flags)
{
	return fails("eventfd") ? -1 : __real_eventfd(count, flags);
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Binds with the first, second, … call failing until none does; returns how many there were. */
static unsigned fail_each(const struct cht_listener_options *o, unsigned files_before)
{
	for (unsigned n = 1;; n++) {
		unsigned descriptors = open_descriptors();
		struct cht_listener *l = NULL;
		struct cht_err err = { .code = 0 };
		int r;

		calls = 0;
		failing = n;
		failed = NULL;
		r = cht_listener_bind(&l, o, &err);
		failing = 0;
		if (failed == NULL) {
			CHECK_INT(r, 0);
			cht_listener_free(l);
			CHECK_INT(open_descriptors(), descriptors);
			CHECK_INT(files_in_dir(), 0);
			return n - 1;
		}
		check_row = failed;
		CHECK(r == CHT_E_BIND || r == CHT_E_IO);
		CHECK_INT(err.code, r);
		CHECK(err.text[0] != '\0');
		CHECK(l == NULL);
		CHECK_INT(open_descriptors(), descriptors);
		CHECK_INT(files_in_dir(), files_before);
	}
}

static void test_each_failure_is_told_and_leaves_nothing(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;

	(void)state;
	o.path = in_dir("s");
	o.mode = 0666; /* above the umask: it has to be made good */
	CHECK(fail_each(&o, 0) >= 9);
}

static void test_a_failure_keeps_the_stale_socket_or_has_replaced_it(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	int fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	o.path = in_dir("stale");
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.99s", o.path);
	CHECK_INT(__real_bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	o.replace = true;
	for (unsigned n = 1;; n++) {
		struct channel_socket s;

		calls = 0;
		failing = n;
		failed = NULL;
		if (channel_bind(&s, &o, NULL) == 0) {
			failing = 0;
			channel_unbind(&s);
			break;
		}
		failing = 0;
		CHECK(failed != NULL);
		check_row = failed;
		CHECK(files_in_dir() <= 1);
	}
	CHECK_INT(files_in_dir(), 0);
}

static void test_a_file_system_without_the_rename_has_links(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket s;

	(void)state;
	o.path = in_dir("linked");
	rename_errno = EINVAL;
	CHECK_INT(channel_bind(&s, &o, NULL), 0);
	CHECK_INT(files_in_dir(), 1);
	channel_unbind(&s);
	CHECK(fail_each(&o, 0) >= 8);
	rename_errno = 0;
}

static void test_who_is_quicker_keeps_the_name(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket s;
	struct cht_err err;
	struct stat st;

	(void)state;
	o.path = in_dir("rival");
	o.replace = true;
	has_rival = true;
	CHECK_INT(channel_bind(&s, &o, &err), CHT_E_BIND);
	CHECK_INT(err.sys, EEXIST);
	has_rival = false;
	CHECK_INT(files_in_dir(), 1);
	CHECK_INT(lstat(o.path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_INT(unlink(o.path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_failure_is_told_and_leaves_nothing),
		cmocka_unit_test(test_a_failure_keeps_the_stale_socket_or_has_replaced_it),
		cmocka_unit_test(test_a_file_system_without_the_rename_has_links),
		cmocka_unit_test(test_who_is_quicker_keeps_the_name),
	};

	return cmocka_run_group_tests_name("channel", tests, setup, teardown);
}
