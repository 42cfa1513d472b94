/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

static void begin(struct table_file *f, const char *boot_id)
{
	memset(f->boot_id, 0, sizeof(f->boot_id));
	memcpy(f->boot_id, boot_id, strnlen(boot_id, sizeof(f->boot_id) - 1));
	f->magic = TABLE_MAGIC;
	f->slot_bytes = sizeof(struct slot);
	f->n_slots = TABLE_SLOTS;
	f->running = 1;
}

int table_open(struct table *t, int dirfd, const char *boot_id, struct table_found *found,
	       struct cht_err *err)
{
	struct stat st;
	void *at;

	*t = (struct table)TABLE_NULL;
	*found = (struct table_found){ 0 };
	t->fd = openat(dirfd, "table", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open the run table");
	if (fstat(t->fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat the run table");
	found->is_new = st.st_size == 0;
	found->lost = st.st_size != (off_t)sizeof(struct table_file);
	if (found->lost &&
	    (ftruncate(t->fd, 0) < 0 || ftruncate(t->fd, sizeof(struct table_file)) < 0))
		return cht_fail(err, CHT_E_IO, errno, "size the run table");
	at = mmap(NULL, sizeof(struct table_file), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (at == MAP_FAILED)
		return cht_fail(err, CHT_E_IO, errno, "map the run table");
	t->file = at;
	if (!found->lost && !is_usable(t->file)) {
		found->lost = true;
		memset(t->file, 0, sizeof(*t->file));
	}
	found->was_stopped = !found->lost && t->file->running == 0;
	found->other_boot = !found->lost && strcmp(t->file->boot_id, boot_id) != 0;
	begin(t->file, boot_id);
	return 0;
}

void table_close(struct table *t, bool stopped)
{
	if (t->file != NULL) {
		if (stopped)
			t->file->running = 0;
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
	f->newest_index = index;
}

void table_note(struct table *t, int slot, const struct run *run, enum event_kind kind,
		uint64_t index)
{
	struct slot *s = &t->file->slots[slot];
	struct mark *m = &s->marks[run->sequence & 1];

	note_owner(t->file, index, (uint16_t)slot);
	*m = (struct mark){ .sequence = run->sequence, .index = index, .kind = kind };
	m->check = mark_sum(m);
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

/* Indices of the last process that are not in the ledger and belong to the slot. */
static uint64_t count_owned(const struct table_file *f, uint16_t slot, uint64_t kept)
{
	uint64_t n = 0;

	for (uint64_t i = kept; i <= f->newest_index && i - kept < TABLE_OWNERS; i++)
		n += f->owners[i % TABLE_OWNERS] == slot;
	return n;
}

static void settle(struct table *t, int slot, uint64_t kept)
{
	struct slot *s = &t->file->slots[slot];
	const struct mark *m = newest_mark(s);
	uint64_t lost, stored, from, to;

	if (m == NULL || m->sequence == 0)
		return;
	lost = count_owned(t->file, (uint16_t)slot, kept);
	/* Killed between the owner and the mark: the owner counts one that the mark has not. */
	if (m->index < kept || lost > m->sequence)
		lost = m->index < kept ? 0 : m->sequence;
	stored = m->sequence - lost;
	if (table_hole(t, slot, &from, &to) && stored <= to)
		to = m->sequence; /* what declared the earlier hole is lost too */
	else if (lost > 0)
		from = stored + 1, to = m->sequence;
	else
		from = to = 0;
	s->hole.check = 0;
	s->hole.from = from;
	s->hole.to = to;
	s->hole.check = hole_sum(&s->hole);
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
