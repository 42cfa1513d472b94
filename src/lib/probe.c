/* SPDX-License-Identifier: Apache-2.0 */
/* Probes by somebody who has paths himself: what a probe wants is opened on the spot. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/err.h"
#include "lib/give.h"
#include "lib/nets.h"

struct cht_probe {
	struct probe *probe;
	struct probe_room room;
};

static struct probe_given open_file(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	return (struct probe_given){ .fd = fd,
				     .code = fd < 0 ? CHT_E_IO : 0,
				     .sys = fd < 0 ? errno : 0 };
}

static struct probe_given satisfy(const struct probe_want *want)
{
	switch (want->kind) {
	case PROBE_WANT_FILE: return open_file(want->path, 0);
	case PROBE_WANT_LIST: return open_file(want->path, O_DIRECTORY);
	case PROBE_WANT_PIDFD: return give_pidfd(want);
	case PROBE_WANT_EVENTFD: return give_oom(want);
	case PROBE_WANT_FIFO: return give_fifo(want);
	case PROBE_WANT_API: return give_api(want);
	case PROBE_WANT_ROUTE: return nets_open_route(want);
	case PROBE_WANT_NFT: return nets_open_rules(want);
	case PROBE_WANT_NFT_DUMP: return nets_ask_rules(want);
	default: return (struct probe_given){ .fd = -1, .code = CHT_E_UNSUPPORTED };
	}
}

static void prepare(struct probe *p)
{
	struct probe_want want;

	probe_begin(p);
	while (probe_next_want(p, &want)) {
		struct probe_given given = satisfy(&want);

		probe_give(p, &given);
	}
}

int cht_probe_open(struct cht_probe **out, const struct cht_probe_options *options,
		   struct cht_err *err)
{
	struct cht_probe *whole = malloc(sizeof(*whole));
	int r;

	if (whole == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	r = probe_new(&whole->probe, options, err);
	if (r < 0) {
		free(whole);
		return r;
	}
	prepare(whole->probe);
	*out = whole;
	return 0;
}

int cht_probe_fd(const struct cht_probe *probe, short *events)
{
	return probe_fd(probe->probe, events);
}

int cht_probe_read(struct cht_probe *probe, const struct cht_now *now, struct cht_reading *out)
{
	prepare(probe->probe);
	return probe_read(probe->probe, now, &probe->room, out);
}

void cht_probe_free(struct cht_probe *probe)
{
	if (probe == NULL)
		return;
	probe_free(probe->probe);
	free(probe);
}
