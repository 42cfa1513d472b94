/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots are taken from the front and reused, so that only the pages of a peak are resident.
 * Paths are shared by reference count: a build runs the same ten programs a thousand times.
 */
#include "agent/table.h"

#include <string.h>

static uint16_t *bucket_of(struct table *t, uint32_t pid)
{
	return &t->buckets[pid * UINT32_C(2654435761) >> 20];
}

_Static_assert(PROC_BUCKETS == 1 << 12, "bucket_of takes the top 12 bits");

struct proc *table_find(struct table *t, uint32_t pid)
{
	for (uint16_t i = *bucket_of(t, pid); i != 0; i = t->procs[i - 1].next)
		if (t->procs[i - 1].pid == pid)
			return &t->procs[i - 1];
	return NULL;
}

static struct proc *take_slot(struct table *t)
{
	struct proc *p;

	if (t->free_proc == 0)
		return t->n_procs_used < PROCS_MAX ? &t->procs[t->n_procs_used++] : NULL;
	p = &t->procs[t->free_proc - 1];
	t->free_proc = p->next;
	return p;
}

struct proc *table_put(struct table *t, uint32_t pid)
{
	struct proc *p = table_find(t, pid);
	uint16_t *bucket = bucket_of(t, pid), next;

	if (p != NULL) {
		table_set_exe(t, p, (struct cht_bytes){ NULL, 0 });
		next = p->next;
	} else {
		p = take_slot(t);
		if (p == NULL)
			return NULL;
		next = *bucket;
		*bucket = (uint16_t)(p - t->procs + 1);
	}
	*p = (struct proc){ .pid = pid, .next = next };
	return p;
}

void table_remove(struct table *t, struct proc *p)
{
	uint16_t *link, index;

	if (p == NULL)
		return;
	index = (uint16_t)(p - t->procs + 1);
	for (link = bucket_of(t, p->pid); *link != index; link = &t->procs[*link - 1].next)
		;
	*link = p->next;
	table_set_exe(t, p, (struct cht_bytes){ NULL, 0 });
	*p = (struct proc){ .next = t->free_proc };
	t->free_proc = index;
}

struct proc *table_next(struct table *t, uint32_t *at)
{
	while (*at < t->n_procs_used) {
		struct proc *p = &t->procs[(*at)++];

		if (p->pid != 0)
			return p;
	}
	return NULL;
}

static uint16_t *exe_bucket(struct table *t, struct cht_bytes path)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < path.len; i++)
		hash = (hash ^ path.ptr[i]) * UINT32_C(16777619);
	return &t->exe_buckets[hash % EXES_MAX];
}

static void drop_exe(struct table *t, uint16_t index)
{
	struct exe *e = &t->exes[index - 1];
	uint16_t *link;

	if (--e->refs > 0)
		return;
	link = exe_bucket(t, (struct cht_bytes){ (const uint8_t *)e->path, e->len });
	while (*link != index)
		link = &t->exes[*link - 1].next;
	*link = e->next;
	e->next = t->free_exe;
	t->free_exe = index;
}

static uint16_t find_exe(struct table *t, uint16_t bucket, struct cht_bytes path)
{
	for (uint16_t i = bucket; i != 0; i = t->exes[i - 1].next) {
		const struct exe *e = &t->exes[i - 1];

		if (e->len == path.len && memcmp(e->path, path.ptr, path.len) == 0)
			return i;
	}
	return 0;
}

static uint16_t keep_exe(struct table *t, struct cht_bytes path)
{
	uint16_t *bucket = exe_bucket(t, path), index = find_exe(t, *bucket, path);
	struct exe *e;

	if (index != 0) {
		t->exes[index - 1].refs++;
		return index;
	}
	if (t->free_exe != 0) {
		index = t->free_exe;
		t->free_exe = t->exes[index - 1].next;
	} else if (t->n_exes_used < EXES_MAX) {
		index = ++t->n_exes_used;
	} else {
		return 0;
	}
	e = &t->exes[index - 1];
	e->refs = 1;
	e->len = (uint16_t)path.len;
	e->next = *bucket;
	memcpy(e->path, path.ptr, path.len);
	*bucket = index;
	return index;
}

void table_set_exe(struct table *t, struct proc *p, struct cht_bytes path)
{
	uint16_t old = p->exe;

	p->exe = path.len > 0 && path.len <= EXE_KEPT_MAX ? keep_exe(t, path) : 0;
	if (old != 0)
		drop_exe(t, old);
}

struct cht_bytes table_exe(const struct table *t, const struct proc *p)
{
	if (p->exe == 0)
		return (struct cht_bytes){ NULL, 0 };
	return (struct cht_bytes){ (const uint8_t *)t->exes[p->exe - 1].path,
				   t->exes[p->exe - 1].len };
}

void table_inherit(struct table *t, struct proc *child, const struct proc *parent)
{
	table_set_exe(t, child, table_exe(t, parent));
	memcpy(child->comm, parent->comm, sizeof(child->comm));
	child->comm_len = parent->comm_len;
	child->uid = parent->uid;
	child->gid = parent->gid;
	child->flags = (uint8_t)(child->flags | (parent->flags & (PROC_KERNEL | PROC_IDS)));
}

void proc_set_comm(struct proc *p, struct cht_bytes comm)
{
	size_t n = comm.len < COMM_MAX ? comm.len : COMM_MAX;

	if (n > 0)
		memcpy(p->comm, comm.ptr, n);
	p->comm[n] = '\0';
	p->comm_len = (uint8_t)n;
}
