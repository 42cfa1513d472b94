/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "conf/keys.h"

static const char usage[] =
	"Usage: chtd --state DIR [OPTION]... --cell ID=BASE[,run=R][,spec=S][,uid=N]\n"
	"\n"
	"Receives what the agents in microVMs report, stamps it with what only the host knows, "
	"and\n"
	"hands it to cht-scribe, which keeps it in the ledger under DIR. Runs in the foreground.\n"
	"\n"
	"  --state DIR       where the ledger is; made by --init\n"
	"  --init            make DIR and its ledger if they are not there\n"
	"  --config FILE     cells, limits, signing: chtd.conf(5)\n"
	"  --cell ID=BASE    a cell whose VMM has uds_path BASE: listens on BASE_9001\n"
	"  --cell ID=,path=P the same on exactly the path P; may be given many times\n"
	"  --cell ID=,cid=N  a cell whose VM has the CID N (QEMU with vhost-vsock)\n"
	"  --control PATH    cells come and go while it runs: listens on PATH for requests\n"
	"  --register PATH   and there takes listeners that were made elsewhere (with --control)\n"
	"  --replace         remove a stale socket that nobody serves\n"
	"  --seal            on SIGTERM, seal the runs before stopping\n"
	"  --close-for VKEY --close-reason WORD\n"
	"                    end this log for its successor, and exit: cht ledger succeed does it\n"
	"  --scribe PATH, --opener PATH\n"
	"                    cht-scribe, cht-opener are services of their own (systemd) that "
	"listen\n"
	"                    on PATH\n"
	"  --scribe-user U, --opener-user U\n"
	"                    they run as the user U; as ours without this\n"
	"  --lockdown MODE   what a system call that is not on our list does: kill (default), log; "
	"off\n"
	"  --fd-store        the service manager keeps sockets and connections over a restart\n"
	"  --ready-fd N      write a newline to descriptor N once every cell listens\n"
	"  --help, --version\n"
	"\n"
	"Exit: 0 stopped as asked, 1 failure, 2 usage, 11 ledger damaged, 70 a sibling process "
	"died,\n"
	"74 stopped because writing failed, 75 stopped to be started again (SIGUSR2), 78 "
	"configuration.\n"
	"\n"
	"Example: chtd --state /var/lib/cht --init --cell web-1=/run/vms/web-1/v.sock\n";

enum option_id {
	OPT_STATE = 256,
	OPT_INIT,
	OPT_REPLACE,
	OPT_SEAL,
	OPT_READY_FD,
	OPT_FD_STORE,
	OPT_CLOSE_FOR,
	OPT_CLOSE_REASON,
	OPT_CONFIG,
	OPT_CELL,
	OPT_CONTROL,
	OPT_REGISTER,
	OPT_LOCKDOWN,
	OPT_OPENER,
	OPT_OPENER_USER,
	OPT_SCRIBE,
	OPT_SCRIBE_USER,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{ "state", required_argument, NULL, OPT_STATE },
	{ "init", no_argument, NULL, OPT_INIT },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "seal", no_argument, NULL, OPT_SEAL },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "fd-store", no_argument, NULL, OPT_FD_STORE },
	{ "close-for", required_argument, NULL, OPT_CLOSE_FOR },
	{ "close-reason", required_argument, NULL, OPT_CLOSE_REASON },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "cell", required_argument, NULL, OPT_CELL },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "register", required_argument, NULL, OPT_REGISTER },
	{ "lockdown", required_argument, NULL, OPT_LOCKDOWN },
	{ "opener", required_argument, NULL, OPT_OPENER },
	{ "opener-user", required_argument, NULL, OPT_OPENER_USER },
	{ "scribe", required_argument, NULL, OPT_SCRIBE },
	{ "scribe-user", required_argument, NULL, OPT_SCRIBE_USER },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int set_text(char **slot, const char *text, struct cht_err *err)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the options");
	free(*slot);
	*slot = copy;
	return 0;
}

static int read_config_file(struct conf *conf, const char *path, struct cht_err *err)
{
	uint8_t *text;
	struct cht_err why = { 0 };
	ssize_t n;
	int r;

	if (conf->config != NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "--config is given twice");
	r = set_text(&conf->config, path, err);
	if (r < 0)
		return r;
	text = malloc(CONF_FILE_MAX);
	if (text == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the configuration");
	n = fd_read_file(AT_FDCWD, path, text, CONF_FILE_MAX, &why);
	if (n < 0)
		r = cht_fail(err, CHT_E_CONFIG, 0, "%s: %s", path, why.text);
	else
		r = conf_read(conf, path, (struct cht_bytes){ text, (size_t)n }, err);
	if (r == 0)
		r = drop_ins_read(conf, path, (struct cht_bytes){ text, CONF_FILE_MAX }, err);
	free(text);
	return r;
}

/* An option that is a key of the file too. */
static int set_key_text(struct conf *conf, unsigned key, const char *text, struct cht_err *err)
{
	conf->origins[key] = (struct conf_origin){ .from = CONF_FROM_OPTION };
	return set_text((char **)((uint8_t *)conf + keys[key].at), text, err);
}

static int set_state(struct conf *conf, const char *dir, struct cht_err *err)
{
	int r = set_key_text(conf, KEY_state, dir, err);

	if (r == 0 && *dir == '\0')
		r = cht_fail(err, CHT_E_RANGE, 0, "--state: expected a directory");
	return r;
}

static int set_ready_fd(struct conf *conf, const char *text, struct cht_err *err)
{
	uint64_t fd;

	if (!read_u64(str_of(text), 1 << 20, &fd) || fcntl((int)fd, F_GETFD) < 0)
		return cht_fail(err, CHT_E_RANGE, 0, "--ready-fd %s: expected an open descriptor",
				text);
	/* It is closed once it was written; the numbers of stdout and stderr stay taken. */
	conf->ready_fd = fd > 2 ? (int)fd : fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	if (conf->ready_fd < 0 || fcntl(conf->ready_fd, F_SETFD, FD_CLOEXEC) < 0)
		return cht_fail(err, CHT_E_RANGE, 0, "--ready-fd %s: cannot be used", text);
	return 0;
}

static int set_option(struct conf *conf, int option, const char *argument, struct cht_err *err)
{
	switch (option) {
	case OPT_STATE: return set_state(conf, argument, err);
	case OPT_READY_FD: return set_ready_fd(conf, argument, err);
	case OPT_CLOSE_FOR: return set_text(&conf->close_for, argument, err);
	case OPT_CLOSE_REASON: return set_text(&conf->close_reason, argument, err);
	case OPT_CONFIG: return read_config_file(conf, argument, err);
	case OPT_REGISTER: return set_key_text(conf, KEY_register_socket, argument, err);
	case OPT_CONTROL: return set_key_text(conf, KEY_control, argument, err);
	case OPT_OPENER: return set_text(&conf->opener, argument, err);
	case OPT_OPENER_USER: return set_text(&conf->opener_user, argument, err);
	case OPT_SCRIBE: return set_text(&conf->scribe, argument, err);
	case OPT_SCRIBE_USER: return set_text(&conf->scribe_user, argument, err);
	case OPT_LOCKDOWN: return set_text(&conf->lockdown, argument, err);
	case OPT_CELL: return conf_add_cell(conf, argument, err);
	case OPT_INIT: conf->init = true; return 0;
	case OPT_REPLACE: conf->replace = true; return 0;
	case OPT_SEAL: conf->seal = true; return 0;
	case OPT_FD_STORE: conf->fd_store = true; return 0;
	default: return cht_fail(err, CHT_E_RANGE, 0, "try chtd --help");
	}
}

/* The file is read before the options, wherever --config stands, so that they win. */
enum pass { PASS_FILES, PASS_OPTIONS, PASS_AGAIN };

/* Whose turn it is; what was done with at the start is not looked at again. */
static bool is_of(enum pass pass, int option)
{
	if (option == OPT_CONFIG)
		return pass == PASS_FILES;
	return pass == PASS_OPTIONS || (pass == PASS_AGAIN && option != OPT_READY_FD);
}

static int each_option(struct conf *conf, int argc, char **argv, enum pass pass,
		       struct cht_err *err)
{
	int option, r;

	optind = 0;
	opterr = pass == PASS_FILES;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPT_HELP || option == OPT_VERSION) {
			(void)fputs(option == OPT_HELP ? usage : "chtd " CHT_VERSION "\n", stdout);
			return fflush(stdout) == 0 ? CONF_DONE : CHT_E_IO;
		}
		if (option == '?' || !is_of(pass, option)) {
			if (option == '?')
				return cht_fail(err, CHT_E_RANGE, 0, "try chtd --help");
			continue;
		}
		r = set_option(conf, option, optarg, err);
		if (r != 0)
			return r;
	}
	if (optind < argc)
		return cht_fail(err, CHT_E_RANGE, 0, "unexpected \"%s\": try chtd --help",
				argv[optind]);
	return 0;
}

int conf_load(struct conf *conf, int argc, char **argv, struct cht_err *err)
{
	int r;

	conf_init(conf);
	conf->argc = argc;
	conf->argv = argv;
	r = each_option(conf, argc, argv, PASS_FILES, err);
	if (r == 0)
		r = each_option(conf, argc, argv, PASS_OPTIONS, err);
	return r != 0 ? r : conf_check(conf, err);
}

int conf_complete(struct conf *conf, int argc, char **argv, struct cht_err *err)
{
	int r = each_option(conf, argc, argv, PASS_AGAIN, err);

	return r != 0 ? r : conf_check(conf, err);
}
