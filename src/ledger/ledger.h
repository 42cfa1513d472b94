/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.h - opaque entries in; durable segments, recovery, and an iterator out.
 *
 * An entry is a u16 big-endian length and that many bytes, 1 to CHT_ENTRY_MAX_BYTES; a segment
 * file holds SEGMENT_ENTRIES of them and is named by its first index in 20 digits
 * (docs/PROTOCOL.ledger). A committed byte is never rewritten and no entry is looked into.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <cht/err.h>
#include <cht/event.h>

enum { LEDGER_ORIGIN_MAX = 128 };

/* The one writer. All of it is private to src/ledger. */
struct ledger {
	int state_fd, dir_fd, entries_fd, lock_fd; /* STATE, STATE/ledger, .../entries */
	int segment_fd;
	uint64_t segment_first; /* index of the segment's first entry */
	uint64_t next;          /* index of the next entry = committed entries */
	uint64_t segment_bytes; /* committed length of the segment */
	bool broken;            /* a write or sync failed: never written again */
	char origin[LEDGER_ORIGIN_MAX + 1];
};

#define LEDGER_NULL                                                                                \
	{                                                                                          \
		.state_fd = -1, .dir_fd = -1, .entries_fd = -1, .lock_fd = -1, .segment_fd = -1    \
	}

/* What opening found. */
struct ledger_recovery {
	uint64_t kept;         /* entries */
	uint64_t cut_bytes;    /* of a torn last entry */
	uint64_t unclean_from; /* first index of the last segment that no clean mark covers; = kept
				* after a clean stop */
	bool was_clean, is_new;
};

/* Makes STATE, STATE/ledger, entries/ and origin ("<name>/<16 random hex>") where they are
 * absent; an existing ledger is left as it is. name: [a-z0-9.-]+ */
int ledger_init(const char *state, const char *name, struct cht_err *err) CHT_CHECKED;

/* Opens for writing: waits up to LOCK_WAIT_S for the lock (CHT_E_STATE when it stays held),
 * cuts a torn tail and nothing else. CHT_E_STATE when there is no ledger (names --init) or it is
 * damaged (a hole between segments, an impossible length before the tail). */
int ledger_open(struct ledger *ledger, const char *state, struct ledger_recovery *found,
		struct cht_err *err) CHT_CHECKED;

/* Appends n whole entries that stand one after the other, lengths included, in bytes, and makes
 * them durable: write, fdatasync; a new segment is created and its directory fsync'ed before
 * first use. 0: all are durable. CHT_E_FULL (ENOSPC, EDQUOT): none are kept, the half-written
 * tail was cut, the same call may be made again. CHT_E_IO: the ledger is broken and takes no
 * further call but close; the next open recovers. */
int ledger_commit(struct ledger *ledger, struct cht_bytes bytes, unsigned n,
		  struct cht_err *err) CHT_CHECKED;

/* Writes the clean mark when clean is set and nothing is broken; closes; safe on LEDGER_NULL. */
void ledger_close(struct ledger *ledger, bool clean);

/* Reading, by anybody, also while it is written. */
struct ledger_reader {
	int entries_fd, segment_fd;
	uint64_t next; /* index of the entry that ledger_next gives next */
	uint64_t segment_first;
	uint64_t offset; /* in the segment, of that entry */
	uint8_t *buf;
	size_t buf_at, buf_len, buf_cap;
	bool segment_done;
};

#define LEDGER_READER_NULL                                                                         \
	{                                                                                          \
		.entries_fd = -1, .segment_fd = -1                                                 \
	}

/* dir: STATE or STATE/ledger. Starts at the first entry present (not 0 after pruning). */
int ledger_reader_open(struct ledger_reader *reader, const char *dir,
		       struct cht_err *err) CHT_CHECKED;
void ledger_reader_close(struct ledger_reader *reader);

/* 1: *entry borrows from the reader until the next call; its index is reader->next - 1, and
 * reader->offset - entry->len - 2 was its place in segment_first's file. 0: no whole entry
 * follows now: the end, or the first incomplete one; call again later to follow. CHT_E_STATE:
 * damage (impossible length, missing segment), text says where. CHT_E_IO. */
int ledger_next(struct ledger_reader *reader, struct cht_bytes *entry,
		struct cht_err *err) CHT_CHECKED;

/* Bytes after the last whole entry, when ledger_next gave 0. */
uint64_t ledger_reader_torn(const struct ledger_reader *reader);

#endif
