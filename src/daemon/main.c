/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/line.h"
#include "daemon/notify.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_SIBLING = 70,
	EXIT_STOPPED = 74,
	EXIT_CONFIG = 78
};

/* A scribe that stopped for a reason of its own (11, 74, 78) gives its status; one that was
 * killed or broke its protocol is a sibling that died. */
static int exit_status(int r, int scribe_status)
{
	bool has_reason = scribe_status > 0 && scribe_status < 128;

	switch (r) {
	case 0: return has_reason ? scribe_status : EXIT_DONE; /* even its last step counts */
	case CHT_E_PEER: return has_reason ? scribe_status : EXIT_SIBLING;
	case CHT_E_FULL: return EXIT_STOPPED;
	case CHT_E_CONFIG:
	case CHT_E_BIND:
	case CHT_E_LIMIT: return EXIT_CONFIG;
	default: return EXIT_FAILED;
	}
}

/* 0, 1 and 2 belong to nobody else: a diagnostic must not go to what took the number of a closed
 * stderr, which may be a guest's connection. */
static bool take_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd < 0)
		return false;
	fd_close(&fd);
	return true;
}

/* No core, no debugger of the same uid: what a guest sent and what a parent handed over stays. A
 * reader of diagnostics that goes away is no reason to end. */
static void close_up(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct rlimit none = { 0, 0 };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

static int run(struct line *line, struct conf *conf, struct cht_err *err)
{
	int r;

	if (conf->close_for != NULL)
		return line_end_log(line, err);
	notify_manager("READY=1\nSTATUS=Listening");
	notify_ready_fd(&conf->ready_fd);
	r = line_run(line, err);

	if (r == 0) {
		notify_manager("STOPPING=1");
		r = line_stop(line, err);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct line line = LINE_NULL;
	struct cht_err err = { 0 };
	struct conf conf;
	int secrets_fd = -1, r;

	if (!take_standard_fds())
		return EXIT_FAILED;
	close_up();
	diag_init("chtd", DIAG_NOTICE);
	r = conf_load(&conf, argc, argv, &err);
	if (r != 0) {
		conf_free(&conf);
		if (r == CONF_DONE)
			return EXIT_DONE;
		diag_err(&err);
		return r == CHT_E_RANGE ? EXIT_USAGE : EXIT_CONFIG;
	}
	if (conf.n_cells == 0 && conf.control == NULL && conf.close_for == NULL)
		diag(DIAG_WARNING,
		     "no cell is given, so nothing is received: see --cell and --control");
	r = child_take_secrets(&secrets_fd, &err);
	if (r == 0)
		r = line_open(&line, &conf, secrets_fd, &err);
	if (r == 0)
		r = run(&line, &conf, &err);
	if (r < 0)
		diag_err(&err);
	/* Nothing was accepted yet: then to stop at once is what was asked for. */
	if (r == CHT_E_STATE && line.stop_signal != 0)
		r = line.is_ready ? CHT_E_PEER : 0;
	line_close(&line);
	table_close(&line.table, false);
	conf_free(&conf);
	return exit_status(r, line.scribe_status);
}
