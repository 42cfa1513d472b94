/* SPDX-License-Identifier: Apache-2.0
 *
 * vmm_proc.h - the probe of a VMM's process. Of this module alone.
 *
 * vmm_proc.c      wants and descriptors
 * vmm_proc_read.c what was read, and what the VM did
 */
#ifndef PROBE_VMM_PROC_H
#define PROBE_VMM_PROC_H

#include "probe/kinds.h"

enum { VMM_TASKS_MAX = 16 };

/* What a thread had done when it was read. */
struct vmm_times {
	uint64_t run_ns, wait_ns, ticks, guest;
};

struct vmm_task {
	uint32_t tid;
	struct probe_file stat, sched;
	bool is_asked; /* in this round */
	bool is_vcpu, has_before;
	bool was_ready; /* it ran, or was to run */
	struct vmm_times before;
};

struct vmm {
	struct probe p;
	uint32_t pid;
	struct probe_file stat;
	struct probe_file list;               /* /proc/PID/task */
	struct probe_file pidfd;              /* readable: it ended */
	struct vmm_task tasks[VMM_TASKS_MAX]; /* the first of its threads */
	unsigned n_tasks, n_threads;          /* n_threads: as they were listed */
	bool is_stale;                        /* they are to be listed anew */
	bool is_begun, is_ended;              /* it was read once; it will not be again */
	uint64_t start;                       /* of it, once it was read */
	struct vmm_times before;
	uint64_t before_ns;
};

/* vmm_proc_read.c: reads what is open into *out. */
void vmm_read(struct vmm *v, const struct cht_now *now, struct probe_room *room,
	      struct cht_reading *out);

#endif
