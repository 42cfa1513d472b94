/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h - whether entries are those under the checkpoint of a view, told by hashes/: each tile is
 * held against the root once, each entry against its tile. Who signed the checkpoint is not asked.
 */
#ifndef LEDGER_CHECK_H
#define LEDGER_CHECK_H

#include "ledger/read.h"

struct check_tile {
	uint64_t n;
	unsigned width; /* 0: none is held */
	struct tlog_hash hash[TLOG_TILE_WIDTH];
};

/* 200 KiB; zero-initialise. All tiles in it are under the root of size. */
struct ledger_check {
	uint64_t size;
	struct check_tile edges[2][TLOG_LEVELS]; /* the tree's right edge, what is not full: */
	unsigned edge;                           /* this one; the other is for the next one */
	struct check_tile full[TLOG_LEVELS];     /* the last one used of each level */
};

/* Takes the view's checkpoint: the right edge of hashes/ must lead to its root, and the tree must
 * go on from the one taken before. At most a read for each level. CHT_E_STATE: damage, *check is
 * as before. CHT_E_IO. */
int ledger_check_take(struct ledger_check *check, struct ledger_view *view,
		      struct cht_err *err) CHT_CHECKED;

/* *out borrows from check until the next call: tile n of a level, held against the root.
 * CHT_E_STATE: it does not lead there, or there is no such tile. CHT_E_IO. */
int ledger_check_tile(struct ledger_check *check, struct ledger_view *view, unsigned level,
		      uint64_t n, const struct check_tile **out, struct cht_err *err) CHT_CHECKED;

/* Whether an entry is the one under the checkpoint at this index. CHT_E_STATE: it is not, or that
 * cannot be told because hashes/ is damaged; the text says which. CHT_E_IO. */
int ledger_check_entry(struct ledger_check *check, struct ledger_view *view, uint64_t index,
		       struct cht_bytes entry, struct cht_err *err) CHT_CHECKED;

#endif
