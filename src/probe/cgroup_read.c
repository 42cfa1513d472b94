/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "probe/cgroup.h"
#include "probe/flat.h"

enum { NS_PER_US = 1000, US_PER_S = 1000000 };

/* A reading under way. */
struct look {
	struct cgroup *g;
	struct probe_room *room;
	struct cht_reading *out;
	struct buf b;
	struct cgroup_times times;
	bool any, has_v1, has_v2;
	bool is_populated, is_empty; /* what cgroup.events says; neither: nothing */
};

/* Takes what a file says beyond its text. */
static void note_cpu(struct look *l, struct cht_bytes text)
{
	struct cgroup_times *t = &l->times;
	uint64_t ns;
	bool is_v2 = flat_find(text, STR("usage_usec"), &t->usage);

	l->has_v2 = l->has_v2 || is_v2;
	l->has_v1 = l->has_v1 || !is_v2;
	t->is_known = is_v2;
	if (flat_find(text, STR("throttled_time"), &ns))
		t->throttled = ns / NS_PER_US;
	if (flat_find(text, STR("wait_sum"), &ns))
		t->waited = ns / NS_PER_US;
	(void)flat_find(text, STR("throttled_usec"), &t->throttled);
}

/* In ticks, where the usage in nanoseconds is not there. */
static void note_times(struct look *l, struct cht_bytes text)
{
	uint64_t user, system, hz = (uint64_t)sysconf(_SC_CLK_TCK);

	if (l->times.is_known || !flat_find(text, STR("user"), &user) ||
	    !flat_find(text, STR("system"), &system) || user > UINT64_MAX / US_PER_S - system)
		return;
	l->times.usage = (user + system) * US_PER_S / hz;
	l->times.is_known = true;
}

static void note_events(struct look *l, struct cht_bytes text)
{
	uint64_t populated;

	if (!flat_find(text, STR("populated"), &populated))
		return;
	l->is_populated = populated > 0;
	l->is_empty = populated == 0;
}

static void note(struct look *l, enum cgroup_slot slot, struct cht_bytes text)
{
	const struct cgroup_place *place = l->g->files[slot].place;

	if (slot == CG_CPU)
		note_cpu(l, text);
	else if (slot != CG_PIDS || l->g->leaf[0] != '/')
		*(place->is_v1 ? &l->has_v1 : &l->has_v2) = true;
	if (slot == CG_TIMES)
		note_times(l, text);
	if (slot == CG_EVENTS)
		note_events(l, text);
}

static bool put_pressure(struct look *l, enum cgroup_slot slot, struct cht_bytes text)
{
	struct pressure p = { .some = 0 };
	bool ok = pressure_read(text, &p);

	buf_put_byte(&l->b, '{');
	if (ok && p.has_full) {
		buf_put_lit(&l->b, "\"full_usec\":");
		put_u64(&l->b, p.full);
		buf_put_byte(&l->b, ',');
	}
	if (ok) {
		buf_put_lit(&l->b, "\"some_usec\":");
		put_u64(&l->b, p.some);
	}
	buf_put_byte(&l->b, '}');
	if (ok && slot == CG_CPU_PRESSURE && p.some > l->times.waited)
		l->times.waited = p.some;
	return ok;
}

static void put_usage(struct look *l, struct cht_bytes text)
{
	uint64_t ns = 0;

	(void)!flat_number(text, &ns);
	put_u64(&l->b, ns);
	if (l->has_v1)
		l->times = (struct cgroup_times){ .is_known = true,
						  .usage = ns / NS_PER_US,
						  .throttled = l->times.throttled,
						  .waited = l->times.waited };
}

static bool put_text(struct look *l, enum cgroup_slot slot, struct cht_bytes text)
{
	if (slot == CG_CPU_PRESSURE || slot == CG_MEMORY_PRESSURE)
		return put_pressure(l, slot, text);
	if (slot != CG_USAGE)
		return flat_put(&l->b, text);
	put_usage(l, text);
	return true;
}

/* It was not asked for, or there is none. */
static bool is_absent(const struct probe_file *f)
{
	return f->code == 0 || f->sys == ENOENT || f->sys == ENOTDIR || f->sys == ENODEV ||
	       f->sys == EOPNOTSUPP;
}

static void put_file(struct look *l, enum cgroup_slot slot, const char *key)
{
	struct cgroup_file *f = &l->g->files[slot];
	uint8_t *mem = l->room->scratch;
	int n = f->file.fd >= 0 ? probe_file_read(&f->file, mem, sizeof(l->room->scratch)) : -1;
	struct cht_bytes text = { mem, n > 0 ? (size_t)n : 0 };
	uint64_t number;

	if (n < 0) {
		/* Not every kernel has the others, nor every host. */
		if (slot < CG_N_MAIN || !is_absent(&f->file))
			reading_fail(l->out, l->room, f->file.code, f->file.sys,
				     f->place != NULL ? f->place->name
						      : cgroup_place_next(slot, NULL, "")->name);
		return;
	}
	if (slot == CG_USAGE && !flat_number(text, &number)) {
		reading_fail(l->out, l->room, CHT_E_PARSE, 0, f->place->name);
		return;
	}
	buf_put_str(&l->b, l->any ? STR(",\"") : STR("{\""));
	buf_put_str(&l->b, str_of(key));
	buf_put_lit(&l->b, "\":");
	l->any = true;
	note(l, slot, text);
	if (!put_text(l, slot, text))
		reading_fail(l->out, l->room, CHT_E_PARSE, 0, f->place->name);
}

/* ---- inputs */

static bool is_listed(const struct cgroup *g, unsigned slot)
{
	return g->files[slot].file.fd >= 0;
}

static void put_list(struct buf *b, const struct cgroup *g, unsigned from, unsigned to)
{
	bool any = false;

	buf_put_byte(b, '[');
	for (unsigned i = from; i < to; i++) {
		if (!is_listed(g, i))
			continue;
		if (any)
			buf_put_byte(b, ',');
		cgroup_place_put(b, g->files[i].place, g->leaf);
		any = true;
	}
	buf_put_byte(b, ']');
}

static void put_inputs(struct buf *b, const struct cgroup *g)
{
	bool any_main = false, any_more = false, is_usual = true;

	for (unsigned i = 0; i < CG_N_SLOTS; i++) {
		if (!is_listed(g, i))
			continue;
		any_main = any_main || i < CG_N_MAIN;
		any_more = any_more || i >= CG_N_MAIN;
		is_usual = is_usual &&
			   (i >= CG_N_MAIN || g->files[i].place == cgroup_place_next(i, NULL, ""));
	}
	buf_put_byte(b, '{');
	if (any_more) {
		buf_put_lit(b, "\"alsoFiles\":");
		put_list(b, g, CG_N_MAIN, CG_N_SLOTS);
		buf_put_byte(b, ',');
	}
	buf_put_lit(b, "\"cgroupLeaf\":");
	json_put_str(b, str_of(g->leaf));
	buf_put_lit(b, ",\"files\":");
	if (any_main && !is_usual)
		put_list(b, g, 0, CG_N_MAIN);
	else
		buf_put_lit(b, "[\"memory.events\",\"cpu.stat\",\"pids.events\"]");
	buf_put_byte(b, '}');
}

/* ---- what the VM did */

static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* It waited longer than it ran; a moment, of one that did next to nothing, is no want. */
static bool is_starved(const struct cgroup_times *from, const struct cgroup_times *to,
		       uint64_t elapsed_us)
{
	enum { A_TENTH = 10 };
	uint64_t throttled = grown(from->throttled, to->throttled);
	uint64_t waited = grown(from->waited, to->waited);
	uint64_t longest = throttled > waited ? throttled : waited;

	return longest > grown(from->usage, to->usage) && longest >= elapsed_us / A_TENTH;
}

static enum cht_probe_says judge(struct look *l, const struct cht_now *now)
{
	struct cgroup *g = l->g;
	struct cgroup_times from = g->before, *to = &l->times;
	uint64_t elapsed_us = grown(g->before_ns, now->monotonic_ns) / NS_PER_US;
	bool was_populated = g->was_populated;

	g->before = *to;
	g->before_ns = now->monotonic_ns;
	g->was_populated = l->is_populated;
	if (l->is_empty && was_populated)
		g->has_ended = true;
	else if (l->is_populated)
		g->has_ended = false;
	if (g->has_ended)
		return CHT_PROBE_SAYS_GONE;
	if (!from.is_known || !to->is_known || to->usage < from.usage ||
	    to->throttled < from.throttled)
		return CHT_PROBE_SAYS_NOTHING;
	if (is_starved(&from, to, elapsed_us))
		return CHT_PROBE_SAYS_STARVED;
	return to->usage > from.usage ? CHT_PROBE_SAYS_RUNS : CHT_PROBE_SAYS_STILL;
}

/* Nothing is there that once was. */
static bool is_gone(const struct cgroup *g)
{
	for (unsigned i = 0; i < CG_N_MAIN; i++)
		if (g->files[i].file.fd >= 0 ||
		    (g->files[i].file.sys != ENODEV && g->files[i].file.sys != ENOENT))
			return false;
	return g->was_there;
}

static void put_version(struct look *l)
{
	if (l->has_v1 || l->has_v2) {
		buf_put_lit(&l->b, ",\"version\":");
		json_put_str(&l->b, l->has_v1 && l->has_v2 ? STR("hybrid")
				    : l->has_v1            ? STR("v1")
							   : STR("v2"));
	}
}

void cgroup_read(struct cgroup *g, const struct cht_now *now, struct probe_room *room,
		 struct cht_reading *out)
{
	/* As they stand in the output: sorted. */
	static const struct {
		enum cgroup_slot slot;
		const char *key;
	} keys[] = {
		{ CG_EVENTS, "cgroup_events" },
		{ CG_CPU_PRESSURE, "cpu_pressure" },
		{ CG_CPU, "cpu_stat" },
		{ CG_TIMES, "cpuacct_stat" },
		{ CG_USAGE, "cpuacct_usage" },
		{ CG_MEMORY, "memory_events" },
		{ CG_MEMORY_PRESSURE, "memory_pressure" },
		{ CG_PIDS, "pids_events" },
	};
	struct look l = { .g = g, .room = room, .out = out };
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));

	l.b = buf_init(room->output, sizeof(room->output));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put_file(&l, keys[i].slot, keys[i].key);
	if (l.any) {
		put_version(&l);
		buf_put_byte(&l.b, '}');
		out->says = judge(&l, now);
		g->was_there = true;
	} else if (is_gone(g)) {
		out->says = CHT_PROBE_SAYS_GONE;
		g->before.is_known = g->was_populated = g->has_ended = false;
	}
	put_inputs(&inputs, g);
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	out->output = (struct cht_str){ (char *)room->output, buf_len(&l.b) };
}
