/* SPDX-License-Identifier: Apache-2.0
 *
 * procfs.h - /proc in, facts of a process out. The process may vanish between any two reads.
 */
#ifndef AGENT_PROCFS_H
#define AGENT_PROCFS_H

#include <cht/err.h>

#include "agent/name.h"

struct procfs_stat {
	struct cht_bytes comm; /* borrows from the text */
	char state;            /* 'Z' zombie, ... */
	uint32_t ppid;
	bool is_kernel;     /* a kernel thread */
	uint64_t start;     /* ticks since boot */
	uint32_t wait_code; /* as wait(2) gives it; 0 also when we may not see it */
};

/* Reads the text of /proc/PID/stat. A name may hold spaces, newlines and parentheses. */
bool procfs_read_stat(struct cht_bytes text, struct procfs_stat *out);

/* Reads effective uid and gid from the text of /proc/PID/status. */
bool procfs_read_ids(struct cht_bytes text, uint32_t *uid, uint32_t *gid);

/* A process id from a directory's name; false for any other name. */
bool procfs_read_pid(struct cht_str name, uint32_t *pid);

/* The same from the live process; false when it is gone or hidden. text is scratch, which out
 * borrows from. */
bool procfs_stat(uint32_t pid, struct procfs_stat *out, struct buf *text);
bool procfs_ids(uint32_t pid, uint32_t *uid, uint32_t *gid);

/* The path of the executable as the kernel tells it ("... (deleted)" included); empty when
 * gone, a zombie or a kernel thread. Borrows from out, which must hold PATH_BYTES_MAX + 1. */
struct cht_bytes procfs_exe(uint32_t pid, uint8_t *out);

/* Walks the process ids of /proc without heap. Zero-initialise, call until false, which also
 * closes it. */
struct procfs_walk {
	int fd;
	bool is_open, failed; /* failed: /proc cannot be read */
	uint32_t at, len;
	_Alignas(8) uint8_t entries[8192];
};
bool procfs_next(struct procfs_walk *w, uint32_t *pid);

#endif
