/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/fold.h"

static void differs(struct fold_diff *diff, uint64_t index, bool is_missing)
{
	if (!diff->any)
		*diff = (struct fold_diff){ .any = true, .is_missing = is_missing, .index = index };
}

/* Holds one computed hash against the stored one. */
static int compare(struct fold *fold, unsigned level, uint64_t index, const struct tlog_hash *hash,
		   struct cht_err *err)
{
	struct tlog_hash stored;
	int r;

	if (level >= TLOG_LEVELS)
		return 0;
	r = fold->source->ops->hashes(fold->source, level, index, 1, &stored, err);
	if (r < 0 && r != CHT_E_STATE)
		return r;
	if (r == 0 && tlog_hash_eq(&stored, hash))
		return 0;
	if (r == CHT_E_STATE && fold->source->size == UINT64_MAX)
		return 0; /* it may be on its way */
	differs(&fold->diff[level], index, r == CHT_E_STATE);
	if (level == 1 && !fold->tile.any) {
		differs(&fold->tile, index, r == CHT_E_STATE);
		fold->tile_leaf = fold->leaf;
	}
	return 0;
}

/* A whole tile of leaves is complete, and with it perhaps larger ones. */
static int add_tile(struct fold *fold, const struct tlog_hash *root, struct cht_err *err)
{
	struct tlog_hash done[TLOG_LEVELS];
	unsigned n;
	int r = 0;

	if (fold->source->ops->hashes == NULL)
		return 0;
	n = tlog_tree_add(&fold->high, root, done);
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = compare(fold, i + 1, (fold->high.size >> i * TLOG_TILE_BITS) - 1, &done[i],
			    err);
	fold->leaf.any = false;
	return r;
}

static void remember(struct fold *fold, const struct block *block, unsigned from)
{
	for (unsigned i = from; i < block->n && fold->n_window < FOLD_WINDOW; i++)
		fold->window[fold->n_window++] = block->leaf[i];
}

/* The stored hash of one leaf, where the block's were not all to be had at once. */
static int reread(struct source *source, int r, uint64_t index, struct tlog_hash *out,
		  struct cht_err *err)
{
	return r == CHT_E_STATE ? source->ops->hashes(source, 0, index, 1, out, err) : r;
}

static void leaf_differs(struct fold *fold, const struct block *block, unsigned i, bool is_missing)
{
	if (fold->leaf.any)
		return;
	differs(&fold->leaf, block->first + i, is_missing);
	fold->leaf.file_first = block->file_first;
	fold->leaf.file_offset = block->item[i].offset;
	if (!fold->diff[0].any)
		fold->diff[0] = fold->leaf;
}

static int compare_leaves(struct fold *fold, const struct block *block, struct cht_err *err)
{
	struct tlog_hash stored[BLOCK_ENTRIES_MAX];
	struct source *source = fold->source;
	bool was = fold->diff[0].any;
	int all = source->ops->hashes(source, 0, block->first, block->n, stored, err);

	for (unsigned i = 0; i < block->n; i++) {
		int r = reread(source, all, block->first + i, &stored[i], err);

		if (r < 0 && r != CHT_E_STATE)
			return r;
		if (r == CHT_E_STATE && source->size == UINT64_MAX)
			break;
		if (r == CHT_E_STATE || !tlog_hash_eq(&stored[i], &block->leaf[i]))
			leaf_differs(fold, block, i, r == CHT_E_STATE);
	}
	if (fold->diff[0].any)
		remember(fold, block, was ? 0 : (unsigned)(fold->diff[0].index - block->first));
	return 0;
}

int fold_block(struct fold *fold, const struct block *block, struct cht_err *err)
{
	struct tlog_hash done[TLOG_LEVELS];
	int r = 0;

	if (block->kind == BLOCK_SUBTREE) {
		tlog_tree_add_subtree(&fold->whole, block->k, &block->root);
		return 0;
	}
	if (block->kind == BLOCK_ENTRIES && fold->source->ops->hashes != NULL)
		r = compare_leaves(fold, block, err);
	if (r == 0 && block->n == BLOCK_ENTRIES_MAX) {
		tlog_tree_add_subtree(&fold->whole, TLOG_TILE_BITS, &block->root);
		return add_tile(fold, &block->root, err);
	}
	for (unsigned i = 0; r == 0 && i < block->n; i++)
		if (tlog_tree_add(&fold->whole, &block->leaf[i], done) > 1)
			r = add_tile(fold, &done[1], err);
	return r;
}

bool fold_root_at(const struct fold *fold, const struct block *block, uint64_t size,
		  struct tlog_hash *out)
{
	struct tlog_tree tree = fold->whole;
	struct tlog_hash done[TLOG_LEVELS];

	if (size > tree.size && block->kind == BLOCK_SUBTREE)
		return false;
	for (unsigned i = 0; tree.size < size; i++)
		(void)tlog_tree_add(&tree, &block->leaf[i], done);
	tlog_tree_root(&tree, out);
	return true;
}
