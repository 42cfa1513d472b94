/* SPDX-License-Identifier: Apache-2.0 */
/* What is open belongs to one process for ever: when that has ended its files say so, and do not
 * tell of the next one of its number. All of them are read after they were opened, so that a
 * process which still is there then was there all the time. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "probe/vmm_proc.h"

static struct vmm *of(struct probe *p)
{
	return (struct vmm *)(void *)p;
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct vmm *v;

	if (options->pid == 0 || options->pid > INT32_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "pid: the number of a process");
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	v->p.kind = &probe_vmm_proc;
	v->pid = options->pid;
	v->stat.fd = v->list.fd = v->pidfd.fd = -1;
	*out = &v->p;
	return 0;
}

static void drop_task(struct vmm *v, unsigned i)
{
	probe_file_close(&v->tasks[i].stat);
	probe_file_close(&v->tasks[i].sched);
	v->tasks[i] = v->tasks[--v->n_tasks];
}

/* ---- which threads there are */

static struct vmm_task *find(struct vmm *v, uint32_t tid)
{
	for (unsigned i = 0; i < v->n_tasks; i++)
		if (v->tasks[i].tid == tid)
			return &v->tasks[i];
	return NULL;
}

struct listed {
	uint32_t tids[VMM_TASKS_MAX];
	unsigned n, n_all;
};

static void take_names(struct listed *l, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *entry = (const void *)(bytes + at);
		uint64_t tid;

		at += entry->d_reclen;
		if (!read_u64(str_of(entry->d_name), UINT32_MAX, &tid))
			continue;
		if (l->n < VMM_TASKS_MAX)
			l->tids[l->n++] = (uint32_t)tid;
		l->n_all++;
	}
}

static bool list(struct vmm *v, struct listed *l)
{
	_Alignas(struct dirent64) uint8_t bytes[4096];
	ssize_t n = lseek(v->list.fd, 0, SEEK_SET);

	*l = (struct listed){ .n = 0 };
	while (n >= 0 && (n = getdents64(v->list.fd, bytes, sizeof(bytes))) > 0)
		take_names(l, bytes, (size_t)n);
	if (n == 0)
		return true;
	v->list.code = CHT_E_IO;
	v->list.sys = errno;
	probe_file_close(&v->list);
	return false;
}

static bool is_among(const struct listed *l, uint32_t tid)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->tids[i] == tid)
			return true;
	return false;
}

/* Those that are there still stay as they are. */
static void list_tasks(struct vmm *v)
{
	struct listed l;

	if (v->list.fd < 0 || !list(v, &l))
		return;
	for (unsigned i = v->n_tasks; i > 0; i--)
		if (!is_among(&l, v->tasks[i - 1].tid))
			drop_task(v, i - 1);
	for (unsigned i = 0; i < l.n; i++)
		if (find(v, l.tids[i]) == NULL)
			v->tasks[v->n_tasks++] = (struct vmm_task){ .tid = l.tids[i],
								    .stat = { .fd = -1 },
								    .sched = { .fd = -1 } };
	v->n_threads = l.n_all;
	v->is_stale = false;
}

/* ---- wants */

static void begin(struct probe *p)
{
	struct vmm *v = of(p);

	v->stat.is_asked = v->list.is_asked = v->pidfd.is_asked = false;
	if (v->is_stale)
		list_tasks(v);
	for (unsigned i = 0; i < v->n_tasks; i++)
		v->tasks[i].stat.is_asked = v->tasks[i].sched.is_asked = false;
}

static bool is_due(const struct probe_file *f)
{
	return f->fd < 0 && !f->is_asked;
}

/* The file that is to be asked for, and of which thread; null: none. */
static struct probe_file *due(struct vmm *v, const struct vmm_task **task)
{
	*task = NULL;
	if (v->is_ended)
		return NULL;
	if (is_due(&v->stat))
		return &v->stat;
	if (v->stat.fd < 0)
		return NULL;
	if (is_due(&v->pidfd))
		return &v->pidfd;
	if (is_due(&v->list))
		return &v->list;
	for (unsigned i = 0; i < v->n_tasks; i++) {
		*task = &v->tasks[i];
		if (is_due(&v->tasks[i].stat))
			return &v->tasks[i].stat;
		if (is_due(&v->tasks[i].sched))
			return &v->tasks[i].sched;
	}
	return NULL;
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	struct vmm *v = of(p);
	const struct vmm_task *task;
	struct probe_file *f = due(v, &task);

	if (f == NULL)
		return false;
	want->kind = f == &v->pidfd  ? PROBE_WANT_PIDFD
		     : f == &v->list ? PROBE_WANT_LIST
				     : PROBE_WANT_FILE;
	want->pid = v->pid;
	if (task != NULL)
		(void)snprintf(want->path, sizeof(want->path), "/proc/%u/task/%u/%s", v->pid,
			       task->tid, f == &task->stat ? "stat" : "schedstat");
	else
		(void)snprintf(want->path, sizeof(want->path), "/proc/%u/%s", v->pid,
			       f == &v->list ? "task" : "stat");
	return true;
}

static void give(struct probe *p, const struct probe_given *given)
{
	struct vmm *v = of(p);
	const struct vmm_task *task;
	struct probe_file *f = due(v, &task);

	f->is_asked = true;
	f->fd = given->fd;
	f->code = given->code;
	f->sys = given->sys;
	if (f == &v->list)
		list_tasks(v);
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	struct vmm *v = of(p);

	vmm_read(v, now, room, out);
	if (!v->is_ended)
		return 1;
	while (v->n_tasks > 0)
		drop_task(v, v->n_tasks - 1);
	probe_file_close(&v->stat);
	probe_file_close(&v->list);
	probe_file_close(&v->pidfd);
	return 1;
}

static int fd_of(const struct probe *p, short *events)
{
	*events = POLLIN;
	return ((const struct vmm *)(const void *)p)->pidfd.fd;
}

static void free_it(struct probe *p)
{
	struct vmm *v = of(p);

	while (v->n_tasks > 0)
		drop_task(v, v->n_tasks - 1);
	probe_file_close(&v->stat);
	probe_file_close(&v->list);
	probe_file_close(&v->pidfd);
	free(v);
}

const struct probe_kind probe_vmm_proc = {
	.kind = CHT_PROBE_VMM_PROC,
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.fd = fd_of,
	.free = free_it,
};
