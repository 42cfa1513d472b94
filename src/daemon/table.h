/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - the run table: what must survive a crash of the line. One mapped file,
 * STATE/line/table; each slot is one open run. It has room on the disk for a group of slots more
 * before a run stands in it, and takes memory only for what was written since the start.
 *
 * It answers one question at the next start: which sequence numbers were accepted and are not in
 * the ledger. For that each accepted event leaves, before it is published, its sequence and its
 * ledger index in its run's slot, and the slot's number in a circular record of owners by index.
 * The numbers stand twice, written in turn, each with a check word: a kill in the middle of one
 * leaves the other. A file that cannot be used is said to be lost and made anew.
 *
 * The runs in it are of one log, whose name it has. When that ends and another begins, they go on
 * there: table_succeed.
 */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <cht/err.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cell/stamped.h"

enum {
	TABLE_SLOTS = CELLS_MAX,
	TABLE_GROUP = 1024, /* slots that get their space on the disk together */
	TABLE_GROUPS = TABLE_SLOTS / TABLE_GROUP,
	/* More than can be between the line and the disk: the ring and a commit hold at most
	 * 3 MiB, and no event is shorter than 300 bytes. */
	TABLE_OWNERS = 65536,
	TABLE_HOST = 0xffff, /* owner: the host's own run, which has no slot */
	TABLE_ORIGIN_MAX = 128,
};

/* What did not arrive or was dropped, as guest.telemetry.dropped counts it. */
struct losses {
	uint64_t quota, space;               /* by us */
	uint64_t in_guest, on_the_way, late; /* by what an agent's numbers say */
};

/* A guest's numbers may have sums that stop at the top. */
static inline void losses_add(struct losses *to, struct losses more)
{
	to->quota = u64_sum(to->quota, more.quota);
	to->space = u64_sum(to->space, more.space);
	to->in_guest = u64_sum(to->in_guest, more.in_guest);
	to->on_the_way = u64_sum(to->on_the_way, more.on_the_way);
	to->late = u64_sum(to->late, more.late);
}

/* How the frames of a run fared, its connections so far, what was lost of it and is not told
 * yet, what was told last, in the event with that number, and what was said of its VM. */
struct frames_left {
	struct frame_counts frames;
	uint64_t connections;
	struct losses untold, told;
	uint64_t told_sequence;
	uint32_t epoch;           /* restores */
	uint16_t stated;          /* enum cell_told: the newest */
	uint16_t promises_a_beat; /* its agent said hello, and that it sends heartbeats */
	uint64_t ledger_bytes;    /* stored of it: what its quota is held against */
};

struct boot;
struct table_file;

struct table {
	struct table_file *file;
	int fd;
	int n_groups;                     /* that have their space */
	uint64_t taken[TABLE_SLOTS / 64]; /* bit by slot */
	unsigned first_word;              /* of .taken that can have a free one */
};

#define TABLE_NULL                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* What an earlier process left. */
struct table_found {
	bool lost;        /* there was no usable table */
	bool is_new;      /* there was none at all */
	bool was_stopped; /* the earlier process ended in good order */
	bool other_boot;  /* it ran before the last boot of this host */
};

/* Opens or makes dirfd/table, with space for a first group. boot_id: this boot's, 36 characters. A
 * process that does not end in good order before the host does may leave pages of different
 * ages: such a table is lost. CHT_E_FULL, CHT_E_STATE when another process has it, CHT_E_IO. */
int table_open(struct table *t, int dirfd, const char *boot_id, struct table_found *found,
	       struct cht_err *err) CHT_CHECKED;
/* Forgets everything: from here on the runs in it are of the log with this name. */
void table_discard(struct table *t, const char *origin);
/* The name of the log that the runs in it are of; empty when it was made anew. */
const char *table_origin(const struct table *t);
/* That log ended with so many entries; this one, of which nothing is stored, goes on with its runs.
 * Instead of table_settle. False, and nothing is done, when more was lost than the table has owners
 * for. A kill on the way leaves all runs to one of the two logs. */
bool table_succeed(struct table *t, const char *origin, uint64_t kept) CHT_CHECKED;
/* Of a settled run: whether nothing of it is stored in this log because it was begun in one before;
 * then *stored is the last number that is stored there. */
bool table_is_carried(const struct table *t, int slot, uint64_t *stored);
/* All earlier runs are settled: from here on the runs in it are of this boot. */
void table_begin_boot(struct table *t, const char *boot_id);
/* stopped: this process ends in good order, and the disk has it all. Safe on TABLE_NULL. */
void table_close(struct table *t, bool stopped);

/* A slot for a run that begins, with its first index. Copies the identity. CHT_E_LIMIT when all are
 * taken, CHT_E_FULL when the disk has no room for more, CHT_E_IO. */
int table_add(struct table *t, const struct run *run, struct cht_err *err) CHT_CHECKED;
void table_remove(struct table *t, int slot);

/* Before an event of the slot's run is published: its sequence and the index it will have. It is
 * counted. */
void table_note(struct table *t, int slot, const struct run *run, enum event_kind kind,
		uint64_t index);
/* The same for the host's own run. */
void table_note_host(struct table *t, uint64_t index);
/* After a turn, and when a frame shows a loss. */
void table_note_frames(struct table *t, int slot, const struct frames_left *left);

/* table_agents.c */
enum { TABLE_AGENTS = 4 }; /* of a run, those heard last */
/* What the numbers of one agent say up to now; it holds once the run's event with the number `from`
 * is noted, and until then what was noted before does. */
void table_note_agent(struct table *t, int slot, const struct boot *boot, uint64_t from);
/* Those of a run that table_load gave, before anything more of it is noted: into *out, of
 * TABLE_AGENTS. Returns how many. */
unsigned table_agents(struct table *t, int slot, struct boot *out);

/* Open runs of the earlier process: call with *slot = -1 first. False at the end. */
bool table_next(const struct table *t, int *slot);
/* Identity, whose texts stand in *names, counters and last accepted sequence of a slot. False when
 * its checks fail: the slot is unusable and was removed. */
bool table_load(struct table *t, int slot, struct run *run, struct run_names *names,
		struct frames_left *left);
/* Events of a slot's run so far, by kind. */
void table_counts(const struct table *t, int slot, uint64_t counts[EV_N_KINDS]);
/* Finds out, for every slot, which numbers were accepted and are not among the first `kept`
 * entries of the ledger. Once, after opening and before any note: the indices above are given
 * anew from then on. What it finds stays in the file until the run's next event is stored, so
 * that a kill on the way loses no hole. */
void table_settle(struct table *t, uint64_t kept);
/* Whether the newest event of a settled run is its run.sealed: nothing is to be said of it. */
bool table_is_sealed(const struct table *t, int slot);
/* The hole that table_settle found in a run; false when there is none. */
bool table_hole(const struct table *t, int slot, uint64_t *from, uint64_t *to);

#endif
