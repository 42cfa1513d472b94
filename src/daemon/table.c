/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "daemon/table_file.h"

static bool is_usable(const struct table_file *f)
{
	return f->magic == TABLE_MAGIC && f->group_bytes == sizeof(struct group) &&
	       f->n_slots == TABLE_SLOTS && memchr(f->boot_id, '\0', sizeof(f->boot_id)) != NULL &&
	       memchr(table_file_origin(f), '\0', sizeof(f->origins[0])) != NULL;
}

static void take_boot(struct table_file *f, const char *boot_id)
{
	size_t n = strlen(boot_id);

	memset(f->boot_id, 0, sizeof(f->boot_id));
	memcpy(f->boot_id, boot_id, n < sizeof(f->boot_id) ? n : sizeof(f->boot_id) - 1);
}

/* Where slots are open no more, nothing else of them holds. */
static void make_anew(struct table *t, const char *boot_id)
{
	struct table_file *f = t->file;

	memset(f, 0, offsetof(struct table_file, groups));
	for (int i = 0; i < t->n_groups; i++)
		memset(f->groups[i].slots, 0, sizeof(f->groups[i].slots));
	memset(t->taken, 0, sizeof(t->taken));
	t->first_word = 0;
	f->group_bytes = sizeof(struct group);
	f->n_slots = TABLE_SLOTS;
	take_boot(f, boot_id);
	in_this_order();
	f->magic = TABLE_MAGIC;
}

static size_t bytes_of(int n_groups)
{
	return offsetof(struct table_file, groups) + (size_t)n_groups * sizeof(struct group);
}

/* With its space: a page that the disk has no room for would end us when it is written. */
static int make_room(struct table *t, int n_groups, struct cht_err *err)
{
	int sys;

	do
		sys = posix_fallocate(t->fd, 0, (off_t)bytes_of(n_groups));
	while (sys == EINTR);
	if (sys != 0)
		return cht_fail(err, sys == ENOSPC || sys == EDQUOT ? CHT_E_FULL : CHT_E_IO, sys,
				"make room for the run table");
	t->n_groups = n_groups;
	return 0;
}

static int open_file(struct table *t, int dirfd, struct table_found *found, struct cht_err *err)
{
	struct stat st;
	void *at;
	int n = 1, r;

	t->fd = openat(dirfd, "table", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open the run table");
	if (flock(t->fd, LOCK_EX | LOCK_NB) < 0)
		return cht_fail(err, CHT_E_STATE, errno, "another chtd has the run table");
	if (fstat(t->fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat the run table");
	found->is_new = st.st_size == 0;
	found->lost = st.st_size < (off_t)bytes_of(1) || st.st_size > (off_t)bytes_of(TABLE_GROUPS);
	if (found->lost && ftruncate(t->fd, 0) < 0)
		return cht_fail(err, CHT_E_IO, errno, "size the run table");
	if (!found->lost)
		n = (int)(((size_t)st.st_size - bytes_of(0)) / sizeof(struct group));
	r = make_room(t, n, err);
	if (r < 0)
		return r;
	/* All that it can become. */
	at = mmap(NULL, sizeof(struct table_file), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (at == MAP_FAILED)
		return cht_fail(err, CHT_E_IO, errno, "map the run table");
	t->file = at;
	return 0;
}

static int sync_file(const struct table *t, struct cht_err *err)
{
	if (msync(t->file, bytes_of(t->n_groups), MS_SYNC) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync the run table");
	return 0;
}

static void note_taken(struct table *t)
{
	for (int at = -1; table_next(t, &at);)
		t->taken[at / 64] |= UINT64_C(1) << at % 64;
}

int table_open(struct table *t, int dirfd, const char *boot_id, struct table_found *found,
	       struct cht_err *err)
{
	int r;

	*t = (struct table)TABLE_NULL;
	*found = (struct table_found){ 0 };
	r = open_file(t, dirfd, found, err);
	if (r < 0)
		return r;
	found->lost = found->lost || !is_usable(t->file);
	found->was_stopped = !found->lost && t->file->running == 0;
	found->other_boot = !found->lost && strcmp(t->file->boot_id, boot_id) != 0;
	if (found->other_boot && !found->was_stopped)
		*found = (struct table_found){ .lost = true };
	if (found->lost)
		make_anew(t, boot_id);
	else
		note_taken(t);
	/* What the disk has from here on is told from what an orderly end left. */
	t->file->running = 1;
	return sync_file(t, err);
}

void table_discard(struct table *t, const char *origin)
{
	char boot_id[sizeof(t->file->boot_id)];
	size_t n = strlen(origin);

	memcpy(boot_id, t->file->boot_id, sizeof(boot_id));
	make_anew(t, boot_id);
	memcpy(t->file->origins[0], origin, n < TABLE_ORIGIN_MAX ? n : TABLE_ORIGIN_MAX);
	t->file->running = 1;
}

void table_begin_boot(struct table *t, const char *boot_id)
{
	take_boot(t->file, boot_id);
	/* What was read of earlier runs is not needed again: the file keeps it, our memory need
	 * not. */
	(void)madvise(t->file, bytes_of(t->n_groups), MADV_DONTNEED);
}

void table_close(struct table *t, bool stopped)
{
	if (t->file != NULL) {
		if (stopped && sync_file(t, NULL) == 0) {
			t->file->running = 0;
			(void)!sync_file(t, NULL);
		}
		(void)munmap(t->file, sizeof(*t->file));
	}
	t->file = NULL;
	fd_close(&t->fd);
}

/* The lowest that is free, so that few pages have them all; TABLE_SLOTS when none is. */
static int find_free(struct table *t)
{
	enum { WORDS = TABLE_SLOTS / 64 };

	while (t->first_word < WORDS && t->taken[t->first_word] == UINT64_MAX)
		t->first_word++;
	if (t->first_word == WORDS)
		return TABLE_SLOTS;
	return (int)t->first_word * 64 + __builtin_ctzll(~t->taken[t->first_word]);
}

static void put_name(char *to, size_t size, const char *name)
{
	size_t n = strlen(name);

	memcpy(to, name, n < size ? n : size - 1);
}

static int write_identity(const struct table *t, int slot, const struct run *run,
			  struct cht_err *err)
{
	const struct identity *place = &table_group(t, slot)->identities[slot % TABLE_GROUP];
	off_t at = (off_t)((const char *)place - (const char *)t->file);
	struct identity id;

	memset(&id, 0, sizeof(id)); /* its padding goes to the disk too */
	put_name(id.names.cell_id, sizeof(id.names.cell_id), run->cell_id);
	put_name(id.names.run_id, sizeof(id.names.run_id), run->run_id);
	put_name(id.names.spec, sizeof(id.names.spec), run->spec);
	id.bits = run->bits;
	id.first_index = run->first_index;
	id.check = table_identity_sum(&id);
	if (pwrite(t->fd, &id, sizeof(id), at) != (ssize_t)sizeof(id))
		return cht_fail(err, CHT_E_IO, errno, "write the run table");
	return 0;
}

int table_add(struct table *t, const struct run *run, struct cht_err *err)
{
	int i = find_free(t), r = 0;
	struct slot *s;

	if (i == TABLE_SLOTS)
		return cht_fail(err, CHT_E_LIMIT, 0, "the run table is full: it has %d runs", i);
	if (i / TABLE_GROUP == t->n_groups)
		r = make_room(t, t->n_groups + 1, err);
	if (r == 0)
		r = write_identity(t, i, run, err);
	if (r < 0)
		return r;
	s = table_slot(t, i);
	*s = (struct slot){ .tenant = run->bits.c };
	s->marks[0].check = table_mark_sum(&s->marks[0]);
	in_this_order();
	s->state = SLOT_OPEN;
	t->taken[i / 64] |= UINT64_C(1) << i % 64;
	return i;
}

void table_remove(struct table *t, int slot)
{
	if (slot < 0)
		return;
	table_slot(t, slot)->state = SLOT_FREE;
	t->taken[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	if ((unsigned)slot / 64 < t->first_word)
		t->first_word = (unsigned)slot / 64;
}

static void note_owner(struct table_file *f, uint64_t index, uint16_t owner)
{
	f->owners[index % TABLE_OWNERS] = owner;
	in_this_order();
	f->newest_index = index;
	in_this_order();
}

/* The count before the bit that says whose it is. */
void table_note_count(struct table *t, int slot, enum event_kind kind)
{
	uint64_t *n = &table_group(t, slot)->counts[kind][slot % TABLE_GROUP];
	struct slot *s = table_slot(t, slot);

	*n = (s->kinds >> kind & 1) != 0 ? *n + 1 : 1;
	in_this_order();
	s->kinds |= UINT64_C(1) << kind;
}

void table_note(struct table *t, int slot, const struct run *run, enum event_kind kind,
		uint64_t index)
{
	struct mark *m = &table_slot(t, slot)->marks[run->sequence & 1];

	note_owner(t->file, index, (uint16_t)slot);
	if (kind == EV_RUN_CONTINUED)
		table_note_continued(t, slot, index);
	*m = (struct mark){ .sequence = run->sequence, .index = index, .kind = kind };
	m->check = table_mark_sum(m);
	in_this_order();
	table_note_count(t, slot, kind);
}

void table_note_host(struct table *t, uint64_t index)
{
	note_owner(t->file, index, TABLE_HOST);
}

void table_note_frames(struct table *t, int slot, const struct frames_left *left)
{
	struct frames_mark *both = table_group(t, slot)->frames[slot % TABLE_GROUP];
	uint64_t turn = (both[0].turn > both[1].turn ? both[0] : both[1]).turn + 1;
	struct frames_mark *m = &both[turn & 1];

	m->check = ~m->check;
	in_this_order();
	m->left = *left;
	m->turn = turn;
	in_this_order();
	m->check = table_frames_sum(m, table_slot(t, slot)->tenant);
}

bool table_next(const struct table *t, int *slot)
{
	while (++*slot < t->n_groups * TABLE_GROUP)
		if (table_slot(t, *slot)->state == SLOT_OPEN)
			return true;
	return false;
}
