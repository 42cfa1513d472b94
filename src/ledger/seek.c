/* SPDX-License-Identifier: Apache-2.0
 *
 * Going to an entry without walking all before it. The .idx of a segment is a cache that nobody
 * syncs: a place that it names counts only when the entry there has the leaf hash of its index.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/reader.h"
#include "ledger/segment.h"

enum { IDX_STEP = TLOG_TILE_WIDTH, IDX_SUFFIX_LEN = 4 };

/* The place that .idx names for entry first + block * IDX_STEP. False: it names none. */
static bool read_idx(const struct ledger_reader *reader, uint64_t block, uint64_t *offset)
{
	char name[SEGMENT_NAME_LEN + IDX_SUFFIX_LEN + 1];
	uint8_t bytes[8];
	ptrdiff_t n;
	int fd;

	segment_name(name, reader->segment_first);
	memcpy(name + SEGMENT_NAME_LEN, ".idx", IDX_SUFFIX_LEN + 1);
	fd = openat(reader->entries_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = segment_read(fd, bytes, sizeof(bytes), block * sizeof(bytes), NULL);
	fd_close(&fd);
	*offset = be64_load(bytes);
	return n == sizeof(bytes) && *offset <= INT64_MAX;
}

/* Whether the bytes at offset are entry index. The reader's buffer is used. */
static bool is_entry_at(struct ledger_reader *reader, const struct tlog_source *hashes,
			uint64_t index, uint64_t offset)
{
	struct tlog_hash want, got;
	ptrdiff_t n;
	size_t len;

	reader->buf_at = reader->buf_len = 0;
	n = segment_read(reader->segment_fd, reader->buf, ENTRY_LENGTH_BYTES + CHT_ENTRY_MAX_BYTES,
			 offset, NULL);
	if (n < 0 || entry_at(reader->buf, (size_t)n, &len) != ENTRY_WHOLE ||
	    hashes->read(hashes->context, 0, index, 1, &want) < 0)
		return false;
	tlog_leaf((struct cht_bytes){ reader->buf + ENTRY_LENGTH_BYTES, len }, &got);
	return tlog_hash_eq(&want, &got);
}

/* The reader is in the segment. True: it stands before entry index, a multiple of IDX_STEP. */
static bool place_by_idx(struct ledger_reader *reader, const struct tlog_source *hashes,
			 uint64_t index)
{
	uint64_t offset, first = reader->segment_first;

	if (!read_idx(reader, (index - first) / IDX_STEP, &offset) ||
	    !is_entry_at(reader, hashes, index, offset))
		return false;
	reader_place(reader, first, index, offset);
	return true;
}

int ledger_reader_goto(struct ledger_reader *reader, const struct tlog_source *hashes,
		       uint64_t index, struct cht_err *err)
{
	struct cht_bytes entry;
	int r = ledger_reader_seek(reader, index, err);

	if (r < 0)
		return r;
	if (reader->next > index)
		return 0;
	if (index >= reader->limit || index - reader->next >= SEGMENT_ENTRIES)
		return reader_damaged(reader, "an entry behind the end is asked for", err);
	r = reader_enter(reader, err);
	if (r == 1 && index - reader->next >= IDX_STEP)
		(void)place_by_idx(reader, hashes, index - index % IDX_STEP);
	while (r == 1 && reader->next < index)
		r = ledger_next(reader, &entry, err);
	return r == 0 ? reader_damaged(reader, "an entry behind the end is asked for", err) : r;
}

int ledger_reader_skip(struct ledger_reader *reader, const struct tlog_source *hashes,
		       struct cht_err *err)
{
	uint64_t first = reader->segment_first, index = reader->next - reader->next % IDX_STEP;
	struct segment_list list;
	int r;

	if (reader->segment_fd >= 0)
		for (index += IDX_STEP; index < reader->limit && index - first < SEGMENT_ENTRIES;
		     index += IDX_STEP)
			if (place_by_idx(reader, hashes, index))
				return 1;
	/* From one that is there to the next: the names may be as far apart as numbers can. */
	for (;;) {
		r = segment_list_from(reader->entries_fd, first + 1, &list, err);
		if (r < 0)
			return r;
		first = list.first;
		if (list.n == 0 || first >= reader->limit)
			return 0;
		if (first % SEGMENT_ENTRIES != 0)
			continue;
		reader_place(reader, first, first, 0);
		r = reader_enter(reader, err);
		if (r == 1 || r == CHT_E_IO)
			return r;
	}
}
