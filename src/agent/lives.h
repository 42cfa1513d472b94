/* SPDX-License-Identifier: Apache-2.0
 *
 * lives.h - forks, execs and exits in, process.spawned and process.exited out: the one rule for
 * what is told of a process, whichever mechanism saw it.
 *
 * A process.spawned is told for each exec, and once for a process that was forked and did not
 * exec: after a second of life, or just before its exit if that is sooner. A process.exited is
 * told once, when its first thread ends. Threads are not told, nor are kernel threads.
 */
#ifndef AGENT_LIVES_H
#define AGENT_LIVES_H

#include "agent/procfs.h"
#include "agent/report.h"
#include "agent/table.h"

struct lives {
	struct table table;
	struct report *report;
	struct procfs_walk walk;
	uint16_t scan;       /* number of the present scan */
	uint64_t tell_at_ns; /* when forks without exec are looked at; UINT64_MAX: there are none */
	struct proc spare;   /* for an exec when the table is full */
	uint8_t exe[PATH_BYTES_MAX + 1];
};

void lives_init(struct lives *l, struct report *report);

void lives_on_fork(struct lives *l, uint32_t pid, uint32_t parent, uint64_t at_ns);
/* An exec: first look, then tell. Looking takes name, parent and ids from /proc, where the process
 * may be gone already, and returns the path of the executable, empty then; valid until the next
 * call. exe is that path, or another witness's; may be empty. */
struct cht_bytes lives_look(struct lives *l, uint32_t pid);
void lives_on_exec(struct lives *l, uint32_t pid, struct cht_bytes exe, uint64_t at_ns);
/* parent 0: not known. */
void lives_on_exit(struct lives *l, uint32_t pid, uint32_t parent, uint32_t wait_code,
		   uint64_t at_ns);
void lives_on_uid(struct lives *l, uint32_t pid, uint32_t uid);
void lives_on_gid(struct lives *l, uint32_t pid, uint32_t gid);
void lives_on_comm(struct lives *l, uint32_t pid, struct cht_bytes comm);

/* SEED: what runs already is learnt and not told. POLL: /proc is all we have: what changed since
 * the last scan is told. REPAIR: the same after events were lost, beside a source that works. */
enum lives_scan { LIVES_SEED, LIVES_POLL, LIVES_REPAIR };

/* Compares /proc with the table. False when /proc cannot be read. */
bool lives_scan(struct lives *l, enum lives_scan how, uint64_t now_ns);

/* Tells forks that went on without an exec; due at .tell_at_ns. */
void lives_tick(struct lives *l, uint64_t now_ns);

#endif
