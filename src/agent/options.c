/* SPDX-License-Identifier: Apache-2.0
 *
 * Not getopt_long(3): it writes messages of its own through stdio, which is twice the size of
 * the rest of the agent.
 */
#include "agent/options.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

enum { HEARTBEAT_MS = 3000, HEARTBEAT_MIN_MS = 10, HEARTBEAT_MAX_MS = 3600 * 1000 };

const char options_help[] =
	"usage: cellos-telemetry [OPTION]...\n"
	"\n"
	"  --connect ADDRESS    vsock:CID:PORT or unix:PATH (default vsock:2:9001)\n"
	"  --watch PATH         tell changes of this file or directory; may be repeated\n"
	"  --heartbeat-ms N     interval of heartbeats, 0 for none (default 3000)\n"
	"  --no-fork            stay in the foreground\n"
	"  --ready-fd N         write a newline to this descriptor once running\n"
	"  --stats              on exit, print what was seen, sent and dropped\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0, 1 failure, 2 fork failed, 3 no such channel here, 64 usage.\n";

enum option { CONNECT, WATCH, HEARTBEAT, READY_FD, NO_FORK, STATS, VERSION, HELP, N_OPTIONS };

static const struct {
	struct cht_str name;
	bool takes_value;
} table[N_OPTIONS] = {
	[CONNECT] = { STR_INIT("--connect"), true },
	[WATCH] = { STR_INIT("--watch"), true },
	[HEARTBEAT] = { STR_INIT("--heartbeat-ms"), true },
	[READY_FD] = { STR_INIT("--ready-fd"), true },
	[NO_FORK] = { STR_INIT("--no-fork"), false },
	[STATS] = { STR_INIT("--stats"), false },
	[VERSION] = { STR_INIT("--version"), false },
	[HELP] = { STR_INIT("--help"), false },
};

static int add_watch(struct options *o, const char *path, struct cht_err *err)
{
	size_t len = path != NULL ? strlen(path) : 0;

	if (len == 0 || len > PATH_BYTES_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0, "a watched path has 1 to %d bytes",
				PATH_BYTES_MAX);
	if (o->n_watch == WATCH_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0, "at most %d paths are watched", WATCH_MAX);
	o->watch[o->n_watch++] = path;
	return 0;
}

static int read_number(const char *name, const char *value, uint64_t max, uint64_t *out,
		       struct cht_err *err)
{
	if (!read_u64(str_of(value), max, out))
		return cht_fail(err, CHT_E_CONFIG, 0, "%s takes a number from 0 to %llu", name,
				(unsigned long long)max);
	return 0;
}

static int set_heartbeat(struct options *o, const char *value, struct cht_err *err)
{
	uint64_t v = 0;
	int r = read_number("--heartbeat-ms", value, HEARTBEAT_MAX_MS, &v, err);

	if (r == 0 && v > 0 && v < HEARTBEAT_MIN_MS)
		r = cht_fail(err, CHT_E_CONFIG, 0, "--heartbeat-ms takes 0, or %d and above",
			     HEARTBEAT_MIN_MS);
	if (r == 0)
		o->heartbeat_ms = (uint32_t)v;
	return r;
}

static int set(struct options *o, enum option option, const char *value, struct cht_err *err)
{
	uint64_t v = 0;
	int r = 0;

	switch (option) {
	case CONNECT: return link_address_read(&o->address, str_of(value), err);
	case WATCH: return add_watch(o, value, err);
	case HEARTBEAT: return set_heartbeat(o, value, err);
	case READY_FD:
		r = read_number("--ready-fd", value, 1 << 20, &v, err);
		if (r == 0)
			o->ready_fd = (int)v;
		return r;
	case NO_FORK: o->foreground = true; break;
	case STATS: o->stats = true; break;
	case VERSION: o->version = true; break;
	case HELP: o->help = true; break;
	case N_OPTIONS: break;
	}
	return 0;
}

/* Finds "--name" or "--name=value"; *value is null without "=". */
static enum option find(const char *arg, const char **value)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);

	*value = equals != NULL ? equals + 1 : NULL;
	for (int i = 0; i < N_OPTIONS; i++)
		if (str_eq(table[i].name, (struct cht_str){ arg, len }))
			return (enum option)i;
	return N_OPTIONS;
}

int options_read(struct options *o, char *const *argv, const char *watch_path, struct cht_err *err)
{
	int r;

	*o = (struct options){ .heartbeat_ms = HEARTBEAT_MS, .ready_fd = -1 };
	r = link_address_read(&o->address, STR("vsock:2:9001"), err);
	if (r == 0 && watch_path != NULL && *watch_path != '\0')
		r = add_watch(o, watch_path, err);
	while (r == 0 && *++argv != NULL) {
		const char *value;
		enum option option = find(*argv, &value);

		if (option == N_OPTIONS)
			return cht_fail(err, CHT_E_CONFIG, 0, "unknown option %s (see --help)",
					*argv);
		if (!table[option].takes_value && value != NULL)
			return cht_fail(err, CHT_E_CONFIG, 0, "%s takes no value",
					table[option].name.ptr);
		if (table[option].takes_value && value == NULL)
			value = *++argv;
		if (table[option].takes_value && value == NULL)
			return cht_fail(err, CHT_E_CONFIG, 0, "%s needs a value",
					table[option].name.ptr);
		r = set(o, option, value, err);
	}
	return r;
}
