/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.h - the one writer: opaque entries and their leaf hashes in; durable segments, tree
 * hashes, the scribe's state and a published checkpoint out; and recovery (docs/PROTOCOL.ledger).
 *
 * A committed byte is never rewritten and no entry is looked into. Nothing here holds a key: the
 * caller composes and signs each note. Reading is in ledger/read.h.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <cht/err.h>
#include <cht/event.h>

#include "ledger/flush.h"
#include "tlog/tlog.h"

enum {
	LEDGER_NAME_MAX = 63,
	LEDGER_ORIGIN_MAX = 128,
	LEDGER_VKEY_MAX = 255,
	LEDGER_NOTE_MAX = 512, /* a checkpoint with one signature, of an origin of ours */
	LEDGER_REASON_MAX = 16,
	LEDGER_MACHINE_ID_BYTES = 32,
	LEDGER_COMMIT_MAX_BYTES = 2 << 20, /* one commit is no longer */
};

/* What the log was begun with, for its whole life. */
struct ledger_terms {
	uint64_t retain_age_s, retain_bytes;   /* 0: no bound; both 0: nothing is ever removed */
	char reason[LEDGER_REASON_MAX + 1];    /* "init", or why it succeeds another */
	char predecessor[LEDGER_NOTE_MAX + 1]; /* its last note; "": none */
};

/* STATE/scribe/state: what is known for certain. */
struct ledger_state {
	uint64_t generation;
	uint64_t tail_first, tail_bytes; /* segment that is written to, and its covered bytes */
	uint64_t min_index;
	bool is_clean, is_closed;
	uint8_t machine_id[LEDGER_MACHINE_ID_BYTES];
	struct ledger_terms terms;
	char note[LEDGER_NOTE_MAX + 1]; /* newest; "" before the first commit */
	struct tlog_tree tree;          /* under that note; tree.size entries are covered */
};

/* The end of the segment that is written to. */
struct ledger_tail {
	int fd, idx_fd;   /* -1: no segment yet; idx_fd also when its cache cannot be written */
	uint64_t first;   /* index of its first entry */
	uint64_t bytes;   /* written length */
	uint64_t dropped; /* of these no longer asked to be cached */
};

/* Of a write that found no space: what stands behind the end until it could be cut. */
struct ledger_rest {
	bool is_there;
	unsigned levels;  /* bit per level */
	bool has_segment; /* a new one, named by first */
	uint64_t first;
};

/* How far one sync, and the checkpoint after it, go. */
struct ledger_extent {
	struct tlog_tree tree;
	uint64_t tail_first, tail_bytes;
};

/* All of it is private to src/ledger, except origin, key, state, extent and flush (read only), and
 * is_closing. */
struct ledger {
	int state_fd;                      /* STATE */
	int dir_fd, entries_fd, hashes_fd; /* STATE/ledger and below */
	int lock_fd, slots_fd;             /* ledger/lock, scribe/state */
	int level_fd[TLOG_LEVELS];         /* ledger/hashes/<level> */
	struct ledger_state state;         /* as it is on the disk */
	struct ledger_state next_state;    /* scratch for the next one: too large for a stack */
	struct ledger_tail tail;           /* as written */
	struct tlog_tree tree;             /* as written */
	struct ledger_rest rest;
	struct ledger_extent extent; /* as it was at the last ledger_sync_begin */
	struct flush flush;          /* syncs under way */
	int note_fd;                 /* checkpoint.tmp, from publish_begin to publish_end; or -1 */
	unsigned dirty_levels;       /* bit per level: written and not synced */
	bool is_dirty;               /* the tail is */
	bool is_published;           /* what stands in `checkpoint` is state.note */
	bool keeps_notes;            /* `checkpoints` ends in a whole note */
	bool is_broken;              /* a write or sync failed: never written again */
	bool is_closing;             /* what is published next closes the log */
	char origin[LEDGER_ORIGIN_MAX + 1];
	char vkey[LEDGER_VKEY_MAX + 1];
	struct tlog_vkey key; /* the same, taken apart */
};

#define LEDGER_NULL                                                                                \
	{                                                                                          \
		.state_fd = -1, .dir_fd = -1, .entries_fd = -1, .hashes_fd = -1, .lock_fd = -1,    \
		.slots_fd = -1, .level_fd = { -1, -1, -1, -1, -1, -1, -1, -1 }, .note_fd = -1,     \
		.flush = { .done_fd = -1 }, .tail = {                                              \
			.fd = -1,                                                                  \
			.idx_fd = -1                                                               \
		}                                                                                  \
	}

/* ---- init.c */

/* Makes what is absent of STATE, ledger/ and scribe/, and a log with a new origin under this key;
 * one that is there is left as it is. name: [a-z0-9.-], 1..LEDGER_NAME_MAX (CHT_E_CONFIG).
 * CHT_E_STATE when there are entries without an origin. CHT_E_IO. */
int ledger_init(const char *state, const char *name, const struct ledger_terms *terms,
		const uint8_t public_key[TLOG_PUBLIC_BYTES], struct cht_err *err) CHT_CHECKED;

/* Whether STATE holds a log. 1, 0, or CHT_E_IO, CHT_E_STATE. */
int ledger_exists(const char *state, struct cht_err *err) CHT_CHECKED;

/* ---- succession.c: around a log that nobody writes */

/* What STATE/scribe/state says, without a lock. CHT_E_STATE: it is not there, or has no valid slot.
 * CHT_E_IO. */
int ledger_state_look(const char *state, struct ledger_state *out, struct cht_err *err) CHT_CHECKED;

/* Replaces the terms of a log that has no checkpoint yet, durably. CHT_E_STATE: it has begun.
 * CHT_E_LIMIT, CHT_E_FULL, CHT_E_IO. */
int ledger_set_terms(const char *state, const struct ledger_terms *terms,
		     struct cht_err *err) CHT_CHECKED;

/* ---- open.c, recover.c */

/* What opening found. */
struct ledger_recovery {
	uint64_t covered;   /* entries under the newest checkpoint */
	uint64_t kept;      /* entries: those, and above them what was whole and hashed */
	uint64_t cut_bytes; /* of entries above: torn or without their hash, never acknowledged */
	bool was_clean, is_new;
};

/* The key that signs for this log, and one who says whether it signed a note: it alone can. */
typedef bool (*ledger_is_ours_fn)(void *context, struct cht_str note);
struct ledger_trust {
	const uint8_t *public_key; /* TLOG_PUBLIC_BYTES */
	ledger_is_ours_fn is_ours;
	void *context;
};

/* Opens for writing: waits up to LOCK_WAIT_S for the lock, holds everything that can be known
 * without reading covered entries against the state, keeps or cuts what stands above it, syncs what
 * it keeps. When it returns 0 and kept > covered, the caller publishes first of all. Syncs are made
 * at once unless the caller has flush_open(&ledger->flush) make them beside it. CHT_E_CONFIG: there
 * is no ledger (the text names --init), or it is closed. CHT_E_KEY: the key is not the log's.
 * CHT_E_LIMIT: the lock stays held. CHT_E_STATE: damage, an old state, another machine; nothing was
 * touched and the text names `cht ledger succeed`. CHT_E_FULL: no space for the hashes of what is
 * kept. CHT_E_NOMEM, CHT_E_IO. */
int ledger_open(struct ledger *ledger, const char *state, const struct ledger_trust *trust,
		struct ledger_recovery *found, struct cht_err *err) CHT_CHECKED;

/* Closes and releases the lock; safe on LEDGER_NULL. */
void ledger_close(struct ledger *ledger);

/* ---- commit.c: steps 1 and 2 of a commit */

/* Appends n whole entries that stand one after the other, lengths included, and their leaf
 * hashes; has the disk begin on them. A sync and a publication may be under way. At most
 * SEGMENT_ENTRIES entries and LEDGER_COMMIT_MAX_BYTES. CHT_E_FULL (ENOSPC, EDQUOT): none are
 * kept, what was written is cut again, the same call may be made again. CHT_E_IO: the ledger is
 * broken and takes no further call but close; the next open recovers. Allocates nothing. */
int ledger_write(struct ledger *ledger, struct cht_bytes bytes, const struct tlog_hash *leaves,
		 unsigned n, struct cht_err *err) CHT_CHECKED;

/* Everything written so far becomes durable: fdatasync of the segment and of each level; it is what
 * extent then says, and what the next checkpoint covers. Begin does not wait, end does; between
 * them ledger->flush tells when it will not have to. One sync or publication at a time. CHT_E_IO as
 * above. */
int ledger_sync_begin(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;
int ledger_sync_end(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;
int ledger_sync(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;

/* ---- publish.c: steps 3 to 5 */

/* Whether something synced is under no checkpoint yet, or `checkpoint` is not the newest. */
bool ledger_is_unpublished(const struct ledger *ledger);

/* Takes the signed note over ledger->extent, after ledger_sync: state, then `checkpoint`. When
 * nothing is new under it only a lost `checkpoint` is put back. Begin writes both and does not
 * wait, end waits and shows the checkpoint. CHT_E_FULL: not shown yet, begin again; CHT_E_IO:
 * broken. Allocates nothing. */
int ledger_publish_begin(struct ledger *ledger, struct cht_str note,
			 struct cht_err *err) CHT_CHECKED;
int ledger_publish_end(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;
int ledger_publish(struct ledger *ledger, struct cht_str note, struct cht_err *err) CHT_CHECKED;

/* Appends the newest note to `checkpoints`, durably. Best effort: nothing depends on it. (notes.c)
 */
void ledger_keep_note(struct ledger *ledger);

/* The clean mark, after everything is published: the last call before close, after an orderly end.
 * Does nothing to a broken ledger.
 * CHT_E_IO, also for want of space: broken; the next open will call this end unclean. */
int ledger_mark_clean(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;

/* ---- prune.c */

/* The index below which the log's terms let segments go at now (CLOCK_REALTIME, seconds);
 * state.min_index when none more may. CHT_E_IO. */
int ledger_prunable(struct ledger *ledger, uint64_t now_s, uint64_t *index,
		    struct cht_err *err) CHT_CHECKED;

/* Writes min_index to the state, then unlinks the segments below. Not between publish_begin and
 * publish_end, which write the same slot. index: a multiple of
 * SEGMENT_ENTRIES, above state.min_index, at most what ledger_prunable gave. CHT_E_IO. */
int ledger_prune(struct ledger *ledger, uint64_t index, struct cht_err *err) CHT_CHECKED;

#endif
