/* SPDX-License-Identifier: Apache-2.0
 *
 * procs.h - processes that a guest said it had: who began, who ended, and who came from whom.
 *
 * A guest may say anything: a process that is its own ancestor, a parent that nobody saw, a number
 * that is given again. So a parent is who had that number when the child began, and what goes round
 * in a circle is cut where the circle closes.
 */
#ifndef CLI_PROCS_H
#define CLI_PROCS_H

#include <cht/err.h>

#include "base/text.h"

/* More at a time than any kernel gives numbers to. */
enum { PROCS_MAX = 1 << 22 };

struct proc {
	uint32_t pid, ppid;
	bool is_live, has_ppid;
	uint32_t life, parent_life; /* how often the number was given; the parent's, at the start */
	uint64_t index;             /* of the entry that it began with */
	char time[RFC3339_NS_LEN + 1];
	char *comm, *exe; /* JSON as the event has it; exe may be null */
	/* Of procs_tree. */
	struct proc *parent, *child, *next;
	uint32_t walk;
	bool is_placed;
};

/* Zero-initialise. */
struct procs {
	void *tree; /* by pid */
	size_t n_live, n_all;
	uint64_t began, ended, unknown_ends; /* ends of processes that nobody saw begin */
};

struct proc_facts {
	uint32_t pid, ppid;
	bool has_ppid;
	uint64_t index;
	struct cht_str time, comm, exe; /* comm, exe: JSON; exe may be empty */
};

void procs_free(struct procs *procs);
/* A process was made, or executes something else. CHT_E_NOMEM, CHT_E_LIMIT. */
int procs_began(struct procs *procs, const struct proc_facts *facts,
		struct cht_err *err) CHT_CHECKED;
void procs_ended(struct procs *procs, uint32_t pid);

enum proc_place {
	PROC_CHILD,  /* its parent is above it */
	PROC_ROOT,   /* it has none, or said none */
	PROC_ORPHAN, /* its parent is not there, or not any more */
	PROC_CIRCLE, /* it would be its own ancestor */
};
struct proc_row {
	const struct proc *proc;
	uint32_t depth;
	enum proc_place place;
};

/* The n_live that run, into rows of as many: by pid, or with is_tree each one's children below it,
 * by pid. Rows borrow from procs. */
void procs_list(struct procs *procs, bool is_tree, struct proc_row *rows);

#endif
