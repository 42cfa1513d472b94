/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree of n leaves is, at its right edge, one partial tile in each level where n has a digit to
 * base 256: together they are its compact range, so they are held against the root as one. A full
 * tile is one hash of the tile above it, up to one of the edge. What was taken is kept, so that
 * reading on costs one hash of a tile for 256 entries.
 */
#include "ledger/check.h"

#include <inttypes.h>

#include "base/err.h"

static uint64_t count_at(unsigned level, uint64_t size)
{
	return size >> (level * TLOG_TILE_BITS);
}

static int read_tile(struct ledger_view *view, unsigned level, struct check_tile *tile,
		     struct cht_err *err)
{
	struct tlog_source source = ledger_view_hashes(view);
	int r = source.read(source.context, level, tile->n * TLOG_TILE_WIDTH, tile->width,
			    tile->hash);

	if (r < 0 && err != NULL)
		*err = view->hashes_err;
	return r;
}

/* The edge of a tree of this size, and the root that it leads to. */
static int read_edge(struct ledger_view *view, uint64_t size, struct check_tile *edge,
		     struct tlog_hash *root, struct cht_err *err)
{
	struct tlog_tree tree = { .size = 0 };

	for (unsigned level = TLOG_LEVELS; level-- > 0;) {
		uint64_t count = count_at(level, size);
		struct check_tile *tile = &edge[level];
		int r;

		tile->n = count / TLOG_TILE_WIDTH;
		tile->width = (unsigned)(count % TLOG_TILE_WIDTH);
		if (tile->width == 0)
			continue;
		r = read_tile(view, level, tile, err);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < tile->width; i++)
			tlog_tree_add_subtree(&tree, level * TLOG_TILE_BITS, &tile->hash[i]);
	}
	tlog_tree_root(&tree, root);
	return 0;
}

/* Whether the tree begins with this edge of an earlier one, tile by tile. None of these was full
 * before, nor any above it, so that each is read anew. */
static int check_grown(struct ledger_check *check, struct ledger_view *view,
		       const struct check_tile *before, struct cht_err *err)
{
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		const struct check_tile *old = &before[level], *tile;
		int r;

		if (old->width == 0)
			continue;
		r = ledger_check_tile(check, view, level, old->n, &tile, err);
		if (r < 0)
			return r;
		if (old->width > tile->width ||
		    memcmp(old->hash, tile->hash, old->width * sizeof(old->hash[0])) != 0)
			return cht_fail(err, CHT_E_STATE, 0,
					"ledger damaged: the checkpoint of %" PRIu64
					" entries does not go on from the one before",
					check->size);
	}
	return 0;
}

int ledger_check_take(struct ledger_check *check, struct ledger_view *view, struct cht_err *err)
{
	struct check_tile *edge = check->edges[check->edge ^ 1];
	uint64_t before = check->size;
	struct tlog_hash root;
	int r;

	if (view->size == before)
		return 0;
	r = read_edge(view, view->size, edge, &root, err);
	if (r < 0)
		return r;
	if (!tlog_hash_eq(&root, &view->root))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: hashes/ does not lead to the root in the "
				"checkpoint of %" PRIu64 " entries",
				view->size);
	check->edge ^= 1;
	check->size = view->size;
	r = check_grown(check, view, check->edges[check->edge ^ 1], err);
	if (r == 0)
		return 0;
	check->edge ^= 1;
	check->size = before;
	memset(check->full, 0, sizeof(check->full));
	return r;
}

static const struct check_tile no_tile;

int ledger_check_tile(struct ledger_check *check, struct ledger_view *view, unsigned level,
		      uint64_t n, const struct check_tile **out, struct cht_err *err)
{
	struct check_tile *mine = level < TLOG_LEVELS ? &check->full[level] : NULL;
	uint64_t full = level < TLOG_LEVELS ? count_at(level, check->size) / TLOG_TILE_WIDTH : 0;
	const struct check_tile *edge = check->edges[check->edge] + level, *above;
	struct tlog_hash root;
	int r;

	*out = &no_tile;
	if (mine == NULL || n > full || (n == full && edge->width == 0))
		return cht_fail(err, CHT_E_STATE, 0,
				"there is no tile %" PRIu64 " of level %u under the checkpoint", n,
				level);
	*out = n == full ? edge : mine;
	if (n == full || (mine->width != 0 && mine->n == n))
		return 0;
	r = ledger_check_tile(check, view, level + 1, n / TLOG_TILE_WIDTH, &above, err);
	if (r < 0)
		return r;
	*mine = (struct check_tile){ .n = n, .width = TLOG_TILE_WIDTH };
	r = read_tile(view, level, mine, err);
	if (r == 0) {
		tlog_tile_root(mine->hash, &root);
		if (!tlog_hash_eq(&root, &above->hash[n % TLOG_TILE_WIDTH]))
			r = cht_fail(err, CHT_E_STATE, 0,
				     "ledger damaged: hashes/%u from hash %" PRIu64
				     " on is not what the checkpoint covers",
				     level, n * TLOG_TILE_WIDTH);
	}
	if (r < 0)
		mine->width = 0;
	return r;
}

int ledger_check_entry(struct ledger_check *check, struct ledger_view *view, uint64_t index,
		       struct cht_bytes entry, struct cht_err *err)
{
	const struct check_tile *tile;
	struct tlog_hash leaf;
	int r = ledger_check_tile(check, view, 0, index / TLOG_TILE_WIDTH, &tile, err);

	if (r < 0)
		return r;
	if (index % TLOG_TILE_WIDTH >= tile->width)
		return cht_fail(err, CHT_E_STATE, 0, "entry %" PRIu64 " is above the checkpoint",
				index);
	tlog_leaf(entry, &leaf);
	if (!tlog_hash_eq(&leaf, &tile->hash[index % TLOG_TILE_WIDTH]))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: entry %" PRIu64
				" is not the one that the checkpoint covers",
				index);
	return 0;
}
