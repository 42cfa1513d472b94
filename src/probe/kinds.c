/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "probe/kinds.h"

/* Elsewhere there are none of these sources. */
const struct probe_kind *const probe_kinds[CHT_N_PROBES] = {
#ifdef __linux__
	[CHT_PROBE_FC_METRICS] = &probe_fc_metrics, [CHT_PROBE_CGROUP] = &probe_cgroup,
	[CHT_PROBE_VMM_PROC] = &probe_vmm_proc,     [CHT_PROBE_NFTABLES] = &probe_nftables,
	[CHT_PROBE_TAP_LINK] = &probe_tap_link,
#else
	NULL
#endif
};

const char *cht_probe_name(enum cht_probe_kind kind)
{
	static const char *const names[CHT_N_PROBES] = {
		[CHT_PROBE_FC_METRICS] = "fc_metrics", [CHT_PROBE_CGROUP] = "cgroup",
		[CHT_PROBE_NFTABLES] = "nftables",     [CHT_PROBE_TAP_LINK] = "tap_link",
		[CHT_PROBE_VMM_PROC] = "vmm_proc",
	};

	return names[kind];
}

bool cht_probe_find(struct cht_str name, enum cht_probe_kind *out)
{
	static const struct cht_str host = STR_INIT("host.");

	if (str_starts(name, host))
		name = (struct cht_str){ name.ptr + host.len, name.len - host.len };
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		if (!str_eq(name, str_of(cht_probe_name((enum cht_probe_kind)i))))
			continue;
		*out = (enum cht_probe_kind)i;
		return true;
	}
	return false;
}

int probe_new(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	if ((unsigned)options->kind >= CHT_N_PROBES)
		return cht_fail(err, CHT_E_RANGE, 0, "there is no such probe");
	if (probe_kinds[options->kind] == NULL)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0, "probe %s: only on Linux",
				cht_probe_name(options->kind));
	return probe_kinds[options->kind]->make(out, options, err);
}

void probe_begin(struct probe *p)
{
	p->is_begun = true;
	p->kind->begin(p);
}

bool probe_next_want(struct probe *p, struct probe_want *want)
{
	memset(want, 0, sizeof(*want));
	want->fd = -1;
	return p->is_begun && p->kind->next_want(p, want);
}

void probe_give(struct probe *p, const struct probe_given *given)
{
	p->kind->give(p, given);
}

int probe_read(struct probe *p, const struct cht_now *now, struct probe_room *room,
	       struct cht_reading *out)
{
	p->is_begun = false;
	reading_init(out, p->kind->kind, now);
	return p->kind->read(p, now, room, out);
}

int probe_fd(const struct probe *p, short *events)
{
	*events = 0;
	return p->kind->fd != NULL ? p->kind->fd(p, events) : -1;
}

void probe_free(struct probe *p)
{
	if (p != NULL)
		p->kind->free(p);
}
