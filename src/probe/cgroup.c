/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup v2 directory: memory.events, cpu.stat, pids.events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "probe/flat.h"
#include "probe/kinds.h"

enum { F_MEMORY, F_CPU, F_PIDS, N_FILES };

struct cgroup {
	struct probe p;
	struct probe_file files[N_FILES];
	unsigned next; /* of them, to be asked for */
	bool has_before;
	uint64_t usage, throttled; /* of the reading before */
	char leaf[CHT_PROBE_TEXT_MAX + 1];
};

static const struct {
	const char *name, *key;
} files[N_FILES] = {
	[F_MEMORY] = { "memory.events", "memory_events" },
	[F_CPU] = { "cpu.stat", "cpu_stat" },
	[F_PIDS] = { "pids.events", "pids_events" },
};

static struct cgroup *of(struct probe *p)
{
	return (struct cgroup *)(void *)p;
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct cgroup *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	g->p.kind = &probe_cgroup;
	for (unsigned i = 0; i < N_FILES; i++)
		g->files[i].fd = -1;
	r = probe_take_text(g->leaf, sizeof(g->leaf), options->cgroup, "cgroup", false, err);
	if (r < 0) {
		free(g);
		return r;
	}
	*out = &g->p;
	return 0;
}

static void begin(struct probe *p)
{
	of(p)->next = 0;
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	struct cgroup *g = of(p);

	while (g->next < N_FILES && g->files[g->next].fd >= 0)
		g->next++;
	if (g->next == N_FILES)
		return false;
	want->kind = PROBE_WANT_FILE;
	(void)snprintf(want->path, sizeof(want->path), "%.1000s/%s", g->leaf, files[g->next].name);
	return true;
}

static void give(struct probe *p, const struct probe_given *given)
{
	struct probe_file *f = &of(p)->files[of(p)->next++];

	f->fd = given->fd;
	f->code = given->code;
	f->sys = given->sys;
}

/* What the VM did since the reading before. */
static enum cht_probe_says judge(struct cgroup *g, struct cht_bytes stat)
{
	uint64_t usage, throttled = 0, usage_before = g->usage, throttled_before = g->throttled;
	bool had = g->has_before;

	if (!flat_find(stat, STR("usage_usec"), &usage))
		return CHT_PROBE_SAYS_NOTHING;
	(void)flat_find(stat, STR("throttled_usec"), &throttled);
	g->usage = usage;
	g->throttled = throttled;
	g->has_before = true;
	if (!had || usage < usage_before || throttled < throttled_before)
		return CHT_PROBE_SAYS_NOTHING;
	if (throttled - throttled_before > usage - usage_before)
		return CHT_PROBE_SAYS_STARVED;
	return usage > usage_before ? CHT_PROBE_SAYS_RUNS : CHT_PROBE_SAYS_STILL;
}

static void put_inputs(struct buf *b, const struct cgroup *g)
{
	buf_put_lit(b, "{\"cgroupLeaf\":");
	json_put_str(b, str_of(g->leaf));
	buf_put_lit(b, ",\"files\":[\"memory.events\",\"cpu.stat\",\"pids.events\"]}");
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	static const unsigned by_key[N_FILES] = { F_CPU, F_MEMORY, F_PIDS };
	struct cgroup *g = of(p);
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));
	struct buf output = buf_init(room->output, sizeof(room->output));
	bool any = false;

	(void)now;
	for (unsigned i = 0; i < N_FILES; i++) {
		unsigned at = by_key[i];
		struct probe_file *f = &g->files[at];
		int n = f->fd >= 0 ? probe_file_read(f, room->scratch, sizeof(room->scratch)) : -1;
		struct cht_bytes text = { room->scratch, n > 0 ? (size_t)n : 0 };

		if (n < 0) {
			reading_fail(out, room, f->code, f->sys, files[at].name);
			continue;
		}
		buf_put_str(&output, any ? STR(",\"") : STR("{\""));
		buf_put_str(&output, str_of(files[at].key));
		buf_put_lit(&output, "\":");
		any = true;
		if (!flat_put(&output, text))
			reading_fail(out, room, CHT_E_PARSE, 0, files[at].name);
		if (at == F_CPU)
			out->says = judge(g, text);
	}
	if (any)
		buf_put_byte(&output, '}');
	put_inputs(&inputs, g);
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	out->output = (struct cht_str){ (char *)room->output, buf_len(&output) };
	return 1;
}

static void free_it(struct probe *p)
{
	for (unsigned i = 0; i < N_FILES; i++)
		probe_file_close(&of(p)->files[i]);
	free(p);
}

const struct probe_kind probe_cgroup = {
	.kind = CHT_PROBE_CGROUP,
	.name = "cgroup",
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.free = free_it,
};
