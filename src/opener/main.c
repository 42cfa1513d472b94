/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/program.h"
#include "netlink/netlink.h"
#include "opener/opener.h"

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

static int status_of(int code)
{
	switch (code) {
	case CHT_E_CONFIG: return EXIT_CONFIG;
	case CHT_E_PARSE: return EXIT_USAGE;
	default: return code < 0 ? EXIT_FAILED : EXIT_DONE;
	}
}

/* To make a socket for another, in a directory of another that is closed to all others. */
#define BINDING                                                                                    \
	(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID |                                   \
	 UINT64_C(1) << CAP_DAC_READ_SEARCH | UINT64_C(1) << CAP_DAC_OVERRIDE |                    \
	 UINT64_C(1) << CAP_FOWNER)

/* Sockets in other network namespaces, also those of processes of others; to ask for the rules of
 * nf_tables. */
#define NETWORKS                                                                                   \
	(UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SYS_PTRACE |                            \
	 UINT64_C(1) << CAP_NET_ADMIN)

/* As many descriptors as we may have, because each socket keeps its directory; no umask, so that a
 * mode is what was asked from birth. */
static int prepare(struct cht_err *err)
{
	static const int ignored[] = { SIGHUP, SIGPIPE, SIGTTOU };
	uint64_t files;
	int r = program_ignore_signals(ignored, sizeof(ignored) / sizeof(ignored[0]), err);

	if (r == 0)
		r = program_raise_files(&files, err);
	(void)umask(0);
	return r;
}

/* Anybody may read what is there. */
static const char CGROUPS[] = "/sys/fs/cgroup";

struct allowed {
	struct lockdown_path paths[3 * (OPENER_ROOTS_MAX + OPENER_ALSO_MAX) + 3];
	unsigned n;
};

static void allow(struct allowed *allowed, const struct roots *roots, unsigned rights)
{
	for (unsigned i = 0; i < roots->n; i++)
		allowed->paths[allowed->n++] =
			(struct lockdown_path){ .dir_fd = roots->list[i].fd, .rights = rights };
}

/* Sockets below the roots, and what may be read: the kernel holds us to it too. */
static int close_up(const struct opener *opener, struct cht_err *err)
{
	struct allowed allowed = {
		.n = 3,
		.paths = { { .path = "/proc", .rights = LOCKDOWN_READ | LOCKDOWN_LIST },
			   { .path = NETLINK_NAMES, .rights = LOCKDOWN_READ },
			   /* cgroup.event_control of v1 */
			   { .path = "/sys/fs/cgroup/memory", .rights = LOCKDOWN_WRITE } },
	};
	struct lockdown asked = { .mode = opener->options->lockdown,
				  .program = LOCKDOWN_OPENER,
				  .paths = allowed.paths,
				  .keep = BINDING | NETWORKS };
	struct lockdown_state state;

	allow(&allowed, &opener->roots, LOCKDOWN_SOCKETS | LOCKDOWN_FIFOS);
	allow(&allowed, &opener->reads, LOCKDOWN_READ);
	allow(&allowed, &opener->confs, LOCKDOWN_READ | LOCKDOWN_LIST);
	asked.n_paths = allowed.n;
	return lockdown_enter(&asked, &state, err);
}

static int open_roots(struct opener *opener, struct cht_err *err)
{
	const struct opener_options *o = opener->options;
	int r = roots_open(&opener->roots, o->roots, o->n_roots, err);

	for (unsigned i = 0; i < o->n_also && r == 0; i++)
		r = roots_also(&opener->roots, o->also[i], err);
	if (r == 0)
		r = roots_open(&opener->reads, o->reads, o->n_reads, err);
	if (r == 0)
		roots_if_there(&opener->reads, CGROUPS);
	if (r == 0)
		r = roots_open(&opener->apis, o->apis, o->n_apis, err);
	for (unsigned i = 0; i < o->n_confs && r == 0; i++)
		r = roots_conf(&opener->confs, o->confs[i], err);
	return r;
}

static int open_all(struct opener *opener, struct cht_err *err)
{
	int r = lockdown_begin(err);

	if (r == 0)
		r = prepare(err);
	if (r == 0)
		r = open_roots(opener, err);
	if (r == 0) {
		opener->signal_fd = fd_stop_signals(err);
		r = opener->signal_fd < 0 ? opener->signal_fd : 0;
	}
	return r == 0 ? close_up(opener, err) : r;
}

/* Why it cannot begin: the line's to print. Where no line hears it, stderr has it. */
static void tell_failed(int line_fd, const struct cht_err *err)
{
	struct opening_answer last = { .kind = OPENING_READY, .code = err->code, .sys = err->sys };

	memcpy(last.text, err->text, sizeof(last.text));
	if (line_fd < 0 || opening_reply(line_fd, &last, -1, NULL) < 0)
		diag_err(err);
}

int main(int argc, char **argv)
{
	static struct made made;
	struct opener opener = { .made = &made,
				 .signal_fd = -1,
				 .notify = NOTIFY_NULL,
				 .roots = { .key = "[opener] roots" },
				 .reads = { .key = "[opener] read" },
				 .confs = { .key = "--conf" },
				 .apis = { .key = "[opener] api" } };
	struct opener_options options;
	struct cht_err err = { 0 };
	int r;

	diag_init("cht-opener", DIAG_NOTICE);
	r = options_parse(&options, argc, argv);
	if (r != 0)
		return status_of(r);
	opener.options = &options;
	notify_open(&opener.notify);
	r = open_all(&opener, &err);
	if (r < 0) {
		tell_failed(options.line_fd, &err);
	} else {
		notify_manager(&opener.notify, "READY=1\nSTATUS=Waiting for chtd");
		r = serve(&opener, &err);
		if (r < 0)
			diag_err(&err);
	}
	notify_close(&opener.notify);
	roots_close(&opener.roots);
	roots_close(&opener.reads);
	roots_close(&opener.confs);
	roots_close(&opener.apis);
	fd_close(&opener.signal_fd);
	fd_close(&options.line_fd);
	fd_close(&options.listen_fd);
	return status_of(r);
}
