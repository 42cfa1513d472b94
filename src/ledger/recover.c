/* SPDX-License-Identifier: Apache-2.0
 *
 * Above the newest checkpoint nothing was ever acknowledged, so anything may be cut there; what is
 * whole and has the hash that was written from memory is kept, because it is evidence all the same.
 * An entry without its hash is not: it may be what somebody put there while nobody wrote (ADR 15).
 */
#include "ledger/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"

enum { WALK_BYTES = 1 << 18, COPY_BYTES = 4096 };
_Static_assert(WALK_BYTES >= CHT_ENTRY_MAX_BYTES + ENTRY_LENGTH_BYTES, "a step takes an entry");

static int open_segment(int entries_fd, uint64_t first, struct cht_err *err)
{
	char name[SEGMENT_NAME_LEN + 1];
	int fd;

	segment_name(name, first);
	fd = openat(entries_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open segment %s", name);
	return fd;
}

/* Whether hashes/0 has this entry's hash at the tree's next place. 1, 0, CHT_E_IO. */
static int is_hashed(struct ledger *ledger, const struct tlog_tree *tree, struct cht_bytes entry,
		     struct tlog_hash *leaf)
{
	struct tlog_hash stored;
	int r = level_read(ledger->level_fd, 0, tree->size, 1, &stored);

	if (r == CHT_E_STATE)
		return 0;
	if (r < 0)
		return r;
	tlog_leaf(entry, leaf);
	return tlog_hash_eq(leaf, &stored) ? 1 : 0;
}

/* Takes what can be kept of one segment, from out->bytes on. *is_stopped: something that cannot be
 * kept comes next, or the end of the file. */
static int walk_segment(struct ledger *ledger, int fd, uint8_t *buf, struct recover_end *out,
			bool *is_stopped)
{
	struct tlog_hash done[TLOG_LEVELS], leaf;

	while (out->tree.size - out->first < SEGMENT_ENTRIES) {
		ptrdiff_t n = segment_read(fd, buf, WALK_BYTES, out->bytes, NULL);
		size_t at = 0, len;
		int r = n < 0 ? (int)n : 1;

		while (r == 1 && out->tree.size - out->first < SEGMENT_ENTRIES &&
		       entry_at(buf + at, (size_t)n - at, &len) == ENTRY_WHOLE) {
			r = is_hashed(ledger, &out->tree,
				      (struct cht_bytes){ buf + at + ENTRY_LENGTH_BYTES, len },
				      &leaf);
			if (r != 1)
				break;
			(void)tlog_tree_add(&out->tree, &leaf, done);
			at += ENTRY_LENGTH_BYTES + len;
		}
		out->bytes += at;
		if (r < 0)
			return r;
		if (r == 0 || at == 0) {
			*is_stopped = true;
			return 0;
		}
	}
	return 0;
}

/* Bytes in the end's segment behind the end, and in all segments after it. */
static int count_behind(struct ledger *ledger, const struct segment_list *list,
			struct recover_end *out, struct cht_err *err)
{
	uint64_t first = out->first, size;

	out->cut_bytes = 0;
	for (; list->n > 0 && first <= list->last; first += SEGMENT_ENTRIES) {
		int fd = open_segment(ledger->entries_fd, first, err), r;

		if (fd < 0)
			return fd;
		r = file_size(fd, &size, err);
		fd_close(&fd);
		if (r < 0)
			return r;
		out->cut_bytes += first == out->first ? size - out->bytes : size;
	}
	return 0;
}

/* Hashes above the state, in any level. */
static int has_extra_hashes(struct ledger *ledger, bool *yes, struct cht_err *err)
{
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		uint64_t size, want = (ledger->state.tree.size >> (level * TLOG_TILE_BITS)) *
				      TLOG_HASH_BYTES;
		int r = file_size(ledger->level_fd[level], &size, err);

		if (r < 0)
			return r;
		if (size > want)
			*yes = true;
	}
	return 0;
}

static int walk(struct ledger *ledger, const struct segment_list *list, uint8_t *buf,
		struct recover_end *out, struct cht_err *err)
{
	bool is_stopped = false;

	while (!is_stopped) {
		int fd, r;

		if (out->tree.size - out->first == SEGMENT_ENTRIES) {
			if (list->last <= out->first)
				return 0;
			out->first = out->tree.size;
			out->bytes = 0;
		}
		fd = open_segment(ledger->entries_fd, out->first, err);
		if (fd < 0)
			return fd;
		r = walk_segment(ledger, fd, buf, out, &is_stopped);
		fd_close(&fd);
		if (r < 0)
			return cht_fail(err, CHT_E_IO, 0, "read what stands above the checkpoint");
	}
	return 0;
}

int recover_look(struct ledger *ledger, const struct segment_list *list, struct recover_end *out,
		 struct cht_err *err)
{
	const struct ledger_state *state = &ledger->state;
	uint8_t *buf;
	int r = 0;

	*out = (struct recover_end){ .tree = state->tree,
				     .first = state->tail_first,
				     .bytes = state->tail_bytes };
	buf = malloc(WALK_BYTES);
	if (buf == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to recover the ledger");
	if (list->n > 0)
		r = walk(ledger, list, buf, out, err);
	free(buf);
	if (r == 0)
		r = count_behind(ledger, list, out, err);
	if (r < 0)
		return r;
	out->has_extra = out->cut_bytes > 0 || out->tree.size > state->tree.size ||
			 (list->n > 0 && list->last > out->first);
	return has_extra_hashes(ledger, &out->has_extra, err);
}

/* Later segments go first, so that none is ever short with a successor. */
static int remove_later(struct ledger *ledger, const struct segment_list *list, uint64_t first,
			struct cht_err *err)
{
	for (uint64_t at = list->last; list->n > 0 && at > first; at -= SEGMENT_ENTRIES) {
		int r = segment_remove(ledger->entries_fd, at, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Writes once more what stands there, and syncs. Where a sync failed, what is read may be in memory
 * alone and look written: a further sync would say that all is well. */
static int write_again(int fd, uint64_t from, uint64_t to, const char *what, struct cht_err *err)
{
	uint8_t bytes[COPY_BYTES];

	while (from < to) {
		size_t want = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
		ptrdiff_t n = segment_read(fd, bytes, want, from, err);
		int r = n < 0 ? (int)n : 0;

		if (r == 0 && n == 0)
			r = cht_fail(err, CHT_E_IO, 0, "%s became shorter", what);
		if (r == 0)
			r = file_write_at(fd, (struct cht_bytes){ bytes, (size_t)n }, from, what,
					  err);
		if (r < 0)
			return r;
		from += (uint64_t)n;
	}
	if (fdatasync(fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync %s", what);
	return 0;
}

/* What is kept, in each segment that has some of it. */
static int settle_segments(struct ledger *ledger, const struct recover_end *end,
			   struct cht_err *err)
{
	uint64_t first = ledger->state.tail_first, from = ledger->state.tail_bytes;
	int r = 0;

	for (; r == 0 && first <= end->first; first += SEGMENT_ENTRIES, from = 0) {
		uint64_t to = end->bytes;
		int fd = open_segment(ledger->entries_fd, first, err);

		if (fd < 0)
			return fd;
		if (first == end->first && ftruncate(fd, (off_t)to) < 0)
			r = cht_fail(err, CHT_E_IO, errno, "cut segment %020" PRIu64, first);
		if (r == 0 && first != end->first)
			r = file_size(fd, &to, err);
		if (r == 0)
			r = write_again(fd, from, to, "a segment", err);
		fd_close(&fd);
	}
	if (r == 0 && fsync(ledger->entries_fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync entries/");
	return r;
}

/* Hash i of a level from the 256 below it. */
static int fold_tile(const struct tlog_source *source, unsigned level, uint64_t i,
		     struct tlog_hash *out)
{
	struct tlog_hash tile[TLOG_TILE_WIDTH];
	int r = source->read(source->context, level - 1, i * TLOG_TILE_WIDTH, TLOG_TILE_WIDTH,
			     tile);

	if (r < 0)
		return r;
	tlog_tile_root(tile, out);
	return 0;
}

/* Of an upper level: the hashes that what is kept completes, each from those below it. */
static int fold_level(struct ledger *ledger, unsigned level, uint64_t from, uint64_t to,
		      struct cht_err *err)
{
	const struct tlog_source source = { level_read, ledger->level_fd };
	int r = 0;

	for (uint64_t i = from; r == 0 && i < to; i++) {
		struct tlog_hash hash;

		if (fold_tile(&source, level, i, &hash) < 0)
			return cht_fail(err, CHT_E_IO, 0, "read hashes/%u", level - 1);
		r = file_write_at(ledger->level_fd[level],
				  (struct cht_bytes){ hash.b, sizeof(hash.b) }, i * TLOG_HASH_BYTES,
				  "hashes/", err);
	}
	return r;
}

/* hashes/0 already has what is kept; the upper levels are made from it. */
static int settle_levels(struct ledger *ledger, uint64_t size, struct cht_err *err)
{
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		uint64_t have = ledger->state.tree.size >> (level * TLOG_TILE_BITS);
		uint64_t want = size >> (level * TLOG_TILE_BITS), stored;
		int fd = ledger->level_fd[level];
		int r = file_size(fd, &stored, err);

		if (r < 0)
			return r;
		if (have == want && stored == want * TLOG_HASH_BYTES)
			continue;
		if (ftruncate(fd, (off_t)((level == 0 ? want : have) * TLOG_HASH_BYTES)) < 0)
			return cht_fail(err, CHT_E_IO, errno, "cut hashes/%u", level);
		if (level > 0)
			r = fold_level(ledger, level, have, want, err);
		if (r == 0)
			r = write_again(fd, (level == 0 ? have : want) * TLOG_HASH_BYTES,
					want * TLOG_HASH_BYTES, "hashes/", err);
		if (r < 0)
			return r;
	}
	return 0;
}

int recover_settle(struct ledger *ledger, const struct segment_list *list,
		   const struct recover_end *end, struct cht_err *err)
{
	int r = remove_later(ledger, list, end->first, err);

	if (r == 0 && list->n > 0)
		r = settle_segments(ledger, end, err);
	return r < 0 ? r : settle_levels(ledger, end->tree.size, err);
}
