/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/program.h"
#include "channel/channel.h"

/* chtd never reads a value: which of them are secrets, and whether they are right, is for the
 * scribe to say. */
static const char *const handed_over[] = {
	"CELLOS_HOST_TELEMETRY_SIGN_ALG",       "CELLOS_HOST_TELEMETRY_SIGN_KID",
	"CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY",  "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK",
	"CELLOS_HOST_TELEMETRY_LOG_ED25519_SK",
};

/* Told not to wait, we give the scribe so long for what it may be about to say. */
enum { LEAVE_AFTER_MS = 1000 };

enum { N_HANDED_OVER = sizeof(handed_over) / sizeof(handed_over[0]), HANDED_OVER_MAX = 16384 };

/* The next whole NAME=VALUE of environ from *at on, which is moved behind it; null at the end. A
 * name may stand twice: the first is the one that counts. */
static char *next_variable(const char *name, char ***at)
{
	size_t n = strlen(name);

	while (*at != NULL && **at != NULL) {
		char *one = *(*at)++;

		if (strncmp(one, name, n) == 0 && one[n] == '=')
			return one;
	}
	return NULL;
}

static char *variable(const char *name)
{
	char **at = environ;

	return next_variable(name, &at);
}

/* /proc/self/environ shows this very memory. */
static void wipe_variable(const char *name)
{
	size_t n = strlen(name) + 1;
	char **at = environ, *one;

	while ((one = next_variable(name, &at)) != NULL)
		explicit_bzero(one + n, strlen(one + n));
	(void)unsetenv(name);
}

int child_take_secrets(int *env_fd, struct cht_err *err)
{
	int ends[2] = { -1, -1 }, r = 0;
	size_t total = 0;

	*env_fd = -1;
	for (size_t i = 0; i < N_HANDED_OVER; i++) {
		const char *found = variable(handed_over[i]);

		total += found != NULL ? strlen(found) + 1 : 0;
	}
	if (total == 0)
		return 0;
	if (total > HANDED_OVER_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"the CELLOS_HOST_TELEMETRY_* variables are too long");
	/* A pipe holds 64 KiB: writing before there is a reader does not block. */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return cht_fail(err, CHT_E_IO, errno, "pipe");
	for (size_t i = 0; i < N_HANDED_OVER; i++) {
		char *found = variable(handed_over[i]);
		size_t n = found != NULL ? strlen(found) + 1 : 0;

		if (found != NULL && r == 0)
			r = fd_write_all(ends[1], found, n, err);
		wipe_variable(handed_over[i]);
	}
	fd_close(&ends[1]);
	if (r < 0)
		fd_close(&ends[0]);
	*env_fd = ends[0];
	return r;
}

/* A descriptor number for the child: the duplicate is not close-on-exec. */
static int inherit(int fd)
{
	return fcntl(fd, F_DUPFD, 3);
}

struct arguments {
	const char *list[6 * OPENER_ROOTS_MAX + 18];
	unsigned n;
};

static void add(struct arguments *a, const char *name, const char *value)
{
	if (value == NULL)
		return;
	a->list[a->n++] = name;
	a->list[a->n++] = value;
}

static _Noreturn void run(const char *program, struct arguments *a)
{
	a->list[a->n] = NULL;
	(void)execv(program, (char *const *)(uintptr_t)a->list);
	_exit(70);
}

struct start {
	const char *name;
	/* In the new process: the words of its command line, then the program. */
	void (*run)(const char *program, const struct start *start, int sock);
	const struct conf *conf;
	int env_fd;               /* the scribe's, taken; -1: none */
	const char *const *paths; /* the opener's */
};

static void run_scribe(const char *program, const struct start *start, int sock)
{
	const struct conf *conf = start->conf;
	struct arguments a = { .list = { program }, .n = 1 };
	char line_fd[16], secrets_fd[16], retain_age[24], retain_bytes[24];
	int s = inherit(sock), e = start->env_fd >= 0 ? inherit(start->env_fd) : -1;

	(void)snprintf(line_fd, sizeof(line_fd), "%d", s);
	(void)snprintf(secrets_fd, sizeof(secrets_fd), "%d", e);
	add(&a, "--state", conf->state);
	add(&a, "--line-fd", line_fd);
	add(&a, "--lockdown", conf->lockdown);
	add(&a, "--env-fd", e >= 0 ? secrets_fd : NULL);
	/* What is dropped when there is no space is our affair: the scribe waits for it all the
	 * same. */
	if (conf->on_full != NULL)
		add(&a, "--on-full", strcmp(conf->on_full, "stop") == 0 ? "stop" : "pause");
	if (conf->sign_alg != NULL && strcmp(conf->sign_alg, "off") != 0)
		add(&a, "--sign-alg", conf->sign_alg);
	add(&a, "--sign-kid", conf->sign_kid);
	add(&a, "--sign-key-file", conf->sign_key_file);
	add(&a, "--sign-order", conf->sign_order);
	add(&a, "--log-key-file", conf->log_key_file);
	if (conf->init) {
		a.list[a.n++] = "--init";
		(void)snprintf(retain_age, sizeof(retain_age), "%llus",
			       (unsigned long long)(conf->retain_age_ns / NS_PER_S));
		(void)snprintf(retain_bytes, sizeof(retain_bytes), "%llu",
			       (unsigned long long)conf->retain_bytes);
		add(&a, "--name", conf->log_name);
		add(&a, "--retain-age", conf->retain_age_ns > 0 ? retain_age : NULL);
		add(&a, "--retain-bytes", conf->retain_bytes > 0 ? retain_bytes : NULL);
	}
	run(program, &a);
}

/* Each word of a list, with its NUL where its blank stood, or that of the list. */
static void add_each(struct arguments *a, const char *option, const char *at,
		     char copy[CONF_TEXT_MAX + 2])
{
	struct cht_str word;
	size_t used = 0;

	while (at != NULL && (word = conf_next_word(&at)).len > 0) {
		memcpy(copy + used, word.ptr, word.len);
		copy[used + word.len] = '\0';
		add(a, option, copy + used);
		used += word.len + 1;
	}
}

static void run_opener(const char *program, const struct start *start, int sock)
{
	const struct conf *conf = start->conf;
	struct arguments a = { .list = { program }, .n = 1 };
	char line_fd[16], roots[CONF_TEXT_MAX + 2], reads[CONF_TEXT_MAX + 2],
		apis[CONF_TEXT_MAX + 2];

	(void)snprintf(line_fd, sizeof(line_fd), "%d", inherit(sock));
	add(&a, "--line-fd", line_fd);
	add(&a, "--lockdown", conf->lockdown);
	/* After a kill what nobody serves is an earlier process's. */
	if (conf->replace || conf->fd_store)
		a.list[a.n++] = "--replace";
	add_each(&a, "--root", conf->opener_roots != NULL ? conf->opener_roots : "/", roots);
	add_each(&a, "--read", conf->opener_read, reads);
	add_each(&a, "--api", conf->opener_api, apis);
	if (conf_may_flush(conf))
		a.list[a.n++] = "--flush";
	add(&a, "--also", start->paths[0]);
	add(&a, "--also", start->paths[1]);
	add(&a, "--conf", start->paths[2]);
	add(&a, "--conf", start->paths[3]);
	run(program, &a);
}

static int begin(struct child *child, const struct start *start, struct cht_err *err)
{
	char program[4096];
	int pair[2] = { -1, -1 }, r = program_find(program, sizeof(program), start->name, err);

	*child = (struct child)CHILD_NULL;
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "socketpair");
	if (r < 0)
		return r;
	child->pid = fork();
	if (child->pid == 0) {
		sigset_t none;

		/* SIGINT at a terminal goes to the whole group: the line decides when to stop. */
		(void)setpgid(0, 0);
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		start->run(program, start, pair[1]);
	}
	fd_close(&pair[1]);
	child->sock = pair[0];
	if (child->pid < 0)
		return cht_fail(err, CHT_E_IO, errno, "fork");
	child->pidfd = channel_pidfd((uint32_t)child->pid);
	if (child->pidfd < 0)
		return cht_fail(err, CHT_E_IO, errno, "pidfd_open");
	return 0;
}

int child_start(struct child *child, const struct conf *conf, int env_fd, struct cht_err *err)
{
	const struct start scribe = {
		.name = "cht-scribe", .run = run_scribe, .conf = conf, .env_fd = env_fd
	};
	int r = begin(child, &scribe, err);

	fd_close(&env_fd);
	return r;
}

int child_start_opener(struct child *child, const struct conf *conf,
		       const char *const paths[OPENER_N_PATHS], struct cht_err *err)
{
	const struct start opener = {
		.name = "cht-opener", .run = run_opener, .conf = conf, .env_fd = -1, .paths = paths
	};

	return begin(child, &opener, err);
}

/* Whether it ended; a second look, because who sends a signal to us may have ended it first. */
static bool has_ended(const struct child *child, int enough_fd)
{
	struct pollfd fds[] = { { .fd = child->pidfd, .events = POLLIN },
				{ .fd = enough_fd, .events = POLLIN } };
	int n;

	do
		n = poll(fds, 2, -1);
	while (n < 0 && errno == EINTR);
	return n < 0 || fds[0].revents != 0 || poll(fds, 1, LEAVE_AFTER_MS) > 0;
}

int child_wait(struct child *child, int enough_fd)
{
	int status = 0;
	pid_t got = -1;

	fd_close(&child->sock);
	if (child->pid >= 0 && (child->pidfd < 0 || has_ended(child, enough_fd)))
		do
			got = waitpid(child->pid, &status, 0);
		while (got < 0 && errno == EINTR);
	fd_close(&child->pidfd);
	child->pid = -1;
	if (got < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
