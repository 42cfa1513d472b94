/* SPDX-License-Identifier: Apache-2.0 */
/* A cell's probes come and go. */
#include "daemon/watches.h"

#include <stdlib.h>

#include "asked/asked.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "daemon/probes.h"

const uint8_t watch_fds_most[CHT_N_PROBES] = {
	[CHT_PROBE_FC_METRICS] = 4, [CHT_PROBE_CGROUP] = 12,   [CHT_PROBE_NFTABLES] = 2,
	[CHT_PROBE_TAP_LINK] = 2,   [CHT_PROBE_VMM_PROC] = 40,
};

void watch_disarm(struct line *line, struct watch *w, unsigned kind)
{
	if (w->fd >= 0)
		loop_remove(&line->loop, w->fd, (enum fd_kind)(FD_PROBE + kind));
	w->fd = -1;
}

void watch_hurry(struct line *line, uint32_t i, uint64_t at_ns)
{
	if (at_ns < line->deadlines.at_ns[i])
		deadlines_set(&line->deadlines, i, at_ns);
}

static void make(struct watch *w, const struct cht_probe_options *options, const char *id)
{
	struct cht_err why;

	if (probe_new(&w->probe, options, &why) == 0)
		return;
	w->is_wanted = false;
	diag(DIAG_WARNING, "cell %s: no probe %s: %s", id, cht_probe_name(options->kind), why.text);
}

/* False: it has none. */
static bool read_asked(const struct slot *slot, struct probes_asked *out)
{
	const struct registration *asked = &slot->registration;
	const struct cht_bytes stated = { (const uint8_t *)asked->stated, asked->stated_len };

	if (slot->reg.probes != NULL)
		return probes_asked_read_alone(str_of(slot->reg.probes), out);
	return stated.len > 0 && probes_asked_read(stated, out);
}

static int add(struct line *line, uint32_t i, const struct probe_asked *asked, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct cht_probe_options options = asked->options;
	struct watch *w;

	if (slot->watches == NULL) {
		slot->watches = calloc(1, sizeof(*slot->watches));
		if (slot->watches == NULL)
			return cht_fail(err, CHT_E_NOMEM, 0, "no memory for probes");
		for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
			slot->watches->list[kind].fd = -1;
		slot->cell.claims = &slot->watches->claims;
	}
	claims_expect(&slot->watches->claims, options.kind);
	w = &slot->watches->list[options.kind];
	w->interval_ns = asked->interval_ms != 0 ? asked->interval_ms * NS_PER_MS : LIMIT_PROBE_NS;
	w->due_ns = line->now.monotonic_ns;
	w->is_wanted = true;
	if (options.kind == CHT_PROBE_VMM_PROC)
		options.pid = slot->registration.vmm_pid;
	if (options.kind != CHT_PROBE_VMM_PROC || options.pid != 0)
		make(w, &options, slot->reg.id);
	return 0;
}

int probes_open(struct line *line, uint32_t i, struct cht_err *err)
{
	struct probes_asked probes;
	int r = 0;

	if (!read_asked(&line->slots[i], &probes))
		return 0;
	for (unsigned n = 0; n < probes.n && r == 0; n++)
		r = add(line, i, &probes.list[n], err);
	watch_hurry(line, i, probes_deadline(&line->slots[i]));
	return r;
}

static void drop(struct line *line, struct watch *w, unsigned kind)
{
	watch_disarm(line, w, kind);
	line->probes_waiting -= w->is_waiting;
	line->probe_fds -= w->fds;
	w->fds = 0;
	probes_leave_fifo(w->made);
	w->made = 0;
	probe_free(w->probe);
	w->probe = NULL;
	w->serial++;
	w->is_waiting = w->is_asked = w->is_under_way = w->is_last = false;
}

/* The same probe without its descriptors: it asks for them again, when there are some. */
static void make_again(struct line *line, uint32_t i, unsigned kind)
{
	struct slot *slot = &line->slots[i];
	struct watch *w = &slot->watches->list[kind];
	bool is_last = w->is_last;
	struct probes_asked probes;

	drop(line, w, kind);
	w->is_last = is_last;
	for (unsigned n = 0; read_asked(slot, &probes) && n < probes.n; n++) {
		struct cht_probe_options *options = &probes.list[n].options;

		if ((unsigned)options->kind != kind)
			continue;
		options->pid = w->pid != 0 ? w->pid : slot->registration.vmm_pid;
		make(w, options, slot->reg.id);
		break;
	}
}

/* Not Firecracker's metrics: lines that nobody reads are lost. */
static bool may_give_up(const struct watch *w, unsigned kind)
{
	return kind != CHT_PROBE_FC_METRICS && w->probe != NULL && w->fds > 0 && !w->is_asked;
}

bool probes_give_up(struct line *line)
{
	for (uint32_t n = 0; n < line->slots_used && line->probe_fds > 0; n++) {
		uint32_t i = line->give_up_at++ % line->slots_used;
		struct watches *all = line->slots[i].watches;

		for (unsigned kind = 0; all != NULL && kind < CHT_N_PROBES; kind++) {
			if (!may_give_up(&all->list[kind], kind))
				continue;
			make_again(line, i, kind);
			return true;
		}
	}
	return false;
}

void probes_close(struct line *line, struct slot *slot)
{
	for (unsigned kind = 0; slot->watches != NULL && kind < CHT_N_PROBES; kind++)
		drop(line, &slot->watches->list[kind], kind);
	free(slot->watches);
	slot->watches = NULL;
	slot->cell.claims = NULL;
}

void probes_meet(struct line *line, uint32_t i, uint32_t pid)
{
	struct slot *slot = &line->slots[i];
	const struct cht_probe_options options = { .kind = CHT_PROBE_VMM_PROC, .pid = pid };
	struct watch *w = slot->watches != NULL ? &slot->watches->list[options.kind] : NULL;

	if (w == NULL || !w->is_wanted || w->probe != NULL || pid == 0)
		return;
	make(w, &options, slot->reg.id);
	w->pid = pid;
	w->due_ns = line->now.monotonic_ns;
	watch_hurry(line, i, probes_deadline(slot));
}

void probes_restored(struct line *line, uint32_t i)
{
	if (line->slots[i].watches != NULL)
		drop(line, &line->slots[i].watches->list[CHT_PROBE_VMM_PROC], CHT_PROBE_VMM_PROC);
	probes_hurry(line, i);
}
