/* SPDX-License-Identifier: Apache-2.0
 *
 * table_file.h - how the run table stands in its file, and how what stands there is held against
 * torn and stale writes. Not for other modules.
 */
#ifndef DAEMON_TABLE_FILE_H
#define DAEMON_TABLE_FILE_H

#include "cell/cell.h"
#include "daemon/order.h"
#include "daemon/table.h"

#define TABLE_MAGIC UINT64_C(0x35656c6261746863) /* "chtable5" */

enum slot_state { SLOT_FREE = 0, SLOT_OPEN = 0x4f50454e };

/* One of the two places of a slot's newest event. */
struct mark {
	uint64_t sequence, index, kind, check;
};

/* What follows is there when its check holds, which takes in the slot's tenant: what an earlier one
 * left holds no more, and a run that needs none of it touches none. */

/* Numbers accepted and not stored. The event that follows `to` declares them. */
struct hole {
	uint64_t from, to, check; /* to 0: none */
};

struct frames_mark {
	struct frames_left left;
	uint64_t turn, check;
};

/* One of the two places of what an agent's numbers say. */
struct agent_mark {
	struct boot boot;
	uint64_t from; /* holds from this number of the run on */
	uint64_t turn, check;
};

/* A run that began in an earlier log. Both hold only while .log is that of the file. */
struct carried {
	uint64_t log, last, check; /* its numbers up to last were given there */
};
struct continued {
	uint64_t log, index, check; /* where its run.continued stands in this log */
};

struct past {
	struct hole hole;
	struct carried carried;
	struct continued continued;
};

/* Written once, by pwrite: only a start reads it. */
struct identity {
	struct run_names names;
	struct run_bits bits;
	uint64_t first_index;
	uint64_t check;
};

/* What every run touches. */
struct slot {
	uint32_t state;  /* enum slot_state; written last when opening, first when freeing */
	uint64_t tenant; /* tells the run's own from what is left of earlier ones */
	uint64_t kinds;  /* bit by kind: its count is this run's */
	struct mark marks[2];
};

/* Each kind of thing in an array of its own, so that what is not touched lies in other pages than
 * what is. */
struct group {
	struct slot slots[TABLE_GROUP];
	uint64_t counts[EV_N_KINDS][TABLE_GROUP];
	struct frames_mark frames[TABLE_GROUP][2];
	struct agent_mark agents[TABLE_GROUP][TABLE_AGENTS][2];
	struct past past[TABLE_GROUP];
	struct identity identities[TABLE_GROUP];
};

struct table_file {
	uint64_t magic;
	uint32_t group_bytes, n_slots;
	uint32_t running; /* 1: in use, or its process was killed */
	char boot_id[40];
	uint64_t newest_index; /* of any event; the owners beyond it are old */
	uint16_t owners[TABLE_OWNERS];
	uint64_t log;                          /* how many logs the table has seen */
	char origins[2][TABLE_ORIGIN_MAX + 1]; /* their names, written in turn */
	struct group groups[TABLE_GROUPS];     /* as many as have space */
};

_Static_assert(EV_N_KINDS <= 64, "a kind must fit the bits of a slot");
_Static_assert(TABLE_SLOTS < TABLE_HOST, "a slot's number must fit an owner");

/* FNV-1a over 64-bit words: against torn and stale writes, not against an attacker, who could
 * write here only as the line itself. */
uint64_t table_sum(const uint64_t *words, size_t n);
uint64_t table_identity_sum(const struct identity *id);
uint64_t table_mark_sum(const struct mark *m);
uint64_t table_frames_sum(const struct frames_mark *m, uint64_t tenant);
/* The newer of the two that holds; null when neither does. */
const struct mark *table_newest_mark(const struct slot *s);

/* One more event of that kind. */
void table_note_count(struct table *t, int slot, enum event_kind kind);
/* Where the run's run.continued stands: before its mark. */
void table_note_continued(struct table *t, int slot, uint64_t index);

/* The name of the log that the runs are of, the newest. */
static inline const char *table_file_origin(const struct table_file *f)
{
	return f->origins[f->log & 1];
}

/* Where a slot's things stand. */
static inline struct group *table_group(const struct table *t, int slot)
{
	return &t->file->groups[slot / TABLE_GROUP];
}
static inline struct slot *table_slot(const struct table *t, int slot)
{
	return &table_group(t, slot)->slots[slot % TABLE_GROUP];
}
static inline struct past *table_past(const struct table *t, int slot)
{
	return &table_group(t, slot)->past[slot % TABLE_GROUP];
}

#endif
