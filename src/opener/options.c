/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/notify.h"
#include "base/options.h"
#include "base/text.h"
#include "base/user.h"
#include "opener/opener.h"

enum option_id {
	OPT_ROOT = 256,
	OPT_ALSO,
	OPT_READ,
	OPT_CONF,
	OPT_API,
	OPT_FLUSH,
	OPT_REPLACE,
	OPT_LINE_FD,
	OPT_LINE_USER,
	OPT_LOCKDOWN
};

static const struct option table[] = {
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "also", required_argument, NULL, OPT_ALSO },
	{ "read", required_argument, NULL, OPT_READ },
	{ "conf", required_argument, NULL, OPT_CONF },
	{ "api", required_argument, NULL, OPT_API },
	{ "flush", no_argument, NULL, OPT_FLUSH },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "line-fd", required_argument, NULL, OPT_LINE_FD },
	{ "line-user", required_argument, NULL, OPT_LINE_USER },
	{ "lockdown", required_argument, NULL, OPT_LOCKDOWN },
	{ "help", no_argument, NULL, OPTIONS_HELP },
	{ "version", no_argument, NULL, OPTIONS_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: cht-opener --root DIR [--root DIR]... [OPTION]... --line-fd N\n"
	"       cht-opener --root DIR [--root DIR]... [OPTION]... --line-user USER\n"
	"OPTION: --also PATH (twice at most), --read DIR, --conf PATH, --api DIR,\n"
	"        --flush, --replace, --lockdown kill|log|off\n"
	"Opens for chtd what needs a path or privilege, below DIR; chtd starts it, or systemd, "
	"with a\n"
	"socket. See cht-opener(8).\n";

static bool is_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static bool read_fd(const char *value, int *fd)
{
	uint64_t v;

	if (!read_u64(str_of(value), 1 << 20, &v) || !is_socket((int)v))
		return false;
	*fd = (int)v;
	return fcntl(*fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool read_root(const char *value, const char **list, unsigned *n)
{
	if (*n == OPENER_ROOTS_MAX || *value == '\0')
		return false;
	list[(*n)++] = value;
	return true;
}

static bool read_also(const char *value, struct opener_options *o)
{
	if (o->n_also == OPENER_ALSO_MAX || value[0] != '/')
		return false;
	o->also[o->n_also++] = value;
	return true;
}

/* False: the value cannot be. */
static bool read_option(int id, const char *value, void *out)
{
	struct opener_options *o = out;

	switch (id) {
	case OPT_ROOT: return read_root(value, o->roots, &o->n_roots);
	case OPT_READ: return read_root(value, o->reads, &o->n_reads);
	case OPT_API: return read_root(value, o->apis, &o->n_apis);
	case OPT_FLUSH: o->flush = true; return true;
	case OPT_CONF: return read_root(value, o->confs, &o->n_confs);
	case OPT_ALSO: return read_also(value, o);
	case OPT_LINE_FD: return read_fd(value, &o->line_fd);
	case OPT_LOCKDOWN: return lockdown_read_mode(value, &o->lockdown);
	case OPT_LINE_USER: return user_find(value, &o->line_uid, NULL) == 0;
	default: o->replace = true; return true;
	}
}

static const char *what_is_wrong(void *out)
{
	struct opener_options *o = out;

	if (o->n_roots == 0)
		return "--root is missing: a directory below which sockets may be";
	if ((o->line_fd >= 0) == (o->line_uid >= 0))
		return "one of --line-fd (chtd gives it) and --line-user is needed";
	if (o->line_uid >= 0)
		o->listen_fd = notify_passed_socket();
	if (o->line_uid >= 0 && o->listen_fd < 0)
		return "--line-user goes with one listening SOCK_SEQPACKET socket from systemd";
	return NULL;
}

int options_parse(struct opener_options *out, int argc, char **argv)
{
	struct opener_options o = {
		.line_fd = -1, .listen_fd = -1, .line_uid = -1, .lockdown = lockdown_default_mode()
	};
	const struct options_spec spec = { "cht-opener", usage, table, read_option, what_is_wrong };
	int r = options_read(&spec, argc, argv, &o);

	if (r == 0)
		*out = o;
	return r;
}
