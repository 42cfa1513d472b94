/* SPDX-License-Identifier: Apache-2.0
 *
 * The events say little (ids and an exit code), and /proc may be gone when we look. So the table
 * follows each process through fork, id change and rename, and /proc only adds what an exec
 * changes: the executable and the name.
 */
#include "agent/lives.h"

#include "base/limits.h"

enum { KTHREADD = 2 };
#define FORK_TOLD_NS NS_PER_S

void lives_init(struct lives *l, struct report *report)
{
	l->report = report;
	l->tell_at_ns = UINT64_MAX;
}

static void tell_spawned(struct lives *l, struct proc *p, struct cht_bytes exe, uint64_t at_ns)
{
	report_spawned(l->report, p, exe, at_ns);
	p->flags |= PROC_TOLD;
}

void lives_on_fork(struct lives *l, uint32_t pid, uint32_t parent, uint64_t at_ns)
{
	struct proc *child = table_put(&l->table, pid), *from = table_find(&l->table, parent);

	if (child == NULL)
		return;
	child->ppid = parent;
	child->since_ns = at_ns;
	if (from != NULL && from != child)
		table_inherit(&l->table, child, from);
	else if (parent == KTHREADD)
		child->flags |= PROC_KERNEL;
	if (l->tell_at_ns == UINT64_MAX)
		l->tell_at_ns = at_ns + FORK_TOLD_NS;
}

/* Names, parent and ids of a process as /proc has them. False when it is gone. */
static bool learn(struct proc *p, struct procfs_stat *stat)
{
	uint8_t mem[1024];
	struct buf text = buf_init(mem, sizeof(mem));

	if (!procfs_stat(p->pid, stat, &text))
		return false;
	proc_set_comm(p, stat->comm);
	if (stat->ppid != 0) /* else it is being reaped, and its parent is what the fork said */
		p->ppid = stat->ppid;
	p->start = stat->start;
	if ((p->flags & PROC_IDS) == 0 && procfs_ids(p->pid, &p->uid, &p->gid))
		p->flags |= PROC_IDS;
	return true;
}

struct cht_bytes lives_look(struct lives *l, uint32_t pid)
{
	struct proc *p = table_find(&l->table, pid);
	struct procfs_stat stat;

	if (p == NULL)
		p = table_put(&l->table, pid);
	if (p == NULL)
		p = &l->spare;
	if (p == &l->spare)
		*p = (struct proc){ .pid = pid };
	p->flags &= (uint8_t) ~(PROC_KERNEL | PROC_ENDED);
	if (!learn(p, &stat))
		p->comm_len = 0; /* what it inherited is not its name any more */
	return procfs_exe(pid, l->exe);
}

void lives_on_exec(struct lives *l, uint32_t pid, struct cht_bytes exe, uint64_t at_ns)
{
	struct proc *p = table_find(&l->table, pid);

	if (p == NULL)
		p = &l->spare;
	tell_spawned(l, p, exe, at_ns);
	if (p != &l->spare)
		table_set_exe(&l->table, p, exe);
}

/* Its end is told, with its beginning if that was not; then it is forgotten. */
static void end(struct lives *l, struct proc *p, struct ending ending, uint64_t at_ns)
{
	if ((p->flags & (PROC_KERNEL | PROC_ENDED)) != 0)
		return;
	if ((p->flags & PROC_TOLD) == 0)
		tell_spawned(l, p, table_exe(&l->table, p), p->since_ns);
	report_exited(l->report, p, table_exe(&l->table, p), ending, at_ns);
}

void lives_on_exit(struct lives *l, uint32_t pid, uint32_t parent, uint32_t wait_code,
		   uint64_t at_ns)
{
	struct proc *p = table_find(&l->table, pid), spare = { .pid = pid, .flags = PROC_TOLD };

	if (p == NULL)
		p = &spare;
	if (parent != 0)
		p->ppid = parent;
	end(l, p, (struct ending){ .is_known = true, .wait_code = wait_code }, at_ns);
	if (p != &spare)
		table_remove(&l->table, p);
}

void lives_on_uid(struct lives *l, uint32_t pid, uint32_t uid)
{
	struct proc *p = table_find(&l->table, pid);

	if (p != NULL)
		p->uid = uid;
}

void lives_on_gid(struct lives *l, uint32_t pid, uint32_t gid)
{
	struct proc *p = table_find(&l->table, pid);

	if (p != NULL)
		p->gid = gid;
}

void lives_on_comm(struct lives *l, uint32_t pid, struct cht_bytes comm)
{
	struct proc *p = table_find(&l->table, pid);

	if (p != NULL)
		proc_set_comm(p, comm);
}

void lives_tick(struct lives *l, uint64_t now_ns)
{
	uint64_t oldest = UINT64_MAX;
	struct proc *p;

	if (now_ns < l->tell_at_ns)
		return;
	for (uint32_t at = 0; (p = table_next(&l->table, &at)) != NULL;) {
		if ((p->flags & (PROC_TOLD | PROC_KERNEL | PROC_ENDED)) != 0)
			continue;
		if (now_ns - p->since_ns >= FORK_TOLD_NS)
			tell_spawned(l, p, table_exe(&l->table, p), p->since_ns);
		else if (p->since_ns < oldest)
			oldest = p->since_ns;
	}
	l->tell_at_ns = oldest == UINT64_MAX ? UINT64_MAX : oldest + FORK_TOLD_NS;
}

/* A process that the table has not. */
static void meet(struct lives *l, uint32_t pid, enum lives_scan how, uint64_t now_ns)
{
	struct proc *p = table_put(&l->table, pid);
	struct procfs_stat stat;
	struct cht_bytes exe;

	if (p == NULL)
		return;
	exe = procfs_exe(pid, l->exe);
	if (!learn(p, &stat)) {
		table_remove(&l->table, p);
		return;
	}
	p->scan = l->scan;
	if (stat.is_kernel)
		p->flags |= PROC_KERNEL;
	table_set_exe(&l->table, p, exe);
	if (how == LIVES_POLL && !stat.is_kernel)
		tell_spawned(l, p, exe, now_ns);
	else if (how == LIVES_SEED)
		p->flags |= PROC_TOLD;
	else
		p->since_ns = now_ns;
}

/* The name changed: an exec if the executable did too, else a rename. */
static void compare(struct lives *l, struct proc *p, const struct procfs_stat *stat,
		    uint64_t now_ns)
{
	struct cht_bytes was = table_exe(&l->table, p), exe;

	p->ppid = stat->ppid;
	if (stat->comm.len == p->comm_len && memcmp(stat->comm.ptr, p->comm, p->comm_len) == 0)
		return;
	proc_set_comm(p, stat->comm);
	exe = procfs_exe(p->pid, l->exe);
	if (exe.len == 0 || (exe.len == was.len && memcmp(exe.ptr, was.ptr, was.len) == 0))
		return;
	if (procfs_ids(p->pid, &p->uid, &p->gid))
		p->flags |= PROC_IDS;
	tell_spawned(l, p, exe, now_ns);
	table_set_exe(&l->table, p, exe);
}

static void scan_one(struct lives *l, uint32_t pid, enum lives_scan how, uint64_t now_ns)
{
	uint8_t mem[1024];
	struct buf text = buf_init(mem, sizeof(mem));
	struct proc *p = table_find(&l->table, pid);
	struct procfs_stat stat;
	bool is_dead;

	if (!procfs_stat(pid, &stat, &text))
		return;
	is_dead = stat.state == 'Z' || stat.state == 'X';
	if (p != NULL && p->start != 0 && p->start != stat.start) {
		end(l, p, (struct ending){ .is_known = false }, now_ns);
		table_remove(&l->table, p);
		p = NULL;
	}
	/* Beside a working source, a zombie that is not in the table had its exit told. */
	if (p == NULL && !(how == LIVES_REPAIR && is_dead))
		meet(l, pid, how, now_ns);
	else if (p != NULL && how != LIVES_SEED && !is_dead && (p->flags & PROC_KERNEL) == 0)
		compare(l, p, &stat, now_ns);
	p = table_find(&l->table, pid);
	if (p == NULL)
		return;
	p->scan = l->scan;
	p->start = stat.start;
	if (!is_dead || (p->flags & PROC_ENDED) != 0)
		return;
	/* /proc shows 0 also to those who may not see the code: only another one is sure. */
	if (how != LIVES_SEED)
		end(l, p,
		    (struct ending){ .is_known = stat.wait_code != 0, .wait_code = stat.wait_code },
		    now_ns);
	p->flags |= PROC_ENDED;
}

bool lives_scan(struct lives *l, enum lives_scan how, uint64_t now_ns)
{
	bool met_any = false;
	struct proc *p;
	uint32_t pid;

	l->scan++;
	for (; procfs_next(&l->walk, &pid); met_any = true)
		scan_one(l, pid, how, now_ns);
	/* A directory without even us in it is not a mounted /proc. */
	if (l->walk.failed || !met_any)
		return false;
	for (uint32_t at = 0; (p = table_next(&l->table, &at)) != NULL;) {
		if (p->scan == l->scan)
			continue;
		end(l, p, (struct ending){ .is_known = false }, now_ns);
		table_remove(&l->table, p);
	}
	if (how == LIVES_REPAIR && l->tell_at_ns == UINT64_MAX)
		l->tell_at_ns = now_ns + FORK_TOLD_NS;
	return true;
}
