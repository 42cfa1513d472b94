/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
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
	return f->magic == TABLE_MAGIC && f->slot_bytes == sizeof(struct slot) &&
	       f->n_slots == TABLE_SLOTS && memchr(f->boot_id, '\0', sizeof(f->boot_id)) != NULL &&
	       memchr(table_file_origin(f), '\0', sizeof(f->origins[0])) != NULL;
}

static void take_boot(struct table_file *f, const char *boot_id)
{
	size_t n = strlen(boot_id);

	memset(f->boot_id, 0, sizeof(f->boot_id));
	memcpy(f->boot_id, boot_id, n < sizeof(f->boot_id) ? n : sizeof(f->boot_id) - 1);
}

static void make_anew(struct table_file *f, const char *boot_id)
{
	memset(f, 0, sizeof(*f));
	f->slot_bytes = sizeof(struct slot);
	f->n_slots = TABLE_SLOTS;
	take_boot(f, boot_id);
	in_this_order();
	f->magic = TABLE_MAGIC;
}

/* Sized, and with its space: a page that the disk has no room for would end us when it is
 * written. */
static int make_room(struct table *t, bool is_usable_size, struct cht_err *err)
{
	int sys;

	if (!is_usable_size && ftruncate(t->fd, 0) < 0)
		return cht_fail(err, CHT_E_IO, errno, "size the run table");
	do
		sys = posix_fallocate(t->fd, 0, sizeof(struct table_file));
	while (sys == EINTR);
	if (sys != 0)
		return cht_fail(err, sys == ENOSPC || sys == EDQUOT ? CHT_E_FULL : CHT_E_IO, sys,
				"make room for the run table");
	return 0;
}

static int open_file(struct table *t, int dirfd, struct table_found *found, struct cht_err *err)
{
	struct stat st;
	void *at;
	int r;

	t->fd = openat(dirfd, "table", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open the run table");
	if (flock(t->fd, LOCK_EX | LOCK_NB) < 0)
		return cht_fail(err, CHT_E_STATE, errno, "another chtd has the run table");
	if (fstat(t->fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat the run table");
	found->is_new = st.st_size == 0;
	found->lost = st.st_size != (off_t)sizeof(struct table_file);
	r = make_room(t, !found->lost, err);
	if (r < 0)
		return r;
	at = mmap(NULL, sizeof(struct table_file), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (at == MAP_FAILED)
		return cht_fail(err, CHT_E_IO, errno, "map the run table");
	t->file = at;
	return 0;
}

static int sync_file(const struct table *t, struct cht_err *err)
{
	if (msync(t->file, sizeof(*t->file), MS_SYNC) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync the run table");
	return 0;
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
		make_anew(t->file, boot_id);
	/* What the disk has from here on is told from what an orderly end left. */
	t->file->running = 1;
	return sync_file(t, err);
}

void table_discard(struct table *t, const char *origin)
{
	char boot_id[sizeof(t->file->boot_id)];
	size_t n = strlen(origin);

	memcpy(boot_id, t->file->boot_id, sizeof(boot_id));
	make_anew(t->file, boot_id);
	memcpy(t->file->origins[0], origin, n < TABLE_ORIGIN_MAX ? n : TABLE_ORIGIN_MAX);
	t->file->running = 1;
}

void table_begin_boot(struct table *t, const char *boot_id)
{
	take_boot(t->file, boot_id);
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

int table_add(struct table *t, const struct run *run)
{
	for (int i = 0; i < TABLE_SLOTS; i++) {
		struct slot *s = &t->file->slots[i];

		if (s->state == SLOT_OPEN)
			continue;
		memset(s, 0, sizeof(*s));
		memcpy(s->cell_id, run->cell_id, sizeof(s->cell_id));
		memcpy(s->run_id, run->run_id, sizeof(s->run_id));
		memcpy(s->spec, run->spec, sizeof(s->spec));
		s->bits = run->bits;
		s->first_index = run->first_index;
		s->identity_check = table_identity_sum(s);
		s->marks[0].check = table_mark_sum(&s->marks[0]);
		s->frames[0].check = table_frames_sum(&s->frames[0]);
		in_this_order();
		s->state = SLOT_OPEN;
		return i;
	}
	return -1;
}

void table_remove(struct table *t, int slot)
{
	if (slot >= 0)
		t->file->slots[slot].state = SLOT_FREE;
}

static void note_owner(struct table_file *f, uint64_t index, uint16_t owner)
{
	f->owners[index % TABLE_OWNERS] = owner;
	in_this_order();
	f->newest_index = index;
	in_this_order();
}

void table_note(struct table *t, int slot, const struct run *run, enum event_kind kind,
		uint64_t index)
{
	struct slot *s = &t->file->slots[slot];
	struct mark *m = &s->marks[run->sequence & 1];

	note_owner(t->file, index, (uint16_t)slot);
	if (kind == EV_RUN_CONTINUED)
		table_note_continued(t, slot, index);
	*m = (struct mark){ .sequence = run->sequence, .index = index, .kind = kind };
	m->check = table_mark_sum(m);
	in_this_order();
	s->counts[kind] = run->counts[kind];
	if (run->sequence == 1) {
		s->first_index = index;
		s->identity_check = table_identity_sum(s);
	}
}

void table_note_host(struct table *t, uint64_t index)
{
	note_owner(t->file, index, TABLE_HOST);
}

void table_note_frames(struct table *t, int slot, const struct frames_left *left)
{
	struct slot *s = &t->file->slots[slot];
	uint64_t turn =
		(s->frames[0].turn > s->frames[1].turn ? s->frames[0] : s->frames[1]).turn + 1;
	struct frames_mark *m = &s->frames[turn & 1];

	m->check = 0;
	in_this_order();
	m->left = *left;
	m->turn = turn;
	m->check = table_frames_sum(m);
}

bool table_next(const struct table *t, int *slot)
{
	while (++*slot < TABLE_SLOTS)
		if (t->file->slots[*slot].state == SLOT_OPEN)
			return true;
	return false;
}
