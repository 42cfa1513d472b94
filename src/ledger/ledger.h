/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.h - opaque entries in; durable segments and recovery out. Reading: ledger/read.h.
 *
 * An entry is a u16 big-endian length and that many bytes, 1 to CHT_ENTRY_MAX_BYTES; a segment
 * file holds SEGMENT_ENTRIES of them and is named by its first index in 20 digits
 * (docs/PROTOCOL.ledger). A committed byte is never rewritten and no entry is looked into.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <cht/err.h>
#include <cht/event.h>

enum {
	LEDGER_NAME_MAX = 63,
	LEDGER_ORIGIN_MAX = 128,
	LEDGER_COMMIT_MAX_BYTES = 2 << 20, /* one commit, and so a torn one, is no longer */
};

/* The end of the segment that is written to. */
struct ledger_tail {
	int fd;           /* -1: no segment yet */
	uint64_t first;   /* index of its first entry */
	uint64_t bytes;   /* committed length */
	uint64_t dropped; /* of these no longer asked to be cached */
};

/* The one writer. All of it is private to src/ledger, except origin and next. */
struct ledger {
	int dir_fd, entries_fd, lock_fd; /* STATE/ledger, .../entries, .../lock */
	struct ledger_tail tail;
	uint64_t next;  /* index of the next entry = committed entries */
	bool is_marked; /* the clean mark is there */
	bool is_dirty;  /* something is written and not synced */
	bool is_broken; /* a write or sync failed: never written again */
	char origin[LEDGER_ORIGIN_MAX + 1];
};

#define LEDGER_NULL                                                                                \
	{                                                                                          \
		.dir_fd = -1, .entries_fd = -1, .lock_fd = -1, .tail = {.fd = -1 }                 \
	}

/* What opening found. */
struct ledger_recovery {
	uint64_t kept;         /* entries */
	uint64_t cut_bytes;    /* of a torn write */
	uint64_t unclean_from; /* first index of the last segment that no clean mark covers; = kept
				* after a clean stop */
	bool was_clean, is_new;
};

/* Makes STATE, STATE/ledger, entries/ and origin ("<name>/<16 random hex>") where they are
 * absent; an existing ledger is left as it is. name: [a-z0-9.-], 1..LEDGER_NAME_MAX
 * (CHT_E_CONFIG). CHT_E_STATE when there are entries without an origin. */
int ledger_init(const char *state, const char *name, struct cht_err *err) CHT_CHECKED;

/* Opens for writing: waits up to LOCK_WAIT_S for the lock, cuts a torn write and nothing else,
 * makes durable what it keeps. CHT_E_CONFIG: there is no ledger (the text names --init).
 * CHT_E_LIMIT: the lock stays held. CHT_E_STATE: damage (PROTOCOL.ledger section 4); nothing
 * was touched. CHT_E_NOMEM, CHT_E_IO. */
int ledger_open(struct ledger *ledger, const char *state, struct ledger_recovery *found,
		struct cht_err *err) CHT_CHECKED;

/* Appends n whole entries that stand one after the other, lengths included, in bytes, and has
 * the disk begin on them; they are durable when ledger_sync has returned. A new segment is
 * created and its directory fsync'ed before first use, and its predecessor is durable before. At
 * most SEGMENT_ENTRIES entries and LEDGER_COMMIT_MAX_BYTES. CHT_E_FULL (ENOSPC, EDQUOT): none are
 * kept, the half-written tail was cut, the same call may be made again. CHT_E_IO: the ledger is
 * broken and takes no further call but close; the next open recovers. Allocates nothing. */
int ledger_write(struct ledger *ledger, struct cht_bytes bytes, unsigned n,
		 struct cht_err *err) CHT_CHECKED;

/* Everything written is durable: fdatasync, unless it was already. CHT_E_IO: as above. */
int ledger_sync(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;

/* Both. */
int ledger_commit(struct ledger *ledger, struct cht_bytes bytes, unsigned n,
		  struct cht_err *err) CHT_CHECKED;

/* Syncs, and writes the clean mark: the last call before close, after an orderly end. Does nothing
 * to a broken ledger. CHT_E_IO: the next open will call this end unclean. */
int ledger_mark_clean(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;

/* Closes and releases the lock; safe on LEDGER_NULL. */
void ledger_close(struct ledger *ledger);

#endif
