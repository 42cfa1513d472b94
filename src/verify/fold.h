/* SPDX-License-Identifier: Apache-2.0
 *
 * fold.h - blocks go in, in order; the tree over them comes out, and where stored hashes are not
 * those of the tree. blame.c says where a tree that has not the signed root parts from it; private
 * to src/verify.
 */
#ifndef VERIFY_FOLD_H
#define VERIFY_FOLD_H

#include "verify/source.h"

enum { FOLD_WINDOW = TLOG_TILE_WIDTH };

/* The first stored hash of a level that is not there or not that of its entries. */
struct fold_diff {
	bool any, is_missing;
	uint64_t index;                   /* in its level */
	uint64_t file_first, file_offset; /* of the entry, where it is a leaf */
};

struct fold {
	struct source *source;
	struct tlog_tree whole; /* of all that went in */
	struct tlog_tree
		high; /* the same, of whole tiles alone, where there are hashes to compare */
	struct fold_diff diff[TLOG_LEVELS];
	/* The first tile whose root is not the one stored in level 1, and the first leaf in it that
	 * is not the stored one. */
	struct fold_diff tile, tile_leaf;
	struct fold_diff leaf;                /* in the present tile */
	struct tlog_hash window[FOLD_WINDOW]; /* leaves from diff[0].index on */
	unsigned n_window;
};

/* Takes a block that was looked at. CHT_E_IO. */
int fold_block(struct fold *fold, const struct block *block, struct cht_err *err) CHT_CHECKED;
/* The root of the first size leaves, where size is not below what went in before block and within
 * it. False: block is a subtree that size would part. */
bool fold_root_at(const struct fold *fold, const struct block *block, uint64_t size,
		  struct tlog_hash *out);

/* blame.c: the tree has not the signed root, or its entries ended early. Compares stored hashes
 * with the root, and entries with the hashes that are thereby authentic. good and bad: a size at
 * which the tree is as it was signed, and one above it at which it is not; UINT64_MAX: none is
 * known. Fills *out without run. CHT_E_IO. */
int blame_root(const struct fold *fold, const struct verify_signed *signed_by, uint64_t good,
	       uint64_t bad, struct verify_finding *out, struct cht_err *err) CHT_CHECKED;

#endif
