/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a commit either moves the end or leaves it where it was: the new tail and tree are built
 * in copies, and what the old ones say is what the files are cut back to when there is no space
 * (docs/PROTOCOL.ledger section 5).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/commit.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/segment.h"
#include "ledger/state.h"

enum {
	KEEP_BYTES = 16 << 20, /* stays cached for those who follow */
	DROP_BYTES = 1 << 20,  /* dropped in one call */
};

/* What is written and not yet in the ledger's own fields. */
struct progress {
	struct ledger_tail tail;
	struct tlog_tree tree;
	unsigned levels; /* written to */
};

/* Entries that go to one segment, and their leaf hashes. */
struct part {
	const uint8_t *bytes;
	size_t len; /* found on the way */
	const struct tlog_hash *leaves;
	unsigned n;
};

/* The disk begins now, so that the sync finds little left to wait for. Only a hint: what it
 * says is not looked at, the sync's word counts. */
static void start_writing(int fd, uint64_t from, size_t len)
{
	(void)sync_file_range(fd, (off_t)from, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

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
 * commit that failed unlinked what it made. Its index is a cache: none is no failure. */
static int create_segment(int entries_fd, uint64_t first, struct ledger_tail *out,
			  struct cht_err *err)
{
	char name[SEGMENT_IDX_LEN + 1];
	int fd;

	segment_name(name, first);
	fd = openat(entries_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    LEDGER_FILE_MODE);
	if (fd < 0)
		return cht_fail(err, write_code(errno), errno, "create segment %s", name);
	segment_idx_name(name, first);
	*out = (struct ledger_tail){ .fd = fd, .first = first };
	out->idx_fd = openat(entries_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			     LEDGER_FILE_MODE);
	if (fsync(entries_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync entries/");
	return 0;
}

static int cut(int fd, uint64_t to, const char *what, struct cht_err *err)
{
	if (ftruncate(fd, (off_t)to) < 0)
		return cht_fail(err, write_code(errno), errno, "cut %s", what);
	if (fdatasync(fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync %s", what);
	return 0;
}

static int remove_new(struct ledger *ledger, struct cht_err *err)
{
	char name[SEGMENT_IDX_LEN + 1];

	segment_idx_name(name, ledger->rest.first);
	(void)unlinkat(ledger->entries_fd, name, 0);
	segment_name(name, ledger->rest.first);
	if (unlinkat(ledger->entries_fd, name, 0) < 0 && errno != ENOENT)
		return cht_fail(err, write_code(errno), errno, "remove segment %s", name);
	if (fsync(ledger->entries_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync entries/");
	ledger->rest.has_segment = false;
	return 0;
}

/* Brings the files back to the last write. The new segment must be gone for good before the
 * old one is cut: a short segment with a successor is what damage looks like. Where a file system
 * writes nothing in place, cutting takes space as well, and has to be tried again. */
int commit_cut_rest(struct ledger *ledger, struct cht_err *err)
{
	struct ledger_rest *rest = &ledger->rest;
	int r = 0;

	if (!rest->is_there)
		return 0;
	if (rest->has_segment)
		r = remove_new(ledger, err);
	if (r == 0 && ledger->tail.fd >= 0)
		r = cut(ledger->tail.fd, ledger->tail.bytes, "a segment", err);
	for (unsigned level = 0; level < TLOG_LEVELS && r == 0; level++)
		if ((rest->levels >> level & 1) != 0)
			r = cut(ledger->level_fd[level],
				(ledger->tree.size >> (level * TLOG_TILE_BITS)) * TLOG_HASH_BYTES,
				"hashes/", err);
	rest->is_there = r < 0;
	ledger->is_broken = ledger->is_broken || (r < 0 && r != CHT_E_FULL);
	return r;
}

/* No byte of a segment is written before its predecessor is full and durable. */
static int next_segment(struct ledger *ledger, struct progress *now, struct cht_err *err)
{
	struct ledger_tail *tail = &now->tail;
	bool is_synced = tail->fd < 0 || (!ledger->is_dirty && ledger->flush.n_pending == 0 &&
					  tail->bytes == ledger->tail.bytes);
	int r = is_synced ? 0 : sync_tail(tail, err);

	if (r == 0 && tail->fd >= 0)
		drop_behind(tail, 0);
	if (r < 0)
		return r;
	if (tail->idx_fd != ledger->tail.idx_fd)
		fd_close(&tail->idx_fd);
	return create_segment(ledger->entries_fd, now->tree.size, tail, err);
}

/* Where an entry with a multiple of 256 stands. A write that fails leaves a cache that does not
 * fit, which readers notice. */
static void note_offset(const struct ledger_tail *tail, uint64_t index, uint64_t offset)
{
	uint8_t be[8];

	be64_store(be, offset);
	if (tail->idx_fd >= 0 &&
	    pwrite(tail->idx_fd, be, sizeof(be),
		   (off_t)((index - tail->first) / TLOG_TILE_WIDTH * sizeof(be))) < 0)
		return;
}

static int write_upper(struct ledger *ledger, struct progress *now, unsigned level,
		       const struct tlog_hash *hash, struct cht_err *err)
{
	uint64_t place = (now->tree.size >> (level * TLOG_TILE_BITS)) - 1;

	now->levels |= 1U << level;
	return file_write_at(ledger->level_fd[level],
			     (struct cht_bytes){ hash->b, TLOG_HASH_BYTES },
			     place * TLOG_HASH_BYTES, "hashes/", err);
}

/* Adds the leaves to the tree, and what they complete to the upper levels. */
static int add_leaves(struct ledger *ledger, struct progress *now, struct part *part,
		      struct cht_err *err)
{
	struct tlog_hash done[TLOG_LEVELS];

	for (unsigned i = 0; i < part->n; i++) {
		uint64_t index = now->tree.size;
		unsigned n_done;

		if (index % TLOG_TILE_WIDTH == 0)
			note_offset(&now->tail, index, now->tail.bytes + part->len);
		part->len += ENTRY_LENGTH_BYTES + (size_t)be16_load(part->bytes + part->len);
		n_done = tlog_tree_add(&now->tree, &part->leaves[i], done);
		for (unsigned level = 1; level < n_done; level++) {
			int r = write_upper(ledger, now, level, &done[level], err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* All of it goes to the segment that now->tail is. */
static int write_part(struct ledger *ledger, struct progress *now, struct part *part,
		      struct cht_err *err)
{
	const struct cht_bytes hashes = { part->leaves->b, (size_t)part->n * TLOG_HASH_BYTES };
	uint64_t first = now->tree.size, from = now->tail.bytes;
	int r;

	now->levels |= 1;
	r = file_write_at(ledger->level_fd[0], hashes, first * TLOG_HASH_BYTES, "hashes/0", err);
	if (r == 0)
		r = add_leaves(ledger, now, part, err);
	if (r == 0)
		r = file_write_at(now->tail.fd, (struct cht_bytes){ part->bytes, part->len }, from,
				  "a segment", err);
	if (r < 0)
		return r;
	now->tail.bytes = from + part->len;
	start_writing(now->tail.fd, from, part->len);
	start_writing(ledger->level_fd[0], first * TLOG_HASH_BYTES, hashes.len);
	return 0;
}

static int write_all(struct ledger *ledger, struct progress *now, struct cht_bytes bytes,
		     const struct tlog_hash *leaves, unsigned n, struct cht_err *err)
{
	struct part part = { .bytes = bytes.ptr, .leaves = leaves };

	while (n > 0) {
		const struct ledger_tail *tail = &now->tail;
		uint64_t room = tail->fd < 0 ? 0 : SEGMENT_ENTRIES - (now->tree.size - tail->first);
		int r;

		part.n = n < room ? n : (unsigned)room;
		part.len = 0;
		r = room == 0 ? next_segment(ledger, now, err)
			      : write_part(ledger, now, &part, err);
		if (r < 0)
			return r;
		part.bytes += part.len;
		part.leaves += part.n;
		n -= part.n;
	}
	assert(part.bytes == bytes.ptr + bytes.len);
	return 0;
}

/* Nothing of this commit stays, as soon as it can be cut; or the ledger is broken. */
static int give_up(struct ledger *ledger, struct progress *now, int code, struct cht_err *err)
{
	struct cht_err why = { 0 };

	if (code == CHT_E_FULL) {
		ledger->rest = (struct ledger_rest){
			.is_there = true,
			.levels = now->levels,
			.has_segment = now->tail.fd >= 0 && now->tail.fd != ledger->tail.fd,
			.first = now->tail.first,
		};
		if (commit_cut_rest(ledger, &why) < 0 && ledger->is_broken) {
			code = CHT_E_IO;
			if (err != NULL)
				*err = why;
		}
	}
	if (now->tail.fd != ledger->tail.fd) {
		fd_close(&now->tail.fd);
		fd_close(&now->tail.idx_fd);
	}
	ledger->is_broken = code != CHT_E_FULL;
	return code;
}

/* An end that calls itself clean must not have a byte behind it. */
static int clear_clean(struct ledger *ledger, struct cht_err *err)
{
	int r;

	if (!ledger->state.is_clean)
		return 0;
	ledger->state.is_clean = false;
	r = state_write(ledger->slots_fd, &ledger->state, err);
	ledger->state.is_clean = r < 0;
	return r;
}

int ledger_write(struct ledger *ledger, struct cht_bytes bytes, const struct tlog_hash *leaves,
		 unsigned n, struct cht_err *err)
{
	struct progress now = { .tail = ledger->tail, .tree = ledger->tree };
	int r;

	assert(n <= SEGMENT_ENTRIES && bytes.len <= LEDGER_COMMIT_MAX_BYTES);
	if (ledger->is_broken)
		return cht_fail(err, CHT_E_IO, 0, "the ledger is not written after a failure");
	if (n == 0)
		return 0;
	r = commit_cut_rest(ledger, err);
	if (r < 0)
		return r;
	r = clear_clean(ledger, err);
	if (r == 0)
		r = write_all(ledger, &now, bytes, leaves, n, err);
	if (r < 0)
		return give_up(ledger, &now, r, err);
	if (now.tail.fd != ledger->tail.fd) {
		fd_close(&ledger->tail.fd);
		fd_close(&ledger->tail.idx_fd);
	}
	ledger->tail = now.tail;
	ledger->tree = now.tree;
	ledger->dirty_levels |= now.levels;
	ledger->is_dirty = true;
	return 0;
}

int ledger_sync_begin(struct ledger *ledger, struct cht_err *err)
{
	if (ledger->is_broken)
		return cht_fail(err, CHT_E_IO, 0, "the ledger is not written after a failure");
	if (!ledger->is_dirty)
		return 0;
	ledger->extent =
		(struct ledger_extent){ ledger->tree, ledger->tail.first, ledger->tail.bytes };
	flush_add(&ledger->flush, ledger->tail.fd);
	for (unsigned level = 0; level < TLOG_LEVELS; level++)
		if ((ledger->dirty_levels >> level & 1) != 0)
			flush_add(&ledger->flush, ledger->level_fd[level]);
	ledger->is_dirty = false;
	ledger->dirty_levels = 0;
	return 0;
}

/* Whatever the reason, a failed sync is final: the pages may be gone and look clean. */
int ledger_sync_end(struct ledger *ledger, struct cht_err *err)
{
	int r = flush_end(&ledger->flush, err);

	if (r == 0 && ledger->tail.fd >= 0)
		drop_behind(&ledger->tail, KEEP_BYTES);
	ledger->is_broken = ledger->is_broken || r < 0;
	return r;
}

int ledger_sync(struct ledger *ledger, struct cht_err *err)
{
	int r = ledger_sync_begin(ledger, err);

	return r < 0 ? r : ledger_sync_end(ledger, err);
}
