/* SPDX-License-Identifier: Apache-2.0
 *
 * runs.h - where the events of a run stand, so that not all of a ledger is read for one event.
 *
 * STATE/cache/runs has it for the first n entries of a log, from one command to the next. It is
 * made by reading entries that hold under the checkpoint, and counts only when it is whole and its
 * root is the one that this log's hashes have at n. Still it is only a cache, in a directory that
 * others may write: it is asked where to look for an event, never whether there is anything
 * elsewhere, and so it is of no use for a bundle of all that a run has.
 */
#ifndef CLI_RUNS_H
#define CLI_RUNS_H

#include <sodium.h>

#include "cli/follow.h"
#include "event/event.h"

enum { RUN_KEY_BYTES = 16, RUN_RECORD_BYTES = RUN_KEY_BYTES + 4 * 8 };

/* The events of one run: those with this runId whose ids have these bits. */
struct run_span {
	uint8_t key[RUN_KEY_BYTES]; /* SHA-256 of runId, its beginning */
	struct run_bits bits;       /* zero: the ids have none */
	uint64_t first, last;       /* indexes */
};

/* Zero-initialise. */
struct runs {
	uint64_t n; /* entries that are taken account of */
	size_t count, n_slots;
	struct run_span *slots;                  /* by hash; first > last: free */
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* the file may be anybody's: no chosen collisions
						  */
};

void runs_free(struct runs *runs);
/* Takes one event into account. CHT_E_NOMEM. */
int runs_add(struct runs *runs, const struct event_view *event, uint64_t index,
	     struct cht_err *err) CHT_CHECKED;
/* Where events with these bits in their ids stand. False: none is known. */
bool runs_find_bits(const struct runs *runs, const struct run_bits *bits, struct run_span *out);

/* The file's bytes, in memory that the caller frees; and back. root: of the tree of runs->n.
 * Reading: CHT_E_PARSE when it is not whole, of another log, or not as it is written; *root is then
 * to be held against the log's own. CHT_E_NOMEM. */
int runs_write(const struct runs *runs, struct cht_str origin, const struct tlog_hash *root,
	       struct cht_bytes *out, struct cht_err *err) CHT_CHECKED;
int runs_read(struct cht_bytes bytes, struct cht_str origin, struct runs *out,
	      struct tlog_hash *root, struct cht_err *err) CHT_CHECKED;

/* runs_cache.c: the table of a whole ledger: the cache, and what is read of the entries after it,
 * which is kept there if that can be written. 1; ends early when f is or becomes faulty: what is
 * not there is not known then. 0: there is no STATE/cache, and making a table for one question is
 * not worth it. CHT_E_IO, CHT_E_NOMEM. */
int runs_load(struct runs *runs, struct follow *f, struct cht_err *err) CHT_CHECKED;

#endif
