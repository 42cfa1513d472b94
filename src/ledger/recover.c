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

enum { WALK_BYTES = 1 << 18 };
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
	out->has_extra = out->cut_bytes > 0 || out->tree.size > state->tree.size;
	return has_extra_hashes(ledger, &out->has_extra, err);
}

/* Later segments go first, so that none is ever short with a successor. */
static int remove_later(struct ledger *ledger, const struct segment_list *list, uint64_t first,
			struct cht_err *err)
{
	bool any = false;

	for (uint64_t at = list->last; list->n > 0 && at > first; at -= SEGMENT_ENTRIES) {
		char name[SEGMENT_IDX_LEN + 1];

		segment_idx_name(name, at);
		(void)unlinkat(ledger->entries_fd, name, 0);
		segment_name(name, at);
		if (unlinkat(ledger->entries_fd, name, 0) < 0)
			return cht_fail(err, CHT_E_IO, errno, "remove segment %s", name);
		any = true;
	}
	if (any && fsync(ledger->entries_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync entries/");
	return 0;
}

/* Hash i of a level from the 256 below it. */
static int fold_tile(const struct tlog_source *source, unsigned level, uint64_t i,
		     struct tlog_hash *out)
{
	struct tlog_hash tile[TLOG_TILE_WIDTH];
	struct tlog_tree tree = { 0 };
	int r = source->read(source->context, level - 1, i * TLOG_TILE_WIDTH, TLOG_TILE_WIDTH,
			     tile);

	if (r < 0)
		return r;
	for (unsigned k = 0; k < TLOG_TILE_WIDTH; k++)
		tlog_tree_add_subtree(&tree, 0, &tile[k]);
	tlog_tree_root(&tree, out);
	return 0;
}

/* hashes/0 already has what is kept; the upper levels get it once more, each from the one below. */
static int settle_levels(struct ledger *ledger, uint64_t size, struct cht_err *err)
{
	const struct tlog_source source = { level_read, ledger->level_fd };

	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		uint64_t width = UINT64_C(1) << (level * TLOG_TILE_BITS);
		uint64_t have = ledger->state.tree.size / width, want = size / width;
		uint64_t keep = level == 0 ? want : have;
		int fd = ledger->level_fd[level];

		if (ftruncate(fd, (off_t)(keep * TLOG_HASH_BYTES)) < 0)
			return cht_fail(err, CHT_E_IO, errno, "cut hashes/%u", level);
		for (uint64_t i = keep; i < want; i++) {
			struct tlog_hash hash;
			int r = fold_tile(&source, level, i, &hash);

			if (r == 0)
				r = file_write_at(fd, (struct cht_bytes){ hash.b, sizeof(hash.b) },
						  i * TLOG_HASH_BYTES, "hashes/", err);
			if (r < 0)
				return cht_fail(err, CHT_E_IO, 0, "complete hashes/%u", level);
		}
		if (fdatasync(fd) < 0)
			return cht_fail(err, CHT_E_IO, errno, "sync hashes/%u", level);
	}
	return 0;
}

int recover_settle(struct ledger *ledger, const struct segment_list *list,
		   const struct recover_end *end, struct cht_err *err)
{
	int r = remove_later(ledger, list, end->first, err);

	if (r < 0)
		return r;
	if (ledger->tail.fd >= 0 &&
	    (ftruncate(ledger->tail.fd, (off_t)end->bytes) < 0 || fdatasync(ledger->tail.fd) < 0 ||
	     fsync(ledger->entries_fd) < 0))
		return cht_fail(err, CHT_E_IO, errno, "settle segment %020" PRIu64, end->first);
	return settle_levels(ledger, end->tree.size, err);
}
