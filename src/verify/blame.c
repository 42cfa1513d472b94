/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries that do not give the signed root. Stored hashes that do give it are as good as the
 * signature: then the first entry that is not theirs is the first that was changed, and where the
 * hashes of what follows are found tells what was done. Level 0 is tried first; if it was changed
 * as well, level 1 with the leaves of the last, incomplete tile.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "verify/fold.h"

struct blame {
	const struct fold *fold;
	const struct source *source;
	uint64_t size;
	struct tlog_hash root;
	struct verify_finding *out;
};

static void say(struct blame *b, enum verify_fault fault, uint64_t index, uint64_t n,
		const char *fmt, ...) CHT_PRINTF(5, 6);

static void say(struct blame *b, enum verify_fault fault, uint64_t index, uint64_t n,
		const char *fmt, ...)
{
	va_list args;

	*b->out = (struct verify_finding){ .fault = fault,
					   .at = { .index = index,
						   .n = n,
						   .part = b->source->form == VERIFY_OF_BUNDLE
								   ? VERIFY_IN_BUNDLE
								   : VERIFY_IN_ENTRIES } };
	va_start(args, fmt);
	(void)vsnprintf(b->out->detail, sizeof(b->out->detail), fmt, args);
	va_end(args);
}

/* Where the entry of the finding stands, as it was seen on the way. */
static void place(struct blame *b, const struct fold_diff *leaf)
{
	b->out->at.file_first = leaf->file_first;
	b->out->at.file_offset = leaf->file_offset;
}

/* Up to a tile of stored hashes. 0, CHT_E_STATE, CHT_E_IO. */
static int stored(const struct blame *b, unsigned level, uint64_t first, size_t n,
		  struct tlog_hash *out, struct cht_err *err)
{
	return b->source->ops->hashes(b->fold->source, level, first, n, out, err);
}

static size_t up_to_a_tile(uint64_t first, uint64_t end)
{
	uint64_t n = TLOG_TILE_WIDTH - first % TLOG_TILE_WIDTH;

	return (size_t)(n < end - first ? n : end - first);
}

/* Adds the stored hashes [first, end) of a level. */
static int add_stored(const struct blame *b, unsigned level, uint64_t first, uint64_t end,
		      struct tlog_tree *tree, struct cht_err *err)
{
	struct tlog_hash hash[TLOG_TILE_WIDTH];

	while (first < end) {
		size_t n = up_to_a_tile(first, end);
		int r = stored(b, level, first, n, hash, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			tlog_tree_add_subtree(tree, level * TLOG_TILE_BITS, &hash[i]);
		first += n;
	}
	return 0;
}

static bool is_signed(const struct blame *b, const struct tlog_tree *tree)
{
	struct tlog_hash root;

	if (tree->size != b->size)
		return false;
	tlog_tree_root(tree, &root);
	return tlog_hash_eq(&root, &b->root);
}

/* Whether the stored leaf hashes give the root. 1, 0, CHT_E_IO. */
static int are_leaves_signed(const struct blame *b, struct cht_err *err)
{
	struct tlog_tree tree = { 0 };
	int r = add_stored(b, 0, 0, b->size, &tree, err);

	return r == CHT_E_STATE ? 0 : r < 0 ? r : is_signed(b, &tree);
}

/* The same of level 1 and the last leaves, stored ones or else those that were found. */
static int are_tiles_signed(const struct blame *b, struct cht_err *err)
{
	uint64_t tiles = b->size / TLOG_TILE_WIDTH;
	struct tlog_tree tree = { 0 }, found;
	int r = add_stored(b, 1, 0, tiles, &tree, err);

	if (r < 0)
		return r == CHT_E_STATE ? 0 : r;
	found = tree;
	r = add_stored(b, 0, tiles * TLOG_TILE_WIDTH, b->size, &tree, err);
	if (r < 0 && r != CHT_E_STATE)
		return r;
	if (r == 0 && is_signed(b, &tree))
		return 1;
	if (b->fold->whole.size != b->size)
		return 0;
	found.size = b->size;
	for (unsigned k = 0; k < TLOG_TILE_BITS; k++)
		found.node[k] = b->fold->whole.node[k];
	return is_signed(b, &found);
}

/* Where a leaf hash is stored, not before from. 1 and *index, 0, CHT_E_IO. */
static int find(const struct blame *b, const struct tlog_hash *leaf, uint64_t from, uint64_t *index,
		struct cht_err *err)
{
	struct tlog_hash hash[TLOG_TILE_WIDTH];

	while (from < b->size) {
		size_t n = up_to_a_tile(from, b->size);
		int r = stored(b, 0, from, n, hash, err);

		if (r < 0)
			return r == CHT_E_STATE ? 0 : r;
		for (size_t i = 0; i < n; i++)
			if (tlog_hash_eq(&hash[i], leaf)) {
				*index = from + i;
				return 1;
			}
		from += n;
	}
	return 0;
}

/* Entries found from at on that are stored farther down: *n of them, or 0. */
static int count_inserted(const struct blame *b, uint64_t at, unsigned *n, struct cht_err *err)
{
	struct tlog_hash want;
	int r = stored(b, 0, at, 1, &want, err);

	*n = 0;
	if (r < 0)
		return r == CHT_E_STATE ? 0 : r;
	for (unsigned k = 1; k < b->fold->n_window && *n == 0; k++)
		if (tlog_hash_eq(&b->fold->window[k], &want))
			*n = k;
	return 0;
}

/* What was done at the first entry that is not the one that was signed. */
static int name_attack(struct blame *b, uint64_t at, struct cht_err *err)
{
	const struct tlog_hash *found = b->fold->window;
	uint64_t later = 0, before = 0;
	unsigned inserted;
	int r = count_inserted(b, at, &inserted, err), is_later, is_before;

	if (r < 0)
		return r;
	is_later = find(b, &found[0], at + 1, &later, err);
	if (is_later < 0)
		return is_later;
	if (is_later == 1 && inserted > 0 && at + inserted == later)
		say(b, VERIFY_SWAPPED, at, inserted + 1,
		    "entry %" PRIu64 " stands here, and this one there", later);
	else if (is_later == 1)
		say(b, VERIFY_REMOVED, at, later - at,
		    "entry %" PRIu64 " stands here: %" PRIu64 " before it are gone", later,
		    later - at);
	else if (inserted == 0)
		say(b, VERIFY_CHANGED, at, 1, "its hash is not the one that was signed");
	else {
		is_before = find(b, &found[0], 0, &before, err);
		if (is_before < 0)
			return is_before;
		if (is_before == 1)
			say(b, VERIFY_REPEAT, at, inserted, "entry %" PRIu64 " stands here again",
			    before);
		else
			say(b, VERIFY_INSERTED, at, inserted,
			    "what was signed for this place stands %u behind it", inserted);
	}
	return 0;
}

/* The stored leaf hashes are authentic. */
static int by_leaves(struct blame *b, struct cht_err *err)
{
	const struct fold_diff *first = &b->fold->diff[0];

	if (first->any) {
		int r = name_attack(b, first->index, err);

		place(b, first);
		return r;
	}
	say(b, VERIFY_CUT, b->fold->whole.size, b->size - b->fold->whole.size,
	    "the checkpoint covers %" PRIu64 " entries", b->size);
	return 0;
}

/* Whether the stored leaves of a tile give its stored, authentic root. */
static int is_tile_stored_well(const struct blame *b, uint64_t tile, struct cht_err *err)
{
	struct tlog_tree tree = { 0 };
	struct tlog_hash root, want;
	int r = add_stored(b, 0, tile * TLOG_TILE_WIDTH, (tile + 1) * TLOG_TILE_WIDTH, &tree, err);

	if (r == 0)
		r = stored(b, 1, tile, 1, &want, err);
	if (r < 0)
		return r == CHT_E_STATE ? 0 : r;
	tlog_tree_root(&tree, &root);
	return tlog_hash_eq(&root, &want);
}

/* The roots of whole tiles are authentic, some stored leaf is not. */
static int by_tiles(struct blame *b, struct cht_err *err)
{
	const struct fold *fold = b->fold;
	uint64_t tile = fold->tile.index, first = tile * TLOG_TILE_WIDTH;
	int r;

	if (!fold->tile.any) {
		first = fold->whole.size - fold->whole.size % TLOG_TILE_WIDTH;
		say(b, VERIFY_CHANGED, fold->leaf.any ? fold->leaf.index : first, b->size - first,
		    "one of the last %" PRIu64, b->size - first);
		return 0;
	}
	r = is_tile_stored_well(b, tile, err);
	if (r < 0)
		return r;
	if (r == 1 && fold->tile_leaf.any) {
		say(b, VERIFY_CHANGED, fold->tile_leaf.index, 1,
		    "its hash is not the one that was signed");
		place(b, &fold->tile_leaf);
	} else
		say(b, VERIFY_CHANGED, first, TLOG_TILE_WIDTH,
		    "one of entries %" PRIu64 " to %" PRIu64 "; hashes/0 was changed with it",
		    first, first + TLOG_TILE_WIDTH - 1);
	return 0;
}

/* No stored hash is authentic: what agrees with what, and with older checkpoints. */
static void by_nothing(struct blame *b, uint64_t good, uint64_t bad)
{
	const struct fold_diff *first = &b->fold->diff[0];
	uint64_t from = good == UINT64_MAX ? 0 : good;

	if (bad == UINT64_MAX || bad > b->size)
		bad = b->size;
	if (bad <= from)
		bad = from + 1;
	if (first->any)
		say(b, VERIFY_ROOT, first->index, b->size - first->index,
		    "entries and hashes differ from here on, and neither gives the signed root");
	if (first->any)
		place(b, first);
	else if (b->fold->whole.size < b->size)
		say(b, VERIFY_CUT, b->fold->whole.size, b->size - b->fold->whole.size,
		    "the checkpoint covers %" PRIu64 " entries", b->size);
	else
		say(b, VERIFY_ROOT, from, bad - from,
		    "one of entries %" PRIu64 " to %" PRIu64 " is not the one that was signed",
		    from, bad - 1);
}

int blame_root(const struct fold *fold, const struct verify_signed *signed_by, uint64_t good,
	       uint64_t bad, struct verify_finding *out, struct cht_err *err)
{
	struct blame b = { fold, fold->source, signed_by->size, signed_by->root, out };
	int r;

	if (fold->source->ops->hashes == NULL) {
		by_nothing(&b, good, bad);
		return 0;
	}
	r = are_leaves_signed(&b, err);
	if (r == 1)
		return by_leaves(&b, err);
	if (r == 0)
		r = are_tiles_signed(&b, err);
	if (r == 1)
		return by_tiles(&b, err);
	if (r == 0)
		by_nothing(&b, good, bad);
	return r;
}
