/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading while another process writes. What looks wrong at the end of a segment may be a
 * moment: each such finding is looked at once more with fresh bytes before it is called damage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/reader.h"
#include "ledger/segment.h"

enum { READ_BYTES = 1 << 18 };

int reader_find(const char *dir, int *entries_fd, struct cht_err *err)
{
	struct cht_err why = { 0 };
	/* Who may read the ledger need not be able to list the directory that it is in. */
	int fd = -1, dir_fd = openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return cht_fail(err, errno == ENOENT ? CHT_E_CONFIG : CHT_E_IO, errno, "open %s",
				dir);
	fd = fd_open_dir(dir_fd, "entries", &why);
	if (fd < 0 && why.sys == ENOENT) {
		int ledger_fd = fd_open_dir(dir_fd, "ledger", &why);

		if (ledger_fd >= 0)
			fd = fd_open_dir(ledger_fd, "entries", &why);
		fd_close(&dir_fd);
		dir_fd = ledger_fd;
	}
	if (fd < 0) {
		fd_close(&dir_fd);
		if (why.sys == ENOENT)
			return cht_fail(err, CHT_E_CONFIG, 0, "no ledger in %s", dir);
		return cht_fail(err, CHT_E_IO, why.sys, "open the ledger in %s", dir);
	}
	if (entries_fd != NULL)
		*entries_fd = fd;
	else
		fd_close(&fd);
	return dir_fd;
}

/* Takes entries_fd, also when it fails. */
static int open_reader(struct ledger_reader *reader, int entries_fd, struct cht_err *err)
{
	struct ledger_reader made = LEDGER_READER_NULL;
	struct segment_list list = { 0 };
	int r;

	made.entries_fd = entries_fd;
	/* A hole is told when it is reached: what stands before it can still be read. */
	r = segment_list(made.entries_fd, &list, err);
	made.next = made.segment_first = list.first;
	made.limit = LEDGER_NO_LIMIT;
	made.buf_cap = READ_BYTES;
	made.buf = malloc(READ_BYTES);
	if (r == 0 && made.buf == NULL)
		r = cht_fail(err, CHT_E_NOMEM, 0, "no memory to read the ledger");
	if (r < 0) {
		ledger_reader_close(&made);
		return r;
	}
	*reader = made;
	return 0;
}

int ledger_reader_open(struct ledger_reader *reader, const char *dir, struct cht_err *err)
{
	int entries_fd = -1, dir_fd = reader_find(dir, &entries_fd, err);

	if (dir_fd < 0)
		return dir_fd;
	fd_close(&dir_fd);
	return open_reader(reader, entries_fd, err);
}

int ledger_reader_open_view(struct ledger_reader *reader, const struct ledger_view *view,
			    struct cht_err *err)
{
	int r, fd = fd_open_dir(view->dir_fd, "entries", err);

	if (fd < 0)
		return fd;
	r = open_reader(reader, fd, err);
	if (r < 0)
		return r;
	reader->limit = view->size;
	/* Segments go from the lowest on and the last one stays: here all are lost. */
	if (reader->next >= reader->limit)
		reader_place(reader, 0, 0, 0);
	return 0;
}

void reader_place(struct ledger_reader *reader, uint64_t segment_first, uint64_t next,
		  uint64_t offset)
{
	if (segment_first != reader->segment_first)
		fd_close(&reader->segment_fd);
	reader->segment_first = segment_first;
	reader->next = next;
	reader->offset = offset;
	reader->buf_at = reader->buf_len = 0;
}

int ledger_reader_seek(struct ledger_reader *reader, uint64_t index, struct cht_err *err)
{
	uint64_t first = index - index % SEGMENT_ENTRIES;
	struct segment_list list = { 0 };
	int r = segment_list(reader->entries_fd, &list, err);

	if (r < 0)
		return r;
	if (first > list.last)
		first = list.last;
	if (first < list.first)
		first = list.first;
	fd_close(&reader->segment_fd);
	reader_place(reader, first, first, 0);
	return 0;
}

void ledger_reader_close(struct ledger_reader *reader)
{
	fd_close(&reader->entries_fd);
	fd_close(&reader->segment_fd);
	free(reader->buf);
	*reader = (struct ledger_reader)LEDGER_READER_NULL;
}

int reader_damaged(const struct ledger_reader *reader, const char *what, struct cht_err *err)
{
	return cht_fail(err, CHT_E_STATE, 0,
			"ledger damaged: segment %020" PRIu64 ", entry %" PRIu64 ", byte %" PRIu64
			": %s",
			reader->segment_first, reader->next, reader->offset, what);
}

static int open_segment(struct ledger_reader *reader, uint64_t first)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, first);
	return openat(reader->entries_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static bool has_segment(struct ledger_reader *reader, uint64_t first)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, first);
	return faccessat(reader->entries_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int reader_enter(struct ledger_reader *reader, struct cht_err *err)
{
	struct segment_list list;
	int r;

	if (reader->segment_fd >= 0)
		return 1;
	reader->segment_fd = open_segment(reader, reader->segment_first);
	if (reader->segment_fd >= 0)
		return 1;
	if (errno != ENOENT)
		return cht_fail(err, CHT_E_IO, errno, "open segment %020" PRIu64,
				reader->segment_first);
	r = segment_list(reader->entries_fd, &list, err);
	if (r < 0)
		return r;
	/* It may have come, and more after it, while we looked. */
	reader->segment_fd = open_segment(reader, reader->segment_first);
	if (reader->segment_fd >= 0)
		return 1;
	/* Segments are removed from the lowest on, also while we read. */
	if (reader->limit != LEDGER_NO_LIMIT && list.first > reader->segment_first &&
	    list.first < reader->limit && reader->offset == 0) {
		reader_place(reader, list.first, list.first, 0);
		return reader_enter(reader, err);
	}
	return list.n > 0 && list.last > reader->segment_first
		       ? reader_damaged(reader, "the segment is missing", err)
		       : 0;
}

/* The segment holds all it may: nothing may follow in it. */
static int leave_segment(struct ledger_reader *reader, struct cht_err *err)
{
	struct stat st;

	if (fstat(reader->segment_fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat a segment");
	if ((uint64_t)st.st_size > reader->offset)
		return reader_damaged(reader, "bytes behind the segment's last entry", err);
	fd_close(&reader->segment_fd);
	reader_place(reader, reader->next, reader->next, 0);
	return 0;
}

/* 1: what stands at offset is how a ledger ends. 0: only damage looks so, or a moment. */
static int is_end(struct ledger_reader *reader, enum entry_kind kind, struct cht_err *err)
{
	struct stat st;
	int zero = kind != ENTRY_BAD
			   ? 1
			   : segment_is_zero_from(reader->segment_fd, reader->offset, err);

	if (zero <= 0)
		return zero;
	if (has_segment(reader, reader->segment_first + SEGMENT_ENTRIES))
		return 0;
	if (fstat(reader->segment_fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat a segment");
	reader->torn =
		(uint64_t)st.st_size > reader->offset ? (uint64_t)st.st_size - reader->offset : 0;
	return 1;
}

static int refill(struct ledger_reader *reader, struct cht_err *err)
{
	ptrdiff_t n =
		segment_read(reader->segment_fd, reader->buf, reader->buf_cap, reader->offset, err);

	if (n < 0)
		return (int)n;
	reader->buf_at = 0;
	reader->buf_len = (size_t)n;
	return 0;
}

/* Looks at the buffer, then at the file, then, where that looks wrong, once more at the file. */
static int next_in_segment(struct ledger_reader *reader, struct cht_bytes *entry,
			   struct cht_err *err)
{
	for (int look = 0;; look++) {
		const uint8_t *at = reader->buf + reader->buf_at;
		size_t len;
		enum entry_kind kind = entry_at(at, reader->buf_len - reader->buf_at, &len);
		int r = 0;

		if (kind == ENTRY_WHOLE) {
			*entry = (struct cht_bytes){ at + ENTRY_LENGTH_BYTES, len };
			reader->buf_at += ENTRY_LENGTH_BYTES + len;
			reader->offset += ENTRY_LENGTH_BYTES + len;
			reader->next++;
			return 1;
		}
		if (look > 0)
			r = is_end(reader, kind, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (look == 2)
			return reader_damaged(reader,
					      kind == ENTRY_BAD
						      ? "no entry can stand here"
						      : "not full, and yet another follows",
					      err);
		r = refill(reader, err);
		if (r < 0)
			return r;
	}
}

static int next_entry(struct ledger_reader *reader, struct cht_bytes *entry, struct cht_err *err)
{
	int r;

	if (reader->segment_fd >= 0 && reader->next - reader->segment_first == SEGMENT_ENTRIES) {
		r = leave_segment(reader, err);
		if (r < 0)
			return r;
	}
	r = reader_enter(reader, err);
	return r <= 0 ? r : next_in_segment(reader, entry, err);
}

int ledger_next(struct ledger_reader *reader, struct cht_bytes *entry, struct cht_err *err)
{
	int r;

	reader->torn = 0;
	if (reader->next >= reader->limit) {
		/* What was read beyond may be cut off and written anew before it is covered. */
		reader->buf_at = reader->buf_len = 0;
		return 0;
	}
	r = next_entry(reader, entry, err);
	if (r == 0 && reader->limit != LEDGER_NO_LIMIT)
		return reader_damaged(reader, "the entries end here, below the checkpoint", err);
	return r;
}

uint64_t ledger_reader_torn(const struct ledger_reader *reader)
{
	return reader->torn;
}
