/* SPDX-License-Identifier: Apache-2.0 */
/* A host has one tree of cgroups (v2), or a tree for each controller (v1), or both (hybrid). A
 * cgroup that is given by its path in them is looked for in the one tree first, then where its
 * controller has a tree, because the limits are there, and at last in the second tree of a hybrid,
 * where it may well be an empty directory. Where controllers share a tree it is called after both,
 * and each name alone is a link to it, which the opener does not follow. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "probe/cgroup.h"

static const struct cgroup_place places[] = {
	{ "", "memory.events", CG_MEMORY, false, true },
	{ "memory", "memory.oom_control", CG_MEMORY, true, true },
	{ "unified", "memory.events", CG_MEMORY, false, false },
	{ "", "cpu.stat", CG_CPU, false, true },
	{ "cpu,cpuacct", "cpu.stat", CG_CPU, true, false },
	{ "cpu", "cpu.stat", CG_CPU, true, false },
	{ "unified", "cpu.stat", CG_CPU, false, false },
	{ "", "pids.events", CG_PIDS, false, true },
	{ "pids", "pids.events", CG_PIDS, true, false },
	{ "unified", "pids.events", CG_PIDS, false, false },
	{ "", "cgroup.events", CG_EVENTS, false, true },
	{ "unified", "cgroup.events", CG_EVENTS, false, false },
	{ "", "cpu.pressure", CG_CPU_PRESSURE, false, true },
	{ "unified", "cpu.pressure", CG_CPU_PRESSURE, false, false },
	{ "", "memory.pressure", CG_MEMORY_PRESSURE, false, true },
	{ "unified", "memory.pressure", CG_MEMORY_PRESSURE, false, false },
	{ "cpu,cpuacct", "cpuacct.usage", CG_USAGE, true, false },
	{ "cpuacct", "cpuacct.usage", CG_USAGE, true, true },
	{ "cpu,cpuacct", "cpuacct.stat", CG_TIMES, true, false },
	{ "cpuacct", "cpuacct.stat", CG_TIMES, true, true },
};

const struct cgroup_place *cgroup_place_next(enum cgroup_slot slot, const struct cgroup_place *at,
					     const char *leaf)
{
	const struct cgroup_place *end = places + sizeof(places) / sizeof(places[0]);

	for (at = at != NULL ? at + 1 : places; at < end; at++)
		if (at->slot == slot && (at->is_plain || leaf[0] != '/'))
			return at;
	return NULL;
}

void cgroup_place_path(const struct cgroup_place *place, const char *leaf, char *out, size_t cap)
{
	if (leaf[0] == '/')
		(void)snprintf(out, cap, "%s/%s", leaf, place->name);
	else
		(void)snprintf(out, cap, "/sys/fs/cgroup/%s%s%s/%s", place->tree,
			       place->tree[0] != '\0' ? "/" : "", leaf, place->name);
}

void cgroup_place_put(struct buf *b, const struct cgroup_place *place, const char *leaf)
{
	bool has_tree = leaf[0] != '/' && place->tree[0] != '\0';

	buf_put_byte(b, '"');
	if (has_tree) {
		buf_put_str(b, str_of(place->tree));
		buf_put_byte(b, '/');
	}
	buf_put_str(b, str_of(place->name));
	buf_put_byte(b, '"');
}
