/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "tlog/hash.h"
#include "tlog/tlog.h"

unsigned tlog_tree_add(struct tlog_tree *tree, const struct tlog_hash *leaf,
		       struct tlog_hash done[TLOG_LEVELS])
{
	struct tlog_hash hash = *leaf;
	unsigned k = 0, n = 1;

	assert(tree->size < TLOG_SIZE_MAX);
	done[0] = hash;
	for (; (tree->size >> k & 1) != 0; k++) {
		tlog_node(&tree->node[k], &hash, &hash);
		if ((k + 1) % TLOG_TILE_BITS == 0)
			done[n++] = hash;
	}
	tree->node[k] = hash;
	tree->size++;
	return n;
}

void tlog_tree_add_subtree(struct tlog_tree *tree, unsigned k, const struct tlog_hash *root)
{
	uint64_t leaves = UINT64_C(1) << k;
	struct tlog_hash hash = *root;

	assert(tree->size % leaves == 0 && leaves <= TLOG_SIZE_MAX - tree->size);
	for (; (tree->size >> k & 1) != 0; k++)
		tlog_node(&tree->node[k], &hash, &hash);
	tree->node[k] = hash;
	tree->size += leaves;
}

void tlog_tile_root(const struct tlog_hash tile[TLOG_TILE_WIDTH], struct tlog_hash *out)
{
	struct tlog_hash half[TLOG_TILE_WIDTH / 2];

	for (size_t i = 0; i < TLOG_TILE_WIDTH / 2; i++)
		tlog_node(&tile[2 * i], &tile[2 * i + 1], &half[i]);
	for (size_t n = TLOG_TILE_WIDTH / 4; n > 0; n /= 2)
		for (size_t i = 0; i < n; i++)
			tlog_node(&half[2 * i], &half[2 * i + 1], &half[i]);
	*out = half[0];
}

void tlog_tree_root(const struct tlog_tree *tree, struct tlog_hash *out)
{
	struct tlog_hash hash;
	unsigned k = 0;

	if (tree->size == 0) {
		hash_plain(NULL, 0, out);
		return;
	}
	while ((tree->size >> k & 1) == 0)
		k++;
	hash = tree->node[k];
	for (k++; k < 64; k++)
		if ((tree->size >> k & 1) != 0)
			tlog_node(&tree->node[k], &hash, &hash);
	*out = hash;
}

/* The compact range of leaves [lo, lo + n) as of a tree of its own. What a level gives to it is
 * one run of hashes of a single tile: the digit of n to base 256. */
static int load(const struct tlog_source *source, uint64_t lo, uint64_t n, struct tlog_tree *out)
{
	struct tlog_hash hashes[TLOG_TILE_WIDTH];

	out->size = 0;
	for (unsigned level = TLOG_LEVELS; level-- > 0;) {
		unsigned shift = level * TLOG_TILE_BITS;
		size_t count = (size_t)(n >> shift) % TLOG_TILE_WIDTH;
		int r;

		if (count == 0)
			continue;
		r = source->read(source->context, level, (lo + out->size) >> shift, count, hashes);
		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++)
			tlog_tree_add_subtree(out, shift, &hashes[i]);
	}
	return 0;
}

int tlog_range_root(const struct tlog_source *source, uint64_t lo, uint64_t hi,
		    struct tlog_hash *out)
{
	struct tlog_tree tree;
	int r;

	assert(lo <= hi && hi <= TLOG_SIZE_MAX);
	r = load(source, lo, hi - lo, &tree);
	if (r == 0)
		tlog_tree_root(&tree, out);
	return r;
}

int tlog_tree_load(const struct tlog_source *source, uint64_t size, struct tlog_tree *out)
{
	assert(size <= TLOG_SIZE_MAX);
	return load(source, 0, size, out);
}
