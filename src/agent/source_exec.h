/* SPDX-License-Identifier: Apache-2.0
 *
 * source_exec.h - which file each exec opened, from fanotify(7): the path of a program that ends
 * before /proc can be asked. It adds to the connector and tells nothing by itself.
 *
 * The kernel never waits for us: these are notifications, not permissions.
 */
#ifndef AGENT_SOURCE_EXEC_H
#define AGENT_SOURCE_EXEC_H

#include <cht/err.h>

#include "base/bytes.h"

enum {
	EXEC_SLOTS = 128,   /* execs between two looks; an older one gives way */
	EXEC_PATH_MAX = 504 /* a longer path is left to /proc */
};

/* The program that a process is about to become. */
struct exec_slot {
	uint32_t pid; /* 0: free */
	uint16_t len;
	bool awaits_loader; /* a dynamic program: the next file is its loader, not a program */
	char path[EXEC_PATH_MAX];
};

struct execs {
	int fd, mounts;
	unsigned next;
	struct exec_slot slots[EXEC_SLOTS];
};

/* Marks every file system that is mounted. False when fanotify cannot be had here. */
bool execs_open(struct execs *x);

/* Takes what waits; fine when not open. Not for a poll loop: the kernel queues the files of an
 * exec before the exec is told, and to look at them first would cost the moment in which the
 * process can still be found in /proc. */
void execs_on_ready(struct execs *x);

/* Something was mounted or unmounted. */
void execs_on_mounts(struct execs *x);

/* The path that pid's newest exec opened, as far as taken; empty when not known. Valid until
 * execs_on_ready or execs_forget. */
struct cht_bytes execs_path(struct execs *x, uint32_t pid);

/* The exec of pid was told: what it opened is history. */
void execs_forget(struct execs *x, uint32_t pid);

void execs_close(struct execs *x);

/* What a file is, by its first bytes. */
enum exec_kind { EXEC_PROGRAM, EXEC_DYNAMIC, EXEC_SCRIPT };
enum exec_kind exec_kind_of(struct cht_bytes head);

/* One opened file of an exec, in order: scripts, the program, its loader. Pure. */
void execs_note(struct execs *x, uint32_t pid, enum exec_kind kind, struct cht_bytes path);

/* The mount point of a line of mountinfo, its octal escapes undone, NUL-terminated into out.
 * False when it does not fit or is none. */
bool exec_mount_point(struct cht_str line, char *out, size_t cap);

#endif
