/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/notify.h"
#include "daemon/line.h"
#include "lockdown/lockdown.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_SIBLING = 70,
	EXIT_STOPPED = 74,
	EXIT_AGAIN = 75,
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

/* A reader of diagnostics that goes away is no reason to end. */
static bool ignore_pipes(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	return sigaction(SIGPIPE, &ignore, NULL) == 0;
}

static int read_mode(const struct conf *conf, enum lockdown_mode *mode, struct cht_err *err)
{
	*mode = lockdown_default_mode();
	if (conf->lockdown == NULL || lockdown_read_mode(conf->lockdown, mode))
		return 0;
	return cht_fail(err, CHT_E_RANGE, 0, "--lockdown %s: expected kill, log or off",
			conf->lockdown);
}

static int run(struct line *line, struct conf *conf, struct cht_err *err)
{
	int r;

	if (conf->close_for != NULL)
		return line_end_log(line, err);
	notify_manager(&line->notify, "READY=1\nSTATUS=Listening");
	notify_ready_fd(&conf->ready_fd);
	r = line_run(line, err);

	if (r == 0) {
		/* To a manager it is no stop when it is to start us again. */
		notify_manager(&line->notify,
			       line->stop_signal == SIGUSR2 ? "STATUS=Upgrading" : "STOPPING=1");
		r = line_stop(line, err);
	}
	if (r == 0 && line->opener_is_gone)
		r = cht_fail(err, CHT_E_PEER, 0, "stopped, because cht-opener ended");
	return r;
}

/* Its whole life: 0, or why it ended, which was told. */
static int live(struct line *line, struct conf *conf, struct cht_err *err)
{
	int secrets_fd = -1, r;

	if (conf->n_cells == 0 && conf->control == NULL && conf->close_for == NULL)
		diag(DIAG_WARNING,
		     "no cell is given, so nothing is received: see --cell and --control");
	notify_open(&line->notify);
	reload_prepare(line, conf);
	r = child_take_secrets(&secrets_fd, err);
	if (r == 0)
		r = line_open(line, conf, secrets_fd, err);
	if (r == 0)
		r = run(line, conf, err);
	if (r < 0)
		diag_err(err);
	/* Nothing was accepted yet: then to stop at once is what was asked for. */
	if (r == CHT_E_STATE && line->stop_signal != 0)
		r = line->is_ready ? CHT_E_PEER : 0;
	line_close(line);
	notify_close(&line->notify);
	table_close(&line->table, false);
	return r;
}

int main(int argc, char **argv)
{
	static struct line line = LINE_NULL;
	struct cht_err err = { 0 };
	struct conf conf;
	int r;

	if (!take_standard_fds() || !ignore_pipes())
		return EXIT_FAILED;
	diag_init("chtd", DIAG_NOTICE);
	/* What a guest sent and what a parent handed over stays here. */
	if (lockdown_begin(&err) < 0) {
		diag_err(&err);
		return EXIT_FAILED;
	}
	r = conf_load(&conf, argc, argv, &err);
	if (r == 0)
		r = read_mode(&conf, &line.lockdown.mode, &err);
	if (r != 0) {
		conf_free(&conf);
		if (r == CONF_DONE)
			return EXIT_DONE;
		diag_err(&err);
		return r == CHT_E_RANGE ? EXIT_USAGE : EXIT_CONFIG;
	}
	r = live(&line, &conf, &err);
	conf_free(&conf);
	if (r == 0 && line.stop_signal == SIGUSR2 && line.scribe_status <= 0)
		return EXIT_AGAIN;
	return exit_status(r, line.scribe_status);
}
