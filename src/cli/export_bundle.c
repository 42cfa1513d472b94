/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written is folded into a tree on the way, as a reader of the bundle will do it: only what
 * leads to the root in the checkpoint is given its name.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/export.h"
#include "cli/tail_line.h"

struct bundle {
	struct follow *f;
	struct newfile *out;
	struct tlog_tree tree; /* of what was written: its size is the next index */
	struct export_counts *counts;
	bool has_own; /* an entry of the run, not only of the pruning */
};

static void put_number(struct newfile *out, uint64_t v, char behind)
{
	uint8_t mem[DECIMAL_MAX + 1];
	struct buf b = buf_init(mem, sizeof(mem));

	put_u64(&b, v);
	buf_put_byte(&b, (uint8_t)behind);
	newfile_put(out, mem, buf_len(&b));
}

static void put_hash(struct newfile *out, const struct tlog_hash *hash)
{
	uint8_t mem[64];
	struct buf b = buf_init(mem, sizeof(mem));

	put_base64(&b, hash->b, sizeof(hash->b));
	buf_put_byte(&b, '\n');
	newfile_put(out, mem, buf_len(&b));
}

/* Subtrees in place of the entries up to this one, as large as can be. */
static int put_gap(struct bundle *b, uint64_t to, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&b->f->view);

	while (b->tree.size < to) {
		uint64_t lo = b->tree.size, n = 1;
		struct tlog_hash root;
		unsigned k = 0;
		int r;

		for (; lo % (2 * n) == 0 && 2 * n <= to - lo; k++)
			n *= 2;
		r = tlog_range_root(&hashes, lo, lo + n, &root);
		if (r < 0) {
			*err = b->f->view.hashes_err;
			return r;
		}
		put_number(b->out, lo, '-');
		put_number(b->out, lo + n, ' ');
		put_hash(b->out, &root);
		tlog_tree_add_subtree(&b->tree, k, &root);
		b->counts->subtrees++;
	}
	return 0;
}

static int put_entry_at(struct bundle *b, uint64_t index, struct cht_bytes entry,
			struct cht_err *err)
{
	static uint8_t text[4 * (CHT_ENTRY_MAX_BYTES / 3 + 1)];
	struct buf base64 = buf_init(text, sizeof(text));
	struct tlog_hash leaf;
	int r = put_gap(b, index, err);

	if (r < 0)
		return r;
	put_number(b->out, index, ' ');
	if (entry.ptr[0] == '{' && memchr(entry.ptr, '\n', entry.len) == NULL) {
		newfile_put(b->out, entry.ptr, entry.len);
	} else {
		newfile_put(b->out, "=", 1);
		put_base64(&base64, entry.ptr, entry.len);
		newfile_put(b->out, text, buf_len(&base64));
	}
	newfile_put(b->out, "\n", 1);
	tlog_leaf(entry, &leaf);
	tlog_tree_add_subtree(&b->tree, 0, &leaf);
	b->counts->entries++;
	return 0;
}

static bool is_of_run(struct cht_bytes entry, struct cht_str run)
{
	struct event_view event;

	return memmem(entry.ptr, entry.len, run.ptr, run.len) != NULL && tail_scan(entry, &event) &&
	       str_eq(event.run_id, run);
}

/* A reader of a run whose beginning is gone must see that it may be. */
static bool is_pruning(struct cht_bytes entry)
{
	struct event_view event;

	return memmem(entry.ptr, entry.len, "ledger.pruned", 13) != NULL &&
	       tail_scan(entry, &event) && event.known != NULL &&
	       event.known->kind == EV_LEDGER_PRUNED;
}

static void put_head(struct bundle *b, const char *run)
{
	const struct ledger_view *view = &b->f->view;

	newfile_put(b->out, "cht-bundle/1\n", 13);
	if (run != NULL) {
		newfile_put(b->out, "run ", 4);
		newfile_put(b->out, run, strlen(run));
		newfile_put(b->out, "\n", 1);
	}
	newfile_put(b->out, "\n", 1);
	newfile_put(b->out, view->note, view->note_len);
	newfile_put(b->out, "\n", 1);
}

/* All that is in the ledger, or of the run; one bad entry ends it. For a run all is read as well:
 * its id may have been used again, and nothing tells where but the entries. */
static int put_entries(struct bundle *b, const char *run, struct cht_err *err)
{
	bool is_pruned = run != NULL && b->f->reader.next > 0;
	struct cht_bytes entry;
	int r = 0;

	while (r >= 0 && (r = follow_next(b->f, &entry, err)) == 1 && !b->f->is_faulty) {
		bool is_mine = run == NULL || is_of_run(entry, str_of(run));

		b->has_own = b->has_own || is_mine;
		if (is_mine || (is_pruned && is_pruning(entry)))
			r = put_entry_at(b, b->f->reader.next - 1, entry, err);
	}
	if (r >= 0 && b->f->is_faulty)
		return cht_fail(err, CHT_E_STATE, 0, "no bundle of a damaged ledger");
	return r < 0 ? r : 0;
}

int export_bundle(struct follow *f, const char *run, struct newfile *out,
		  struct export_counts *counts, struct cht_err *err)
{
	struct bundle b = { .f = f, .out = out, .counts = counts };
	struct tlog_hash root;
	int r;

	put_head(&b, run);
	r = put_entries(&b, run, err);
	if (r < 0)
		return r;
	if (run != NULL && !b.has_own)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"no entry under the newest checkpoint is of run '%s'", run);
	r = put_gap(&b, f->view.size, err);
	if (r < 0)
		return r;
	newfile_put(out, "end\n", 4);
	tlog_tree_root(&b.tree, &root);
	if (!tlog_hash_eq(&root, &f->view.root))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: what was read does not lead to the root in the "
				"checkpoint of %" PRIu64 " entries",
				f->view.size);
	return 0;
}
