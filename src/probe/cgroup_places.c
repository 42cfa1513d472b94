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
	{ CG_MEMORY, "", "memory.events", false, true },
	{ CG_MEMORY, "memory", "memory.oom_control", true, true },
	{ CG_MEMORY, "unified", "memory.events", false, false },
	{ CG_CPU, "", "cpu.stat", false, true },
	{ CG_CPU, "cpu,cpuacct", "cpu.stat", true, false },
	{ CG_CPU, "cpu", "cpu.stat", true, false },
	{ CG_CPU, "unified", "cpu.stat", false, false },
	{ CG_PIDS, "", "pids.events", false, true },
	{ CG_PIDS, "pids", "pids.events", true, false },
	{ CG_PIDS, "unified", "pids.events", false, false },
	{ CG_EVENTS, "", "cgroup.events", false, true },
	{ CG_EVENTS, "unified", "cgroup.events", false, false },
	{ CG_CPU_PRESSURE, "", "cpu.pressure", false, true },
	{ CG_CPU_PRESSURE, "unified", "cpu.pressure", false, false },
	{ CG_MEMORY_PRESSURE, "", "memory.pressure", false, true },
	{ CG_MEMORY_PRESSURE, "unified", "memory.pressure", false, false },
	{ CG_USAGE, "cpu,cpuacct", "cpuacct.usage", true, false },
	{ CG_USAGE, "cpuacct", "cpuacct.usage", true, true },
	{ CG_TIMES, "cpu,cpuacct", "cpuacct.stat", true, false },
	{ CG_TIMES, "cpuacct", "cpuacct.stat", true, true },
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
