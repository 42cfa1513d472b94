/* SPDX-License-Identifier: Apache-2.0
 *
 * procstat.h - /proc/PID/stat and schedstat, of a process or one of its threads: bytes in, numbers
 * out. Of this module alone.
 */
#ifndef PROBE_PROCSTAT_H
#define PROBE_PROCSTAT_H

#include <cht/types.h>

struct proc_stat {
	struct cht_str comm;   /* a view into the text; any bytes */
	char state;            /* R S D T t Z X I … */
	uint64_t user, system; /* ticks; what a guest ran is in user too */
	uint64_t guest;        /* ticks */
	uint64_t threads;
	uint64_t start; /* ticks since boot: with its number, which process it is */
	uint64_t pages; /* resident */
};

/* False: it is not such a line. A name may have blanks and brackets of its own. */
bool proc_stat_read(struct cht_bytes text, struct proc_stat *out) CHT_CHECKED;
/* Nanoseconds that it ran, and that it waited to. False: it is not such a line. */
bool proc_sched_read(struct cht_bytes text, uint64_t *run_ns, uint64_t *wait_ns) CHT_CHECKED;
/* It runs a virtual processor, by the name that its VMM gave it. */
bool proc_is_vcpu(struct cht_str comm);
/* The worst of two states: that which says most of why nothing goes on. */
char proc_worst(char a, char b);
/* Ticks, of which a second has hz, as milliseconds. */
uint64_t proc_ms(uint64_t ticks, uint64_t hz);

#endif
