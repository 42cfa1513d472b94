/* SPDX-License-Identifier: Apache-2.0
 *
 * read.h - the entries of a ledger, for anybody, also while it is written. Takes no lock, writes
 * nothing, looks into no entry.
 *
 * A reader goes through the entries in order, up to a limit: nothing at or above the size in the
 * newest checkpoint may be shown (docs/PROTOCOL.ledger section 4), and all below it must be there.
 */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include <cht/err.h>
#include <cht/event.h>

/* A reader without limit reads what stands in the files, whatever covers it: for a verifier. */
#define LEDGER_NO_LIMIT UINT64_MAX

struct ledger_reader {
	int entries_fd, segment_fd, watch_fd;
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
		.entries_fd = -1, .segment_fd = -1, .watch_fd = -1                                 \
	}

/* dir: STATE or STATE/ledger. Starts at the first entry present (not 0 after pruning), without
 * limit. CHT_E_CONFIG: no ledger there. CHT_E_NOMEM, CHT_E_IO. */
int ledger_reader_open(struct ledger_reader *reader, const char *dir,
		       struct cht_err *err) CHT_CHECKED;
/* Safe on LEDGER_READER_NULL. */
void ledger_reader_close(struct ledger_reader *reader);

/* Goes to the first entry of the segment that holds entry index, or of the last segment when
 * index is beyond it, or of the first when it is before. CHT_E_IO. */
int ledger_reader_seek(struct ledger_reader *reader, uint64_t index,
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

/* A descriptor (the reader's own) that becomes readable when something was written since
 * ledger_reader_clear, for poll. Take it before reading to the end, so that nothing is missed.
 * CHT_E_IO. */
int ledger_reader_watch(struct ledger_reader *reader, struct cht_err *err) CHT_CHECKED;
void ledger_reader_clear(struct ledger_reader *reader);

#endif
