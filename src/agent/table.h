/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - what the agent knows of each living process, so that an exit can be told with the
 * names of what exited, and a process that is gone before we looked with what it inherited.
 *
 * Fixed size, pure, no heap. When it is full a process is simply not in it; its events are
 * told with less.
 */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include <cht/types.h>

#include "agent/name.h"

enum {
	PROCS_MAX = 8192, /* more than a guest of 1 GiB runs; 56 bytes each, touched when used */
	PROC_BUCKETS = 4096,
	EXES_MAX = 1024,   /* different executables alive at once */
	EXE_KEPT_MAX = 244 /* a longer path is told at its exec only */
};

enum proc_flag {
	PROC_TOLD = 1 << 0,   /* a process.spawned went out, or it was there before us */
	PROC_KERNEL = 1 << 1, /* a kernel thread, or forked by one and not exec'ed since */
	PROC_ENDED = 1 << 2,  /* a zombie whose exit was told (polling) */
	PROC_IDS = 1 << 3     /* uid and gid are known */
};

struct proc {
	uint64_t since_ns; /* CLOCK_MONOTONIC of its fork; 0 when it was there before us */
	uint64_t start;    /* start time as /proc has it, in ticks since boot; 0 not read */
	uint32_t pid, ppid, uid, gid;
	uint16_t next, exe; /* indices + 1; 0 none */
	uint16_t scan;      /* number of the last scan that met it */
	uint8_t flags;
	uint8_t comm_len; /* 0 unknown */
	char comm[COMM_MAX + 1];
};

struct exe {
	uint16_t refs, len, next;
	char path[EXE_KEPT_MAX];
};

struct table {
	uint16_t buckets[PROC_BUCKETS];
	uint16_t exe_buckets[EXES_MAX];
	uint16_t free_proc, free_exe;       /* chains through .next */
	uint16_t n_procs_used, n_exes_used; /* slots ever used; those above were never touched */
	struct proc procs[PROCS_MAX];
	struct exe exes[EXES_MAX];
};
/* A zeroed table is empty. */

/* The process, or null. The pointer is valid until it is removed. */
struct proc *table_find(struct table *t, uint32_t pid);

/* The process with everything about it forgotten but its pid; null when the table is full. */
struct proc *table_put(struct table *t, uint32_t pid);

/* Null is fine. */
void table_remove(struct table *t, struct proc *p);

/* The next process in no particular order: *at starts at 0. Null at the end. Removing the one
 * just returned is allowed; putting one is not. */
struct proc *table_next(struct table *t, uint32_t *at);

/* Sets the path, empty for none or unknown. A path that is too long, or that finds no room, is
 * not kept. */
void table_set_exe(struct table *t, struct proc *p, struct cht_bytes path);

/* The path; empty when not known. Valid until the next call that changes t. */
struct cht_bytes table_exe(const struct table *t, const struct proc *p);

/* Gives child what a fork gives it: names, ids, kind. */
void table_inherit(struct table *t, struct proc *child, const struct proc *parent);

/* Sets the name, cut to COMM_MAX. */
void proc_set_comm(struct proc *p, struct cht_bytes comm);

static inline struct cht_bytes proc_comm(const struct proc *p)
{
	return (struct cht_bytes){ (const uint8_t *)p->comm, p->comm_len };
}

#endif
