/* SPDX-License-Identifier: Apache-2.0 */
/* What is open stays open: a reading costs a call a file. What is not there is asked for again: all
 * of it each time while nothing is there, since a cgroup comes with its VM; a file that its cgroup
 * does not have, ever more seldom. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "probe/cgroup.h"

static struct cgroup *of(struct probe *p)
{
	return (struct cgroup *)(void *)p;
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct cgroup *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	g->p.kind = &probe_cgroup;
	for (unsigned i = 0; i < CG_N_SLOTS; i++)
		g->files[i].file.fd = -1;
	g->oom.file.fd = -1;
	r = probe_take_text(g->leaf, sizeof(g->leaf), options->cgroup, "cgroup", false, err);
	if (r < 0) {
		free(g);
		return r;
	}
	*out = &g->p;
	return 0;
}

static bool is_open(const struct cgroup_file *f)
{
	return f->file.fd >= 0;
}

/* Every open file of the cgroup is of the one tree: v1 has nothing to add. */
static bool is_v2(const struct cgroup *g)
{
	const struct cgroup_file *memory = &g->files[CG_MEMORY], *cpu = &g->files[CG_CPU];

	if (is_open(memory))
		return !memory->place->is_v1 && memory->place->tree[0] == '\0';
	return is_open(cpu) && g->leaf[0] != '/' && cpu->place->tree[0] == '\0';
}

static void count_down(struct cgroup_file *f, bool any)
{
	f->is_tried = false;
	if (!any)
		f->wait = f->step = 0;
	if (f->wait > 0)
		f->wait--;
}

static void begin(struct probe *p)
{
	struct cgroup *g = of(p);
	bool any = false;

	for (unsigned i = 0; i < CG_N_MAIN; i++)
		any = any || is_open(&g->files[i]);
	for (unsigned i = 0; i < CG_N_SLOTS; i++)
		count_down(&g->files[i], any);
	count_down(&g->oom, any);
	g->trying = NULL;
}

static bool is_due(const struct cgroup_file *f)
{
	return !is_open(f) && !f->is_tried && f->wait == 0;
}

/* The file that is to be asked for; null: none. */
static struct cgroup_file *due(struct cgroup *g)
{
	struct cgroup_file *memory = &g->files[CG_MEMORY];

	for (unsigned i = 0; i < CG_N_SLOTS; i++)
		if ((i < CG_USAGE || !is_v2(g)) && is_due(&g->files[i]))
			return &g->files[i];
	return is_open(memory) && memory->place->is_v1 && is_due(&g->oom) ? &g->oom : NULL;
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	struct cgroup *g = of(p);
	struct cgroup_file *f = due(g);

	if (f == NULL)
		return false;
	want->kind = f == &g->oom ? PROBE_WANT_EVENTFD : PROBE_WANT_FILE;
	if (f == &g->oom)
		g->trying = g->files[CG_MEMORY].place;
	else if (g->trying == NULL)
		g->trying = cgroup_place_next((enum cgroup_slot)(f - g->files), NULL, g->leaf);
	cgroup_place_path(g->trying, g->leaf, want->path, sizeof(want->path));
	return true;
}

static bool is_absent(int sys)
{
	return sys == ENOENT || sys == ENOTDIR || sys == ENODEV;
}

/* Of several places the first says why it is not there; one that is closed says more. */
static void keep_error(struct probe_file *f, const struct probe_given *given, bool is_first)
{
	if (!is_first && (!is_absent(f->sys) || (given->sys != EACCES && given->sys != EPERM)))
		return;
	f->code = given->code;
	f->sys = given->sys;
}

static void give(struct probe *p, const struct probe_given *given)
{
	struct cgroup *g = of(p);
	struct cgroup_file *f = due(g);
	bool is_oom = f == &g->oom;
	enum cgroup_slot slot = is_oom ? CG_MEMORY : (enum cgroup_slot)(f - g->files);
	const struct cgroup_place *here = g->trying, *next = NULL;

	if (given->fd >= 0) {
		f->file = (struct probe_file){ .fd = given->fd };
		f->place = here;
		f->wait = f->step = 0;
		g->trying = NULL;
		return;
	}
	if (!is_oom)
		next = cgroup_place_next(slot, here, g->leaf);
	keep_error(&f->file, given, is_oom || here == cgroup_place_next(slot, NULL, g->leaf));
	g->trying = next;
	if (next != NULL)
		return;
	f->is_tried = true;
	f->step = f->step == 0 ? 1 : f->step;
	f->wait = f->step;
	f->step = (uint8_t)(f->step < CG_WAIT_MAX ? 2 * f->step : f->step);
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	struct cgroup *g = of(p);
	uint64_t times;

	/* First: what comes while files are read is told again. */
	if (is_open(&g->oom))
		(void)!read(g->oom.file.fd, &times, sizeof(times));
	cgroup_read(g, now, room, out);
	if (!is_open(&g->files[CG_MEMORY]))
		probe_file_close(&g->oom.file);
	return 1;
}

static int fd_of(const struct probe *p, short *events)
{
	const struct cgroup *g = (const struct cgroup *)(const void *)p;
	const struct cgroup_file *memory = &g->files[CG_MEMORY];

	/* v2: the file itself, which can be read at any time, has news. */
	*events = is_open(memory) && !memory->place->is_v1 ? POLLPRI : POLLIN;
	return *events == POLLPRI ? memory->file.fd : g->oom.file.fd;
}

static void free_it(struct probe *p)
{
	for (unsigned i = 0; i < CG_N_SLOTS; i++)
		probe_file_close(&of(p)->files[i].file);
	probe_file_close(&of(p)->oom.file);
	free(p);
}

const struct probe_kind probe_cgroup = {
	.kind = CHT_PROBE_CGROUP,
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.fd = fd_of,
	.free = free_it,
};
