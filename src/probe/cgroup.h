/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup.h - the cgroup probe: where its files are looked for, and what they say. Of this module
 * alone.
 *
 * cgroup.c        wants and descriptors
 * cgroup_places.c where a host may have them
 * cgroup_read.c   what was read, and what the VM did
 */
#ifndef PROBE_CGROUP_H
#define PROBE_CGROUP_H

#include "base/buf.h"
#include "probe/kinds.h"

/* What is read of a cgroup, in the order in which it is asked for. */
enum cgroup_slot {
	CG_MEMORY,
	CG_CPU,
	CG_PIDS,
	CG_N_MAIN, /* those before it are missed when they are not there */
	CG_EVENTS = CG_N_MAIN,
	CG_CPU_PRESSURE,
	CG_MEMORY_PRESSURE,
	CG_USAGE, /* v1 has them apart from cpu.stat */
	CG_TIMES,
	CG_N_SLOTS
};

enum {
	/* A path holds it with the longest tree before and the longest file behind. */
	CG_LEAF_MAX = 960,
	CG_PLACE_MAX = 48, /* "cpu,cpuacct/cpuacct.usage" */
	CG_WAIT_MAX = 32,  /* readings until a file that is not there is looked for again */
};

/* A file, and where a host may have it. */
struct cgroup_place {
	const char *tree; /* below /sys/fs/cgroup; "": the one tree of v2 */
	const char *name;
	enum cgroup_slot slot;
	bool is_v1;
	bool is_plain; /* it can be in a directory that is given as a whole path */
};

struct cgroup_file {
	struct probe_file file;
	const struct cgroup_place *place; /* where it is open, or was */
	uint8_t wait, step;               /* readings until it is asked for again */
	bool is_tried;                    /* in this round */
};

/* What says how the VM got on, in microseconds. */
struct cgroup_times {
	bool is_known;
	uint64_t usage, throttled, waited;
};

struct cgroup {
	struct probe p;
	struct cgroup_file files[CG_N_SLOTS];
	struct cgroup_file oom; /* v1: the eventfd */
	const struct cgroup_place *trying;
	struct cgroup_times before;
	uint64_t before_ns;
	bool was_there, was_populated, has_ended;
	char leaf[CG_LEAF_MAX + 1];
};

/* cgroup_places.c */

/* The next place of a slot after at (null: the first); null: there is none. */
const struct cgroup_place *cgroup_place_next(enum cgroup_slot slot, const struct cgroup_place *at,
					     const char *leaf);
/* Its path; cap has CHT_PROBE_TEXT_MAX + 1. */
void cgroup_place_path(const struct cgroup_place *place, const char *leaf, char *out, size_t cap);
/* How it is called in a reading's inputs. */
void cgroup_place_put(struct buf *b, const struct cgroup_place *place, const char *leaf);

/* cgroup_read.c: reads what is open into *out, and closes what cannot be read any more. */
void cgroup_read(struct cgroup *g, const struct cht_now *now, struct probe_room *room,
		 struct cht_reading *out);

#endif
