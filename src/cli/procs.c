/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library's tree: no order of pids that a guest chooses makes it slow. Nothing recurs with
 * the depth of what a guest says.
 */
#include "cli/procs.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int by_pid(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct proc *find(const struct procs *procs, uint32_t pid)
{
	struct proc key = { .pid = pid };
	void *const *node = tfind(&key, &procs->tree, by_pid);

	return node != NULL ? *node : NULL;
}

static void free_texts(struct proc *p)
{
	free(p->comm);
	free(p->exe);
	p->comm = p->exe = NULL;
}

static void free_proc(void *node)
{
	free_texts(node);
	free(node);
}

void procs_free(struct procs *procs)
{
	tdestroy(procs->tree, free_proc);
	*procs = (struct procs){ .tree = NULL };
}

/* Null: *r says why. */
static struct proc *add(struct procs *procs, uint32_t pid, int *r, struct cht_err *err)
{
	struct proc *p = find(procs, pid);

	if (p != NULL)
		return p;
	if (procs->n_all == PROCS_MAX) {
		*r = cht_fail(err, CHT_E_LIMIT, 0, "the guest told of more than %d processes",
			      PROCS_MAX);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->pid = pid;
	if (p == NULL || tsearch(p, &procs->tree, by_pid) == NULL) {
		free(p);
		*r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for %zu processes", procs->n_all);
		return NULL;
	}
	procs->n_all++;
	return p;
}

static int take_texts(struct proc *p, const struct proc_facts *facts, struct cht_err *err)
{
	char *comm = strndup(facts->comm.ptr, facts->comm.len);
	char *exe = facts->exe.len > 0 ? strndup(facts->exe.ptr, facts->exe.len) : NULL;

	if (comm == NULL || (facts->exe.len > 0 && exe == NULL)) {
		free(comm);
		free(exe);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a name");
	}
	free_texts(p);
	p->comm = comm;
	p->exe = exe;
	return 0;
}

int procs_began(struct procs *procs, const struct proc_facts *facts, struct cht_err *err)
{
	const struct proc *parent = facts->has_ppid ? find(procs, facts->ppid) : NULL;
	size_t time_len = facts->time.len < RFC3339_NS_LEN ? facts->time.len : RFC3339_NS_LEN;
	int r = 0;
	struct proc *p = add(procs, facts->pid, &r, err);

	if (p != NULL)
		r = take_texts(p, facts, err);
	if (p == NULL || r < 0)
		return r;
	if (!p->is_live) {
		p->is_live = true;
		p->life++;
		p->index = facts->index;
		p->has_ppid = false;
		memcpy(p->time, facts->time.ptr, time_len);
		p->time[time_len] = '\0';
		procs->n_live++;
		procs->began++;
	}
	if (facts->has_ppid && (!p->has_ppid || p->ppid != facts->ppid)) {
		p->has_ppid = true;
		p->ppid = facts->ppid;
		p->parent_life = parent != NULL ? parent->life : 0;
	}
	return 0;
}

void procs_ended(struct procs *procs, uint32_t pid)
{
	struct proc *p = find(procs, pid);

	if (p == NULL || !p->is_live) {
		procs->unknown_ends++;
		return;
	}
	p->is_live = false;
	free_texts(p);
	procs->n_live--;
	procs->ended++;
}

/* ---- the tree */

struct listing {
	struct proc_row *rows;
	size_t n;
};

static void list_live(const void *node, VISIT visit, void *context)
{
	struct listing *l = context;
	struct proc *p = *(struct proc *const *)node;

	if ((visit == postorder || visit == leaf) && p->is_live)
		l->rows[l->n++] = (struct proc_row){ .proc = p };
}

/* Who had the number when p began, and still has it. One that began unseen may have been told of
 * later, once. */
static struct proc *parent_of(const struct procs *procs, const struct proc *p)
{
	struct proc *parent = p->has_ppid && p->ppid != p->pid ? find(procs, p->ppid) : NULL;

	if (parent == NULL || !parent->is_live)
		return NULL;
	return parent->life == (p->parent_life != 0 ? p->parent_life : 1) ? parent : NULL;
}

static void link_children(struct procs *procs, struct proc **list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		list[i]->child = list[i]->next = NULL;
		list[i]->is_placed = false;
		list[i]->walk = 0;
		list[i]->parent = parent_of(procs, list[i]);
	}
	/* From the last: each one's children are then by pid. */
	for (size_t i = n; i-- > 0;) {
		struct proc *parent = list[i]->parent;

		if (parent == NULL)
			continue;
		list[i]->next = parent->child;
		parent->child = list[i];
	}
}

static struct proc *unplaced(struct proc *p)
{
	while (p != NULL && p->is_placed)
		p = p->next;
	return p;
}

static void place_all_below(struct proc *root, enum proc_place place, struct listing *l)
{
	struct proc *p = root, *to;
	uint32_t depth = 0;

	for (;;) {
		p->is_placed = true;
		l->rows[l->n++] = (struct proc_row){ p, depth, p == root ? place : PROC_CHILD };
		to = unplaced(p->child);
		if (to != NULL) {
			depth++;
			p = to;
			continue;
		}
		while (p != root && (to = unplaced(p->next)) == NULL) {
			p = p->parent;
			depth--;
		}
		if (p == root)
			return;
		p = to;
	}
}

/* Above p, none of which is placed, is a circle: one that is in it. */
static struct proc *circle_above(struct proc *p, uint32_t walk)
{
	while (p->walk != walk) {
		p->walk = walk;
		p = p->parent;
	}
	return p;
}

static enum proc_place place_of(const struct proc *p)
{
	if (!p->has_ppid || p->ppid == 0)
		return PROC_ROOT;
	return p->ppid == p->pid ? PROC_CIRCLE : PROC_ORPHAN;
}

void procs_list(struct procs *procs, bool is_tree, struct proc_row *rows)
{
	struct listing l = { .rows = rows };
	struct proc **list;
	size_t n;
	uint32_t walk = 0;

	twalk_r(procs->tree, list_live, &l);
	n = l.n;
	list = is_tree && n > 0 ? calloc(n, sizeof(struct proc *)) : NULL;
	for (size_t i = 0; list == NULL && i < n; i++)
		rows[i].place = place_of(rows[i].proc);
	if (list == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		list[i] = find(procs, rows[i].proc->pid);
	link_children(procs, list, n);
	l.n = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i]->parent == NULL)
			place_all_below(list[i], place_of(list[i]), &l);
	for (size_t i = 0; i < n; i++)
		if (!list[i]->is_placed)
			place_all_below(circle_above(list[i], ++walk), PROC_CIRCLE, &l);
	free(list);
}
