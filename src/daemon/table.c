/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define TABLE_MAGIC UINT64_C(0x31656c6261746863) /* "chtable1" */

enum slot_state { SLOT_FREE = 0, SLOT_OPEN = 0x4f50454e };

/* One of the two places of a slot's newest event. */
struct mark {
	uint64_t sequence, index, kind, check;
};

/* Numbers accepted and not stored. The event that follows `to` declares them. */
struct hole {
	uint64_t from, to, check; /* to 0: none */
};

struct frames_mark {
	struct frame_counts frames;
	uint64_t connections, turn, check;
};

struct slot {
	uint32_t state; /* enum slot_state; written last when opening, first when freeing */
	char cell_id[CHT_CELL_ID_MAX * 2 + 1];
	char run_id[CHT_ATTRIBUTION_MAX + 1];
	char spec[CHT_ATTRIBUTION_MAX + 1];
	struct run_bits bits;
	uint64_t first_index;
	uint64_t identity_check;
	struct mark marks[2];
	struct frames_mark frames[2];
	struct hole hole;
	uint64_t counts[EV_N_KINDS];
};

struct table_file {
	uint64_t magic;
	uint32_t slot_bytes, n_slots;
	uint32_t running; /* 1: in use, or its process was killed */
	char boot_id[40];
	uint64_t newest_index; /* of any event; the owners beyond it are old */
	uint16_t owners[TABLE_OWNERS];
	struct slot slots[TABLE_SLOTS];
};

_Static_assert(TABLE_SLOTS < TABLE_HOST, "a slot's number must fit an owner");

/* FNV-1a over 64-bit words: against torn and stale writes, not against an attacker, who could
 * write here only as the line itself. */
static uint64_t sum_words(const uint64_t *words, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ words[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t sum_bytes(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t identity_sum(const struct slot *s)
{
	uint64_t h = sum_bytes(UINT64_C(0xcbf29ce484222325), s->cell_id, sizeof(s->cell_id));
	uint64_t numbers[3] = { s->bits.b, s->bits.c, s->first_index };

	h = sum_bytes(h, s->run_id, sizeof(s->run_id));
	h = sum_bytes(h, s->spec, sizeof(s->spec));
	return sum_bytes(h, numbers, sizeof(numbers));
}

static uint64_t mark_sum(const struct mark *m)
{
	const uint64_t words[] = { m->sequence, m->index, m->kind };

	return sum_words(words, sizeof(words) / sizeof(words[0]));
}

static bool mark_holds(const struct mark *m)
{
	return m->check == mark_sum(m) && m->kind < EV_N_KINDS;
}

/* The newer of the two that holds; null when neither does. */
static const struct mark *newest_mark(const struct slot *s)
{
	const struct mark *a = &s->marks[0], *b = &s->marks[1];

	if (!mark_holds(a))
		return mark_holds(b) ? b : NULL;
	return mark_holds(b) && b->sequence > a->sequence ? b : a;
}

static uint64_t frames_sum(const struct frames_mark *m)
{
	const uint64_t words[] = { m->frames.received,
				   m->frames.stored,
				   m->frames.heartbeats,
				   m->frames.refused,
				   m->frames.dropped,
				   m->connections,
				   m->turn };

	return sum_words(words, sizeof(words) / sizeof(words[0]));
}

static bool is_usable(const struct table_file *f)
{
	return f->magic == TABLE_MAGIC && f->slot_bytes == sizeof(struct slot) &&
	       f->n_slots == TABLE_SLOTS && memchr(f->boot_id, '\0', sizeof(f->boot_id)) != NULL;
}

/* The stores before it stand in the file before those after it: a kill comes between two
 * instructions, and all that it must not meet is the compiler's order instead of ours. */
static void in_this_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
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

void table_discard(struct table *t)
{
	char boot_id[sizeof(t->file->boot_id)];

	memcpy(boot_id, t->file->boot_id, sizeof(boot_id));
	make_anew(t->file, boot_id);
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
		s->identity_check = identity_sum(s);
		s->marks[0].check = mark_sum(&s->marks[0]);
		s->frames[0].check = frames_sum(&s->frames[0]);
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
	*m = (struct mark){ .sequence = run->sequence, .index = index, .kind = kind };
	m->check = mark_sum(m);
	in_this_order();
	s->counts[kind] = run->counts[kind];
	if (run->sequence == 1) {
		s->first_index = index;
		s->identity_check = identity_sum(s);
	}
}

void table_note_host(struct table *t, uint64_t index)
{
	note_owner(t->file, index, TABLE_HOST);
}

void table_note_frames(struct table *t, int slot, const struct frame_counts *frames,
		       uint64_t connections)
{
	struct slot *s = &t->file->slots[slot];
	uint64_t turn =
		(s->frames[0].turn > s->frames[1].turn ? s->frames[0] : s->frames[1]).turn + 1;
	struct frames_mark *m = &s->frames[turn & 1];

	m->check = 0;
	in_this_order();
	m->frames = *frames;
	m->connections = connections;
	m->turn = turn;
	m->check = frames_sum(m);
}

bool table_next(const struct table *t, int *slot)
{
	while (++*slot < TABLE_SLOTS)
		if (t->file->slots[*slot].state == SLOT_OPEN)
			return true;
	return false;
}

/* received, stored, heartbeats, refused and dropped: the newest copy that holds, with what is
 * stored taken from the exact counts by kind. */
static void load_frames(const struct slot *s, const struct run *run, struct frame_counts *frames,
			uint64_t *connections)
{
	const struct frames_mark *best = NULL;

	for (int i = 0; i < 2; i++)
		if (s->frames[i].check == frames_sum(&s->frames[i]) &&
		    (best == NULL || s->frames[i].turn > best->turn))
			best = &s->frames[i];
	*frames = best != NULL ? best->frames : (struct frame_counts){ 0 };
	*connections = best != NULL ? best->connections : 0;
	frames->stored = 0;
	for (int kind = EV_GUEST_PROCESS_SPAWNED; kind <= EV_GUEST_AGENT_BYE; kind++)
		frames->stored += run->counts[kind];
	frames->received = frames->stored + frames->heartbeats + frames->refused + frames->dropped;
}

bool table_load(struct table *t, int slot, struct run *run, struct frame_counts *frames,
		uint64_t *connections)
{
	const struct slot *s = &t->file->slots[slot];
	const struct mark *m = newest_mark(s);
	uint64_t sum = 0;

	if (m == NULL || s->identity_check != identity_sum(s)) {
		table_remove(t, slot);
		return false;
	}
	memset(run, 0, sizeof(*run));
	memcpy(run->cell_id, s->cell_id, sizeof(s->cell_id));
	memcpy(run->run_id, s->run_id, sizeof(s->run_id));
	memcpy(run->spec, s->spec, sizeof(s->spec));
	run->cell_id[sizeof(run->cell_id) - 1] = '\0';
	run->run_id[sizeof(run->run_id) - 1] = '\0';
	run->spec[sizeof(run->spec) - 1] = '\0';
	run->bits = s->bits;
	run->first_index = s->first_index;
	run->sequence = m->sequence;
	memcpy(run->counts, s->counts, sizeof(run->counts));
	/* Killed between the mark and its count: the mark has the kind. */
	for (int i = 0; i < EV_N_KINDS; i++)
		sum += run->counts[i];
	if (sum + 1 == run->sequence)
		run->counts[m->kind]++;
	load_frames(s, run, frames, connections);
	return true;
}

static uint64_t hole_sum(const struct hole *h)
{
	const uint64_t words[] = { h->from, h->to };

	return sum_words(words, sizeof(words) / sizeof(words[0]));
}

bool table_hole(const struct table *t, int slot, uint64_t *from, uint64_t *to)
{
	const struct hole *h = &t->file->slots[slot].hole;

	if (h->to == 0 || h->check != hole_sum(h))
		return false;
	*from = h->from;
	*to = h->to;
	return true;
}

/* Indices of the last process, up to the slot's mark, that are not in the ledger and belong to the
 * slot. Behind the mark there can be one more: of an event that was not accepted any more, because
 * the process was killed before it noted the number. */
static uint64_t count_owned(const struct table_file *f, uint16_t slot, uint64_t kept, uint64_t mark)
{
	uint64_t last = mark < f->newest_index ? mark : f->newest_index, n = 0;

	for (uint64_t i = kept; i <= last && i - kept < TABLE_OWNERS; i++)
		n += f->owners[i % TABLE_OWNERS] == slot;
	return n;
}

/* A kill in the middle leaves no hole that holds, and the owners to find it again, which an
 * older hole has no more: so what is right already is not written again. */
static void set_hole(struct hole *h, uint64_t from, uint64_t to)
{
	struct hole made = { .from = from, .to = to };

	made.check = hole_sum(&made);
	if (h->from == from && h->to == to && h->check == made.check)
		return;
	h->check = ~made.check;
	in_this_order();
	h->from = from;
	h->to = to;
	in_this_order();
	h->check = made.check;
}

static void settle(struct table *t, int slot, uint64_t kept)
{
	struct slot *s = &t->file->slots[slot];
	const struct mark *m = newest_mark(s);
	uint64_t lost, stored, from, to;

	if (m == NULL || m->sequence == 0)
		return;
	lost = m->index < kept ? 0 : count_owned(t->file, (uint16_t)slot, kept, m->index);
	if (lost > m->sequence)
		lost = m->sequence;
	stored = m->sequence - lost;
	if (table_hole(t, slot, &from, &to) && stored <= to)
		to = m->sequence; /* what declared the earlier hole is lost too */
	else if (lost > 0)
		from = stored + 1, to = m->sequence;
	else
		from = to = 0;
	set_hole(&s->hole, from, to);
}

bool table_is_sealed(const struct table *t, int slot)
{
	const struct mark *m = newest_mark(&t->file->slots[slot]);
	uint64_t from, to;

	return m != NULL && m->kind == EV_RUN_SEALED && !table_hole(t, slot, &from, &to);
}

void table_settle(struct table *t, uint64_t kept)
{
	for (int at = -1; table_next(t, &at);)
		settle(t, at, kept);
	/* Owners from here on are of an earlier process. */
	t->file->newest_index = kept > 0 ? kept - 1 : 0;
	if (kept == 0)
		t->file->owners[0] = TABLE_HOST;
}
