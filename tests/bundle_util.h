/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_util.h - bundles of entries that verify_util.h made: all of them, or those that are
 * wanted.
 */
#ifndef TESTS_BUNDLE_UTIL_H
#define TESTS_BUNDLE_UTIL_H

#include "verify_util.h"

#include "base/text.h"

enum { BUNDLE_MAX = 1 << 17 };

/* A bundle under way: which entries go in, and their leaf hashes. */
struct bundle {
	const struct made *m;
	const bool *wanted;
	struct tlog_hash leaf[MADE_MAX];
	struct buf b;
};

static inline void root_of(const struct bundle *p, unsigned lo, unsigned hi, struct tlog_hash *out)
{
	struct tlog_tree tree = { 0 };
	struct tlog_hash done[TLOG_LEVELS];

	for (unsigned i = lo; i < hi; i++)
		(void)tlog_tree_add(&tree, &p->leaf[i], done);
	tlog_tree_root(&tree, out);
}

static inline void put_entry(struct buf *b, unsigned i, struct cht_bytes entry)
{
	put_u64(b, i);
	if (entry.ptr[0] == '{' && memchr(entry.ptr, '\n', entry.len) == NULL) {
		buf_put_byte(b, ' ');
		buf_put(b, entry.ptr, entry.len);
	} else {
		buf_put_lit(b, " =");
		put_base64(b, entry.ptr, entry.len);
	}
	buf_put_byte(b, '\n');
}

static inline void put_subtree(struct bundle *p, unsigned lo, unsigned hi)
{
	struct tlog_hash root;

	root_of(p, lo, hi, &root);
	put_u64(&p->b, lo);
	buf_put_byte(&p->b, '-');
	put_u64(&p->b, hi);
	buf_put_byte(&p->b, ' ');
	put_base64(&p->b, root.b, sizeof(root.b));
	buf_put_byte(&p->b, '\n');
}

/* A complete subtree: its root, or what is in it. */
static inline void put_range(struct bundle *p, unsigned lo, unsigned hi)
{
	bool any = false;

	for (unsigned i = lo; i < hi; i++)
		any = any || p->wanted[i];
	if (!any) {
		put_subtree(p, lo, hi);
	} else if (hi - lo == 1) {
		put_entry(&p->b, lo, p->m->entries[lo]);
	} else {
		put_range(p, lo, lo + (hi - lo) / 2);
		put_range(p, lo + (hi - lo) / 2, hi);
	}
}

static inline void put_lines(struct bundle *p)
{
	unsigned lo = 0;

	for (unsigned k = 7; k-- > 0;)
		if ((p->m->n >> k & 1) != 0) {
			put_range(p, lo, lo + (1u << k));
			lo += 1u << k;
		}
}

/* The bundle of those entries that are wanted, into mem; run may be null. */
static inline size_t make_bundle(const struct made *m, const bool *wanted, const char *run,
				 char *mem)
{
	struct bundle p = { .m = m, .wanted = wanted, .b = buf_init(mem, BUNDLE_MAX) };
	struct tlog_hash root;

	for (unsigned i = 0; i < m->n; i++)
		tlog_leaf(m->entries[i], &p.leaf[i]);
	root_of(&p, 0, m->n, &root);
	buf_put_lit(&p.b, "cht-bundle/1\n");
	if (run != NULL) {
		buf_put_lit(&p.b, "run ");
		buf_put_str(&p.b, str_of(run));
		buf_put_byte(&p.b, '\n');
	}
	buf_put_byte(&p.b, '\n');
	tree_put_note(&p.b, m->n, &root);
	buf_put_byte(&p.b, '\n');
	put_lines(&p);
	buf_put_lit(&p.b, "end\n");
	CHECK(!p.b.full);
	return buf_len(&p.b);
}

#endif
