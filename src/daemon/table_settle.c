/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier process left in the table, read: runs, their holes, the log that they are of. */
#include <string.h>

#include "daemon/table_file.h"

uint64_t table_sum(const uint64_t *words, size_t n)
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

uint64_t table_identity_sum(const struct identity *id)
{
	uint64_t h = sum_bytes(UINT64_C(0xcbf29ce484222325), &id->names, sizeof(id->names));
	uint64_t numbers[3] = { id->bits.b, id->bits.c, id->first_index };

	return sum_bytes(h, numbers, sizeof(numbers));
}

uint64_t table_mark_sum(const struct mark *m)
{
	const uint64_t words[] = { m->sequence, m->index, m->kind };

	return table_sum(words, sizeof(words) / sizeof(words[0]));
}

static bool mark_holds(const struct mark *m)
{
	return m->check == table_mark_sum(m) && m->kind < EV_N_KINDS;
}

const struct mark *table_newest_mark(const struct slot *s)
{
	const struct mark *a = &s->marks[0], *b = &s->marks[1];

	if (!mark_holds(a))
		return mark_holds(b) ? b : NULL;
	return mark_holds(b) && b->sequence > a->sequence ? b : a;
}

uint64_t table_frames_sum(const struct frames_mark *m, uint64_t tenant)
{
	uint64_t words[sizeof(m->left) / sizeof(uint64_t) + 2];
	size_t n = sizeof(words) / sizeof(words[0]);

	_Static_assert(sizeof(words) == sizeof(m->left) + sizeof(m->turn) + sizeof(tenant),
		       "all of it");
	memcpy(words, &m->left, sizeof(m->left));
	words[n - 2] = m->turn;
	words[n - 1] = tenant;
	return table_sum(words, n);
}

/* The newest copy that holds, with what is stored taken from the exact counts by kind. */
static void load_frames(const struct table *t, int slot, struct frames_left *left)
{
	const struct frames_mark *both = table_group(t, slot)->frames[slot % TABLE_GROUP],
				 *best = NULL;
	uint64_t tenant = table_slot(t, slot)->tenant;
	struct frame_counts *f = &left->frames;
	uint64_t counts[EV_N_KINDS];

	table_counts(t, slot, counts);
	for (int i = 0; i < 2; i++)
		if (both[i].check == table_frames_sum(&both[i], tenant) &&
		    (best == NULL || both[i].turn > best->turn))
			best = &both[i];
	*left = best != NULL ? best->left : (struct frames_left){ .connections = 0 };
	f->stored = 0;
	for (int kind = EV_GUEST_PROCESS_SPAWNED; kind <= EV_GUEST_AGENT_BYE; kind++)
		f->stored += counts[kind];
	f->received = f->stored + f->heartbeats + f->refused + f->dropped;
}

/* kind: what tells such sums apart. */
static uint64_t past_sum(uint64_t a, uint64_t b, uint64_t kind, uint64_t tenant)
{
	const uint64_t words[] = { a, b, kind, tenant };

	return table_sum(words, sizeof(words) / sizeof(words[0]));
}

static uint64_t hole_sum(const struct hole *h, uint64_t tenant)
{
	return past_sum(h->from, h->to, 0, tenant);
}

static uint64_t carried_sum(const struct carried *c, uint64_t tenant)
{
	return past_sum(c->log, c->last, 1, tenant);
}

static uint64_t continued_sum(const struct continued *c, uint64_t tenant)
{
	return past_sum(c->log, c->index, 2, tenant);
}

/* Highest number that the run was given in an earlier log; 0: it began in this one. */
static uint64_t carried_last(const struct table *t, int slot)
{
	const struct carried *c = &table_past(t, slot)->carried;

	return c->log == t->file->log && c->check == carried_sum(c, table_slot(t, slot)->tenant)
		       ? c->last
		       : 0;
}

void table_note_continued(struct table *t, int slot, uint64_t index)
{
	struct continued *c = &table_past(t, slot)->continued;

	*c = (struct continued){ .log = t->file->log, .index = index };
	c->check = continued_sum(c, table_slot(t, slot)->tenant);
	in_this_order();
}

static void load_identity(struct run *run, struct run_names *names, const struct identity *id)
{
	*names = id->names;
	names->cell_id[sizeof(names->cell_id) - 1] = '\0';
	names->run_id[sizeof(names->run_id) - 1] = '\0';
	names->spec[sizeof(names->spec) - 1] = '\0';
	*run = (struct run){ .cell_id = names->cell_id,
			     .run_id = names->run_id,
			     .spec = names->spec,
			     .bits = id->bits,
			     .first_index = id->first_index };
}

void table_counts(const struct table *t, int slot, uint64_t counts[EV_N_KINDS])
{
	const struct group *g = table_group(t, slot);
	uint64_t kinds = table_slot(t, slot)->kinds;

	for (int i = 0; i < EV_N_KINDS; i++)
		counts[i] = (kinds >> i & 1) != 0 ? g->counts[i][slot % TABLE_GROUP] : 0;
}

/* Killed between the mark and its count: the mark has the kind. */
static void settle_count(struct table *t, int slot, const struct mark *m)
{
	uint64_t counts[EV_N_KINDS], sum = 0;

	table_counts(t, slot, counts);
	for (int i = 0; i < EV_N_KINDS; i++)
		sum += counts[i];
	if (sum + 1 == m->sequence)
		table_note_count(t, slot, (enum event_kind)m->kind);
}

bool table_load(struct table *t, int slot, struct run *run, struct run_names *names,
		struct frames_left *left)
{
	const struct identity *id = &table_group(t, slot)->identities[slot % TABLE_GROUP];
	const struct continued *c = &table_past(t, slot)->continued;
	const struct slot *s = table_slot(t, slot);
	const struct mark *m = table_newest_mark(s);

	if (m == NULL || id->check != table_identity_sum(id) || id->bits.c != s->tenant) {
		table_remove(t, slot);
		return false;
	}
	load_identity(run, names, id);
	if (c->log == t->file->log && c->check == continued_sum(c, s->tenant))
		run->first_index = c->index;
	run->sequence = m->sequence;
	settle_count(t, slot, m);
	load_frames(t, slot, left);
	return true;
}

bool table_hole(const struct table *t, int slot, uint64_t *from, uint64_t *to)
{
	const struct hole *h = &table_past(t, slot)->hole;

	if (h->to == 0 || h->check != hole_sum(h, table_slot(t, slot)->tenant))
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
static void set_hole(struct hole *h, uint64_t from, uint64_t to, uint64_t tenant)
{
	struct hole made = { .from = from, .to = to };

	made.check = hole_sum(&made, tenant);
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
	const struct slot *s = table_slot(t, slot);
	const struct mark *m = table_newest_mark(s);
	uint64_t lost, stored, from, to;

	if (m == NULL || m->sequence == 0 || m->sequence <= carried_last(t, slot))
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
	set_hole(&table_past(t, slot)->hole, from, to, s->tenant);
}

bool table_is_sealed(const struct table *t, int slot)
{
	const struct mark *m = table_newest_mark(table_slot(t, slot));
	uint64_t from, to;

	return m != NULL && m->kind == EV_RUN_SEALED && !table_hole(t, slot, &from, &to);
}

static void begin_indices(struct table_file *f, uint64_t kept)
{
	f->newest_index = kept > 0 ? kept - 1 : 0;
	if (kept == 0)
		f->owners[0] = TABLE_HOST;
}

void table_settle(struct table *t, uint64_t kept)
{
	for (int at = -1; table_next(t, &at);)
		settle(t, at, kept);
	/* Owners from here on are of an earlier process. */
	begin_indices(t->file, kept);
}

const char *table_origin(const struct table *t)
{
	return table_file_origin(t->file);
}

/* Until the number of the log is written the runs are of the old one, and all of this can be done
 * again. */
bool table_succeed(struct table *t, const char *origin, uint64_t kept)
{
	struct table_file *f = t->file;
	size_t n = strlen(origin);

	if (n > TABLE_ORIGIN_MAX ||
	    (f->newest_index >= kept && f->newest_index - kept >= TABLE_OWNERS))
		return false;
	for (int at = -1; table_next(t, &at);) {
		struct carried *c = &table_past(t, at)->carried;
		const struct slot *s = table_slot(t, at);
		const struct mark *m = table_newest_mark(s);

		settle(t, at, kept);
		*c = (struct carried){ .log = f->log + 1, .last = m != NULL ? m->sequence : 0 };
		c->check = carried_sum(c, s->tenant);
	}
	memcpy(f->origins[(f->log + 1) & 1], origin, n + 1);
	in_this_order();
	f->log++;
	in_this_order();
	begin_indices(f, 0);
	return true;
}

bool table_is_carried(const struct table *t, int slot, uint64_t *stored)
{
	const struct mark *m = table_newest_mark(table_slot(t, slot));
	uint64_t last = carried_last(t, slot), from, to, n;

	if (m == NULL || last == 0)
		return false;
	n = table_hole(t, slot, &from, &to) ? from - 1 : m->sequence;
	if (n > last)
		return false;
	*stored = n;
	return true;
}
