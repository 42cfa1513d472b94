/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel_dir.h"

#include "opener/opener.h"

enum { HIM = 20001, HER = 20002 };

static struct made made;
static struct opener_options options;
static struct opener opener = { .options = &options, .made = &made };
static char root[100], outside[100];

static int enter(void **state)
{
	const char *roots[2] = { root, outside };

	(void)snprintf(root, sizeof(root), "%s/root", dir);
	(void)snprintf(outside, sizeof(outside), "%s/outside", dir);
	(void)umask(0);
	(void)state;
	options = (struct opener_options){ .replace = false };
	opener.is_settled = opener.keeps = false;
	return mkdir(root, 0755) != 0 || mkdir(outside, 0755) != 0 ||
	       roots_open(&opener.roots, roots, 1, NULL) != 0;
}

static int leave(void **state)
{
	char command[256];

	(void)state;
	made_unlink_all(&made);
	roots_close(&opener.roots);
	(void)snprintf(command, sizeof(command), "rm -rf '%s' '%s'", root, outside);
	return system(command);
}

static struct opening_answer ask(const char *path, int64_t uid, uint32_t mode)
{
	struct opening_request request = {
		.kind = OPENING_BIND,
		.ticket = 8,
		.make = { .uid = uid, .gid = uid, .mode = mode },
	};
	struct opening_answer answer;
	int fd = -1;

	(void)snprintf(request.path, sizeof(request.path), "%s", path);
	(void)requests_do(&opener, &request, &answer, &fd);
	CHECK(answer.kind == OPENING_BIND && answer.ticket == 8);
	CHECK_INT(fd >= 0, answer.code == 0);
	CHECK_INT(answer.made != 0, answer.code == 0);
	CHECK_INT(answer.text[0] != '\0', answer.code != 0);
	fd_close(&fd);
	return answer;
}

/* Below the root. */
static struct opening_answer ask_in(const char *name, int64_t uid, uint32_t mode)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return ask(path, uid, mode);
}

static int unlink_number(uint64_t number)
{
	const struct opening_request request = { .kind = OPENING_UNLINK, .made = number };
	struct opening_answer answer;
	int fd = -1;

	(void)requests_do(&opener, &request, &answer, &fd);
	CHECK_INT(fd, -1);
	return answer.code;
}

static void test_a_path_that_leads_elsewhere_is_refused(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "", "name at its end" },
		{ "..", "no \"..\"" },
		{ ".", "exists" },
		{ "../outside/v", "no \"..\"" },
		{ "d/../v", "no \"..\"" },
		{ "d/../../outside/v", "no \"..\"" },
		{ "link/v", "symlink" },
		{ "d/up/v", "symlink" },
		{ "none/v", "directory" },
		{ "file/v", "directory" },
		{ "link", "exists" },
		{ "file", "exists" },
		{ "x2345678901234567890123456789012345678901234567890123456789012345678901234567890"
		  "1234567890123456789012345678",
		  "107" },
	};
	static const char *const whole[] = { "", "v", "/v", "root/v", "/tmp/v", "//v" };
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path),
		       "cd '%s' && mkdir d && ln -s ../outside link && ln -s .. d/up && touch file",
		       root);
	CHECK_INT(system(path), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct opening_answer answer;

		check_row = rows[i].name;
		answer = ask_in(rows[i].name, -1, 0);
		CHECK_INT(answer.code, CHT_E_BIND);
		if (strstr(answer.text, rows[i].text) == NULL)
			CHECK_STR(str_of(answer.text), rows[i].text);
	}
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		check_row = whole[i];
		CHECK_INT(ask(whole[i], -1, 0).code, CHT_E_BIND);
	}
	check_row = "a name that begins like the root";
	(void)snprintf(path, sizeof(path), "%s-not/v", root);
	CHECK_INT(ask(path, -1, 0).code, CHT_E_BIND);
	CHECK_INT(files_in_dir(), 3); /* two links and a file */
}

static void test_what_is_below_a_root_is_made(void **state)
{
	static const char *const names[] = {
		"v",
		"d/v",
		"d/./v",
		"d//v2",
		"..v",
		"v..",
		"d/...",
		"d/..x/v",
		("12345678901234567890123456789012345678901234567890123456789012345678901234567890"
		 "123456789012345678901234567"),
	};
	uint64_t numbers[sizeof(names) / sizeof(names[0])];
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "mkdir -p '%s/d/..x'", root);
	CHECK_INT(system(path), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct opening_answer answer;

		check_row = names[i];
		if (i == 2)
			CHECK_INT(unlink_number(numbers[1]), 0);
		answer = ask_in(names[i], -1, 0);
		if (answer.code != 0)
			CHECK_STR(str_of(answer.text), "");
		numbers[i] = answer.made;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		check_row = names[i];
		CHECK_INT(unlink_number(numbers[i]), i == 1 ? CHT_E_STATE : 0);
	}
	CHECK_INT(files_in_dir(), 0);
}

static void test_of_two_roots_the_longer_is_taken(void **state)
{
	const char *roots[2] = { root, "/" };
	struct roots two = { .key = "here" };
	struct stat want, got;
	const char *name;
	char path[400];
	int fd = -1;

	(void)state;
	CHECK_INT(roots_open(&two, roots, 2, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/v", root);
	fd = roots_find(&two, path, &name, NULL);
	CHECK(fd >= 0 && strcmp(name, "v") == 0 && stat(root, &want) == 0 && fstat(fd, &got) == 0);
	CHECK(want.st_ino == got.st_ino && want.st_dev == got.st_dev);
	fd_close(&fd);
	fd = roots_find(&two, "/v", &name, NULL);
	CHECK(fd >= 0 && stat("/", &want) == 0 && fstat(fd, &got) == 0);
	CHECK(want.st_ino == got.st_ino && want.st_dev == got.st_dev);
	fd_close(&fd);
	/* Held from the start: a root that is exchanged is not followed. */
	(void)snprintf(path, sizeof(path), "mv '%s' '%s/moved' && ln -s / '%s'", root, outside,
		       root);
	CHECK_INT(system(path), 0);
	(void)snprintf(path, sizeof(path), "%s/v", root);
	fd = roots_find(&two, path, &name, NULL);
	(void)snprintf(path, sizeof(path), "%s/moved", outside);
	CHECK(fd >= 0 && stat(path, &want) == 0 && fstat(fd, &got) == 0);
	CHECK(want.st_ino == got.st_ino && want.st_dev == got.st_dev);
	fd_close(&fd);
	roots_close(&two);
	roots[1] = "/none/of/these";
	CHECK_INT(roots_open(&two, roots, 2, NULL), CHT_E_CONFIG);
	roots_close(&two);
	roots[1] = "relative";
	CHECK_INT(roots_open(&two, roots, 2, NULL), CHT_E_CONFIG);
	roots_close(&two);
}

static void test_one_path_more_is_that_path_alone(void **state)
{
	const char *name;
	char also[300], path[300];
	int fd = -1;

	(void)state;
	(void)snprintf(also, sizeof(also), "%s/control", outside);
	CHECK_INT(roots_also(&opener.roots, also, NULL), 0);
	fd = roots_find(&opener.roots, also, &name, NULL);
	CHECK(fd >= 0 && strcmp(name, "control") == 0);
	fd_close(&fd);
	(void)snprintf(path, sizeof(path), "%s/control2", outside);
	CHECK_INT(roots_find(&opener.roots, path, &name, NULL), CHT_E_BIND);
	(void)snprintf(path, sizeof(path), "%s//control", outside);
	CHECK_INT(roots_find(&opener.roots, path, &name, NULL), CHT_E_BIND);
	(void)snprintf(path, sizeof(path), "%s/v", root);
	fd = roots_find(&opener.roots, path, &name, NULL);
	CHECK(fd >= 0);
	fd_close(&fd);
	CHECK_INT(roots_also(&opener.roots, "/none/of/these", NULL), CHT_E_CONFIG);
	CHECK_INT(roots_also(&opener.roots, "control", NULL), CHT_E_CONFIG);
}

static void test_values_that_cannot_be_are_refused(void **state)
{
	static const struct {
		int64_t id;
		uint32_t mode;
	} rows[] = { { -2, 0 },     { INT64_MIN, 0 }, { UINT32_MAX, 0 }, { INT64_MAX, 0 },
		     { -1, 01777 }, { -1, 04755 },    { -1, UINT32_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(ask_in("v", rows[i].id, rows[i].mode).code, CHT_E_RANGE);
	CHECK_INT(files_in_dir(), 0);
}

static void test_a_number_is_good_once_and_of_what_was_made(void **state)
{
	struct opening_answer first, second;
	char path[300];

	(void)state;
	CHECK_INT(unlink_number(0), CHT_E_STATE);
	CHECK_INT(unlink_number(1), CHT_E_STATE);
	CHECK_INT(unlink_number(UINT64_MAX), CHT_E_STATE);
	first = ask_in("a", -1, 0);
	CHECK_INT(unlink_number(first.made + 1), CHT_E_STATE);
	CHECK_INT(unlink_number(first.made ^ (UINT64_C(1) << 32)), CHT_E_STATE);
	CHECK_INT(unlink_number(first.made), 0);
	CHECK_INT(unlink_number(first.made), CHT_E_STATE);
	second = ask_in("a", -1, 0);
	CHECK(second.made != first.made);
	CHECK_INT(unlink_number(first.made), CHT_E_STATE);
	/* Another's file of this name stays. */
	(void)snprintf(path, sizeof(path), "rm '%s/a' && touch '%s/a'", root, root);
	CHECK_INT(system(path), 0);
	CHECK_INT(unlink_number(second.made), 0);
	CHECK_INT(files_in_dir(), 1);
}

static int adopt(const char *name, uint64_t dev, uint64_t ino, uint64_t *number)
{
	struct opening_request request = { .kind = OPENING_ADOPT, .file = { dev, ino } };
	struct opening_answer answer;
	int fd = -1;

	(void)snprintf(request.path, sizeof(request.path), "%s/%s", root, name);
	(void)requests_do(&opener, &request, &answer, &fd);
	CHECK(fd == -1 && (answer.made != 0) == (answer.code == 0));
	*number = answer.made;
	return answer.code;
}

static void test_what_another_left_is_adopted_before_a_guest_is_met(void **state)
{
	const struct opening_request settled = { .kind = OPENING_SETTLED };
	struct opening_answer answer = ask_in("v", -1, 0);
	uint64_t number, dev = answer.dev, ino = answer.ino;
	char path[300];
	struct stat st;
	int fd = -1;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/v", root);
	CHECK(lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino);
	made_leave_all(&made);
	CHECK_INT(files_in_dir(), 1);
	CHECK_INT(adopt("v", dev, ino + 1, &number), CHT_E_BIND);
	CHECK_INT(adopt("v", dev + 1, ino, &number), CHT_E_BIND);
	CHECK_INT(adopt("w", dev, ino, &number), CHT_E_BIND);
	CHECK_INT(adopt("../v", dev, ino, &number), CHT_E_BIND);
	CHECK_INT(adopt("v", dev, ino, &number), 0);
	CHECK_INT(unlink_number(number), 0);
	CHECK_INT(files_in_dir(), 0);
	check_row = "no socket";
	(void)snprintf(path, sizeof(path), "touch '%s/f'", root);
	CHECK_INT(system(path), 0);
	(void)snprintf(path, sizeof(path), "%s/f", root);
	CHECK_INT(lstat(path, &st), 0);
	CHECK_INT(adopt("f", st.st_dev, st.st_ino, &number), CHT_E_BIND);
	check_row = "after guests were met";
	answer = ask_in("v", -1, 0);
	made_leave_all(&made);
	(void)requests_do(&opener, &settled, &answer, &fd);
	CHECK_INT(answer.code, 0);
	CHECK_INT(adopt("v", dev, answer.ino, &number), CHT_E_STATE);
}

static void test_it_is_the_owner_who_makes_it_from_birth(void **state)
{
	static const uint32_t modes[] = { 0, 0600, 0660, 0622, 0777 };
	char path[300];
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: another owner needs privilege, and this is not root\n");
		skip();
	}
	(void)snprintf(path, sizeof(path),
		       "cd '%s' && mkdir -m 755 his hers && chown %d:%d his && chown "
		       "%d:%d hers",
		       root, HIM, HIM, HER, HER);
	CHECK_INT(system(path), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct opening_answer answer = ask_in("his/v", HIM, modes[i]);

		CHECK_INT(answer.code, 0);
		(void)snprintf(path, sizeof(path), "%s/his/v", root);
		CHECK_INT(lstat(path, &st), 0);
		CHECK_INT(st.st_mode, S_IFSOCK | (modes[i] != 0 ? modes[i] : 0600));
		CHECK(st.st_uid == HIM && st.st_gid == HIM);
		CHECK_INT(unlink_number(answer.made), 0);
	}
	check_row = "in a directory where he may not";
	CHECK_INT(ask_in("hers/v", HIM, 0).sys, EACCES);
	CHECK_INT(ask_in("v", HIM, 0).sys, EACCES);
	check_row = "and afterwards we are who we were";
	CHECK_INT(ask_in("hers/v", -1, 0).code, 0);
	CHECK_INT(files_in_dir(), 1);
}

/* As a service's user with capabilities, which takes root's place. */
static int become_root(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	const uint32_t has = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_DAC_READ_SEARCH;
	struct owner we;

	data[0].effective = data[0].permitted = has;
	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setresuid(HIM, HIM, HIM) != 0 ||
	    syscall(SYS_capset, &head, data) != 0 || owner_enter(&we, 0, 0, NULL) != 0)
		return 1;
	if (syscall(SYS_capget, &head, data) != 0 ||
	    data[0].effective != (has & ~(1u << CAP_DAC_READ_SEARCH)))
		return 2;
	owner_leave(&we);
	return syscall(SYS_capget, &head, data) == 0 && data[0].effective == has ? 0 : 3;
}

static void test_root_as_owner_has_no_capability_of_files_either(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: capabilities need root\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(become_root());
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

/* Exchanges d and the link to outside, for ever. */
static pid_t race(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (chdir(root) != 0)
		_exit(1);
	for (;;)
		if (renameat2(AT_FDCWD, "d", AT_FDCWD, "link", RENAME_EXCHANGE) != 0)
			_exit(2);
}

static void test_a_path_that_changes_meanwhile_leads_nowhere_else(void **state)
{
	int made_n = 0, refused = 0, status;
	char command[400];
	pid_t pid;

	(void)state;
	(void)snprintf(command, sizeof(command), "cd '%s' && mkdir d && ln -s ../outside link",
		       root);
	CHECK_INT(system(command), 0);
	pid = race();
	for (int i = 0; i < 20000 && (made_n < 200 || refused < 200); i++) {
		struct opening_answer answer = ask_in("d/v", -1, 0);

		if (answer.code != 0) {
			CHECK_INT(answer.code, CHT_E_BIND);
			refused++;
			continue;
		}
		made_n++;
		(void)snprintf(command, sizeof(command), "%s/v", outside);
		CHECK_INT(access(command, F_OK), -1);
		CHECK_INT(unlink_number(answer.made), 0);
	}
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(made_n > 0 && refused > 0);
	CHECK_INT(files_in_dir(), 1);
}

static void test_a_stale_socket_goes_only_when_that_was_said_at_the_start(void **state)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket stale, served;
	char path[300], other[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/stale", root);
	(void)snprintf(other, sizeof(other), "%s/served", root);
	o.path = path;
	stale = must_bind(&o);
	fd_close(&stale.fd);
	fd_close(&stale.dir_fd);
	o.path = other;
	served = must_bind(&o);
	CHECK_INT(ask_in("stale", -1, 0).code, CHT_E_BIND);
	options.replace = true;
	CHECK_INT(ask_in("stale", -1, 0).code, 0);
	CHECK_INT(ask_in("stale", -1, 0).code, 0); /* nobody listens any more */
	CHECK_INT(ask_in("served", -1, 0).code, CHT_E_BIND);
	channel_unbind(&served);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_path_that_leads_elsewhere_is_refused),
		CASE(test_what_is_below_a_root_is_made),
		CASE(test_of_two_roots_the_longer_is_taken),
		CASE(test_one_path_more_is_that_path_alone),
		CASE(test_values_that_cannot_be_are_refused),
		CASE(test_a_number_is_good_once_and_of_what_was_made),
		CASE(test_what_another_left_is_adopted_before_a_guest_is_met),
		CASE(test_it_is_the_owner_who_makes_it_from_birth),
		CASE(test_root_as_owner_has_no_capability_of_files_either),
		CASE(test_a_path_that_changes_meanwhile_leads_nowhere_else),
		CASE(test_a_stale_socket_goes_only_when_that_was_said_at_the_start),
	};

	/* Valgrind 3.19 and qemu-user 7.2 do not know it, and without it the opener opens nothing.
	 */
	if (syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) < 0 && errno == ENOSYS) {
		(void)fprintf(stderr, "skipped: openat2 is not there\n");
		return 77;
	}
	return cmocka_run_group_tests_name("opener", tests, setup, teardown);
}
