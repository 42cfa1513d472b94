/* SPDX-License-Identifier: Apache-2.0
 *
 * A commit either moves the tail or leaves it where it was: the new tail is built in a copy,
 * and the old one is kept open until the last sync (docs/PROTOCOL.ledger section 3).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/segment.h"

enum {
	KEEP_BYTES = 16 << 20, /* stays cached for those who follow */
	DROP_BYTES = 1 << 20,  /* dropped in one call */
};

/* The first n entries' bytes; those of all when there are no more. */
static size_t bytes_of(struct cht_bytes bytes, unsigned n)
{
	size_t at = 0, len = 0;

	while (n-- > 0 && entry_at(bytes.ptr + at, bytes.len - at, &len) == ENTRY_WHOLE)
		at += ENTRY_LENGTH_BYTES + len;
	return at;
}

static int append(struct ledger_tail *tail, struct cht_bytes part, struct cht_err *err)
{
	while (part.len > 0) {
		ssize_t w = pwrite(tail->fd, part.ptr, part.len, (off_t)tail->bytes);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			int sys = w < 0 ? errno : EIO;

			return cht_fail(err, write_code(sys), sys, "write to segment %020" PRIu64,
					tail->first);
		}
		tail->bytes += (uint64_t)w;
		part.ptr += w;
		part.len -= (size_t)w;
	}
	return 0;
}

/* The disk begins now, so that the sync finds little left to wait for. Only a hint: what it
 * says is not looked at, the sync's word counts. */
static void start_writing(const struct ledger_tail *tail, uint64_t from)
{
	(void)sync_file_range(tail->fd, (off_t)from, (off_t)(tail->bytes - from),
			      SYNC_FILE_RANGE_WRITE);
}

/* Whatever the reason, a failed sync is final: the pages may be gone and look clean. */
static int sync_tail(const struct ledger_tail *tail, struct cht_err *err)
{
	if (fdatasync(tail->fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync segment %020" PRIu64, tail->first);
	return 0;
}

/* Gives back the page cache of what is durable and lies `keep` behind the end: readers that
 * follow are nearer, and the next write finds pages that are warm. Only a hint (ADR 13). */
static void drop_behind(struct ledger_tail *tail, uint64_t keep)
{
	uint64_t to = tail->bytes > keep ? tail->bytes - keep : 0;

	if (to < tail->dropped + DROP_BYTES && keep > 0)
		return;
	(void)posix_fadvise(tail->fd, (off_t)tail->dropped, (off_t)(to - tail->dropped),
			    POSIX_FADV_DONTNEED);
	tail->dropped = to;
}

/* Opens the segment that begins at first. It cannot exist: recovery saw the names, and a
 * commit that failed unlinked what it made. */
static int create_segment(int entries_fd, uint64_t first, struct ledger_tail *out,
			  struct cht_err *err)
{
	char name[SEGMENT_NAME_LEN + 1];
	int fd;

	segment_name(name, first);
	fd = openat(entries_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    LEDGER_FILE_MODE);
	if (fd < 0)
		return cht_fail(err, write_code(errno), errno, "create segment %s", name);
	*out = (struct ledger_tail){ .fd = fd, .first = first };
	if (fsync(entries_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync entries/");
	return 0;
}

/* Brings the files back to the last commit. The new segment must be gone for good before the
 * old one is cut: a short segment with a successor is what damage looks like. */
static int undo(struct ledger *ledger, const struct ledger_tail *now, struct cht_err *err)
{
	const struct ledger_tail *old = &ledger->tail;

	if (now->fd >= 0 && now->fd != old->fd) {
		char name[SEGMENT_NAME_LEN + 1];

		segment_name(name, now->first);
		if (unlinkat(ledger->entries_fd, name, 0) < 0 || fsync(ledger->entries_fd) < 0)
			return cht_fail(err, CHT_E_IO, errno, "remove segment %s", name);
	}
	if (old->fd >= 0 && (ftruncate(old->fd, (off_t)old->bytes) < 0 || fdatasync(old->fd) < 0))
		return cht_fail(err, CHT_E_IO, errno, "cut segment %020" PRIu64, old->first);
	return 0;
}

/* No byte of a segment is written before its predecessor is full and durable. */
static int next_segment(struct ledger *ledger, struct ledger_tail *now, uint64_t first,
			struct cht_err *err)
{
	bool is_synced = now->fd < 0 || (!ledger->is_dirty && now->bytes == ledger->tail.bytes);
	int r = is_synced ? 0 : sync_tail(now, err);

	if (r == 0 && now->fd >= 0)
		drop_behind(now, 0);
	return r < 0 ? r : create_segment(ledger->entries_fd, first, now, err);
}

/* Writes all n entries behind *now, which follows to the segment that it ends in. */
static int write_all(struct ledger *ledger, struct ledger_tail *now, struct cht_bytes bytes,
		     unsigned n, struct cht_err *err)
{
	uint64_t next = ledger->next, from;

	while (n > 0) {
		uint64_t room = now->fd < 0 ? 0 : SEGMENT_ENTRIES - (next - now->first);
		unsigned some = n < room ? n : (unsigned)room;
		struct cht_bytes part = bytes;
		int r;

		if (room == 0) {
			r = next_segment(ledger, now, next, err);
			if (r < 0)
				return r;
			continue;
		}
		if (some < n)
			part.len = bytes_of(bytes, some);
		from = now->bytes;
		r = append(now, part, err);
		if (r < 0)
			return r;
		start_writing(now, from);
		bytes.ptr += part.len;
		bytes.len -= part.len;
		next += some;
		n -= some;
	}
	return 0;
}

/* Nothing of this commit stays, or the ledger is broken. */
static int give_up(struct ledger *ledger, struct ledger_tail *now, int code, struct cht_err *err)
{
	if (code == CHT_E_FULL)
		code = undo(ledger, now, err) < 0 ? CHT_E_IO : CHT_E_FULL;
	if (now->fd != ledger->tail.fd)
		fd_close(&now->fd);
	ledger->is_broken = code != CHT_E_FULL;
	ledger->is_dirty = false; /* cut and synced, or never written again */
	return code;
}

int ledger_write(struct ledger *ledger, struct cht_bytes bytes, unsigned n, struct cht_err *err)
{
	struct ledger_tail now = ledger->tail;
	int r = 0;

	assert(n <= SEGMENT_ENTRIES && bytes.len <= LEDGER_COMMIT_MAX_BYTES);
	assert(bytes_of(bytes, n) == bytes.len);
	if (ledger->is_broken)
		return cht_fail(err, CHT_E_IO, 0, "the ledger is not written after a failure");
	if (n == 0)
		return 0;
	if (ledger->is_marked)
		r = mark_remove(ledger->dir_fd, err);
	if (r < 0)
		return give_up(ledger, &now, r, err);
	ledger->is_marked = false;
	r = write_all(ledger, &now, bytes, n, err);
	if (r < 0)
		return give_up(ledger, &now, r, err);
	if (now.fd != ledger->tail.fd)
		fd_close(&ledger->tail.fd);
	ledger->tail = now;
	ledger->next += n;
	ledger->is_dirty = true;
	return 0;
}

int ledger_sync(struct ledger *ledger, struct cht_err *err)
{
	int r;

	if (ledger->is_broken)
		return cht_fail(err, CHT_E_IO, 0, "the ledger is not written after a failure");
	if (!ledger->is_dirty)
		return 0;
	r = sync_tail(&ledger->tail, err);
	if (r == 0)
		drop_behind(&ledger->tail, KEEP_BYTES);
	ledger->is_dirty = false;
	ledger->is_broken = r < 0;
	return r;
}

int ledger_commit(struct ledger *ledger, struct cht_bytes bytes, unsigned n, struct cht_err *err)
{
	int r = ledger_write(ledger, bytes, n, err);

	return r < 0 ? r : ledger_sync(ledger, err);
}
