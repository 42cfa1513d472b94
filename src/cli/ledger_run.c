/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/program.h"
#include "cli/cli.h"
#include "cli/ledger_cmd.h"

/* execv takes its list without const and does not write to it. */
static void become(const char *path, const char *const *argv, const struct ledger_child *child,
		   pid_t parent)
{
	if (child->has_no_key) {
		(void)unsetenv("CREDENTIALS_DIRECTORY");
		(void)unsetenv("CELLOS_HOST_TELEMETRY_LOG_ED25519_SK");
	}
	if (child->uid != (uid_t)-1 &&
	    (setgroups(1, &child->gid) < 0 || setresgid(child->gid, child->gid, child->gid) < 0 ||
	     setresuid(child->uid, child->uid, child->uid) < 0)) {
		diag(DIAG_ERROR, "become user %u: %s", child->uid, diag_errno(errno));
		_exit(127);
	}
	/* Of a cht that was killed nothing goes on behind the back of the next one. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	(void)execv(path, (char *const *)(uintptr_t)argv);
	diag(DIAG_ERROR, "run %s: %s", path, diag_errno(errno));
	_exit(127);
}

int ledger_run(const char *const *argv, const struct ledger_child *child)
{
	char path[LEDGER_PATH_MAX];
	struct cht_err err = { 0 };
	int status = 0;
	pid_t parent = getpid(), pid, got;

	if (program_find(path, sizeof(path), argv[0], &err) < 0) {
		diag_err(&err);
		return -1;
	}
	cli_flush();
	pid = fork();
	if (pid < 0) {
		diag(DIAG_ERROR, "fork: %s", diag_errno(errno));
		return -1;
	}
	if (pid == 0)
		become(path, argv, child, parent);
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		diag(DIAG_ERROR, "wait for %s: %s", argv[0], diag_errno(errno));
		return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct list {
	const char *word[24];
	unsigned n;
};

static void add(struct list *l, const char *option, const char *value)
{
	if (value == NULL || strcmp(value, "none") == 0)
		return;
	l->word[l->n++] = option;
	l->word[l->n++] = value;
}

int ledger_run_init(const struct ledger_request *q, const char *state, const char *reason,
		    const char *predecessor, const struct ledger_child *child)
{
	struct list l = { .word = { "cht-scribe", "--init" }, .n = 2 };

	add(&l, "--state", state);
	add(&l, "--name", q->name);
	add(&l, "--retain-age", q->retain_age);
	add(&l, "--retain-bytes", q->retain_bytes);
	add(&l, "--log-key-file", q->key_file);
	add(&l, "--reason", reason);
	add(&l, "--predecessor", predecessor);
	return ledger_run(l.word, child);
}
