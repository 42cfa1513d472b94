/* SPDX-License-Identifier: Apache-2.0
 *
 * read.h - a ledger for anybody, also while it is written: its newest checkpoint and the hashes
 * below it, and its entries. Takes no lock, writes nothing, looks into no entry, believes nothing:
 * ledger/check.h holds entries against the checkpoint, src/verify says whose signature it has.
 *
 * A reader goes through the entries in order, up to a limit: nothing at or above the size in the
 * newest checkpoint may be shown (docs/PROTOCOL.ledger section 4), and all below it must be there,
 * but for the segments that were removed before it reached them, which it passes over.
 */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include <cht/err.h>
#include <cht/event.h>

#include "tlog/tlog.h"

/* ---- view.c: a ledger's directory, and its newest checkpoint */

enum { LEDGER_HINT_MAX = 256 };

struct ledger_view {
	int dir_fd, watch_fd;       /* STATE/ledger; -1: not watched */
	int level_fd[TLOG_LEVELS];  /* hashes/L, opened when first read */
	char vkey[LEDGER_HINT_MAX]; /* file vkey without its LF: a hint; "": none, "?": no line */
	/* The newest checkpoint that was read, taken apart; note_len 0: there is none. */
	size_t note_len;
	char note[TLOG_NOTE_MAX_BYTES];
	char origin[TLOG_NAME_MAX + 1];
	uint64_t size;
	struct tlog_hash root;
	bool is_moved;             /* the directory has another name since it is watched */
	struct cht_err hashes_err; /* of the last read of hashes/ that failed */
};

/* dir: STATE or STATE/ledger, also of a copy. Reads what stands there now; a ledger without
 * checkpoint is empty. The view must not move while a source of it is in use. CHT_E_CONFIG: no
 * ledger there. CHT_E_STATE: as ledger_view_refresh. CHT_E_IO. */
int ledger_view_open(struct ledger_view *view, const char *dir, struct cht_err *err) CHT_CHECKED;
/* Safe on a view that failed to open, and on one that was closed. */
void ledger_view_close(struct ledger_view *view);

/* Reads `checkpoint` again. 1: it is another note than before. 0: the same. CHT_E_STATE: it is no
 * checkpoint, is gone, is of another origin than the file `origin` or the one before, is of a
 * smaller tree than the one before, or of the same size with another root; the view keeps the one
 * before. CHT_E_IO. Its signature is not looked at. */
int ledger_view_refresh(struct ledger_view *view, struct cht_err *err) CHT_CHECKED;

/* A descriptor (the view's own) that becomes readable when `checkpoint` was replaced since
 * ledger_view_clear, for poll. Take it before the last refresh, so that nothing is missed.
 * CHT_E_IO. Also when the directory was moved, as at the end of a log: clear sets is_moved. */
int ledger_view_watch(struct ledger_view *view, struct cht_err *err) CHT_CHECKED;
void ledger_view_clear(struct ledger_view *view);

/* The hashes as they stand in hashes/. A read fails with CHT_E_STATE when the file ends before,
 * CHT_E_IO; view->hashes_err says it in words. */
struct tlog_source ledger_view_hashes(struct ledger_view *view);

/* ---- reader.c: entries */

/* A reader without limit reads what stands in the files, whatever covers it: for a verifier. */
#define LEDGER_NO_LIMIT UINT64_MAX

struct ledger_reader {
	int entries_fd, segment_fd;
	uint64_t next;  /* index of the entry that ledger_next gives next */
	uint64_t limit; /* no entry at or above it is given; raised by whoever knows better */
	uint64_t segment_first;
	uint64_t offset; /* in the segment, of that entry */
	uint8_t *buf;
	size_t buf_at, buf_len, buf_cap;
	uint64_t torn; /* bytes that follow the last whole entry */
};

#define LEDGER_READER_NULL                                                                         \
	{                                                                                          \
		.entries_fd = -1, .segment_fd = -1                                                 \
	}

/* dir: STATE or STATE/ledger. Starts at the first entry present (not 0 after pruning), without
 * limit. CHT_E_CONFIG: no ledger there. CHT_E_NOMEM, CHT_E_IO. */
int ledger_reader_open(struct ledger_reader *reader, const char *dir,
		       struct cht_err *err) CHT_CHECKED;
/* The same in a view's directory, limited by its checkpoint; the view may be closed before. */
int ledger_reader_open_view(struct ledger_reader *reader, const struct ledger_view *view,
			    struct cht_err *err) CHT_CHECKED;
/* Safe on LEDGER_READER_NULL. */
void ledger_reader_close(struct ledger_reader *reader);

/* Goes to the first entry of the segment that holds entry index, or of the last segment when
 * index is beyond it, or of the first when it is before. CHT_E_IO. */
int ledger_reader_seek(struct ledger_reader *reader, uint64_t index,
		       struct cht_err *err) CHT_CHECKED;

/* Goes to entry index itself, by the .idx of its segment where hashes confirm the place that it
 * names, else by walking the segment. 1: ledger_next gives it. 0: it was removed with its segment;
 * ledger_next gives the first that is there. CHT_E_STATE: damage before it in its segment.
 * CHT_E_IO. */
int ledger_reader_goto(struct ledger_reader *reader, const struct tlog_source *hashes,
		       uint64_t index, struct cht_err *err) CHT_CHECKED;

/* After ledger_next gave CHT_E_STATE: goes to the first entry behind the damage whose place is
 * sure: named by .idx and confirmed by hashes, or the first of a segment. 1: ledger_next gives it.
 * 0: there is none below the limit. CHT_E_IO. */
int ledger_reader_skip(struct ledger_reader *reader, const struct tlog_source *hashes,
		       struct cht_err *err) CHT_CHECKED;

/* 1: *entry borrows from the reader until the next call; its index is reader->next - 1, and
 * reader->offset - entry->len - 2 was its place in segment_first's file. 0: the limit; without
 * one, no whole entry follows now: the end, or the first incomplete one; call again later to
 * follow. CHT_E_STATE: damage (impossible length, missing or short segment, an end below the
 * limit), text says where. CHT_E_IO. */
int ledger_next(struct ledger_reader *reader, struct cht_bytes *entry,
		struct cht_err *err) CHT_CHECKED;

/* Bytes after the last whole entry, when ledger_next gave 0. */
uint64_t ledger_reader_torn(const struct ledger_reader *reader);

#endif
