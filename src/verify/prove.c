/* SPDX-License-Identifier: Apache-2.0
 *
 * Where there are stored hashes, a proof is read from them. A bundle has none but those in place of
 * what was left out: it is folded once more, and the hashes that the proofs need are picked up as
 * they come by. A proof needs roots of complete subtrees alone: at the right edge, of several.
 */
#include "verify/prove.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "verify/source.h"

/* The root of leaves [lo, lo + 2^k). */
struct piece {
	uint64_t lo;
	unsigned k;
	bool is_there;
	struct tlog_hash root;
};

struct pieces {
	struct piece *list;
	size_t n, cap;
};

/* Subtrees that wait for their right neighbours. */
struct edge {
	struct piece part[64];
	unsigned n;
};

static int read_source(void *context, unsigned level, uint64_t first, size_t n,
		       struct tlog_hash *out)
{
	struct source *source = context;

	return source->ops->hashes(source, level, first, n, out, NULL);
}

static void prove_by_hashes(struct source *source, struct verify_proof *proofs, size_t n,
			    uint64_t size)
{
	const struct tlog_source hashes = { .read = read_source, .context = source };

	for (size_t i = 0; i < n; i++)
		proofs[i].is_there =
			proofs[i].index < size &&
			tlog_inclusion_prove(&hashes, proofs[i].index, size, &proofs[i].proof) == 0;
}

static int by_place(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (x->k > y->k) - (x->k < y->k);
}

/* The largest complete subtree that [lo, hi) begins with; lo is a multiple of its size. */
static unsigned first_piece(uint64_t lo, uint64_t hi)
{
	return 63 - (unsigned)__builtin_clzll(hi - lo);
}

/* Halves of [*lo, *hi): goes down to the one that index is in; [*a, *b) is the other. */
static void go_down(uint64_t index, uint64_t *lo, uint64_t *hi, uint64_t *a, uint64_t *b)
{
	uint64_t middle = *lo + (UINT64_C(1) << (63 - __builtin_clzll(*hi - *lo - 1)));

	*a = index < middle ? middle : *lo;
	*b = index < middle ? *hi : middle;
	if (index < middle)
		*hi = middle;
	else
		*lo = middle;
}

static int add_piece(struct pieces *p, uint64_t lo, unsigned k)
{
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 256 : 2 * p->cap;
		struct piece *more = realloc(p->list, cap * sizeof(*more));

		if (more == NULL)
			return CHT_E_NOMEM;
		p->list = more;
		p->cap = cap;
	}
	p->list[p->n++] = (struct piece){ .lo = lo, .k = k };
	return 0;
}

/* What the proof of one entry needs. */
static int need(struct pieces *p, uint64_t index, uint64_t size)
{
	uint64_t lo = 0, hi = size, a, b;
	int r = 0;

	while (r == 0 && hi - lo > 1) {
		go_down(index, &lo, &hi, &a, &b);
		for (unsigned k; r == 0 && a < b; a += UINT64_C(1) << k) {
			k = first_piece(a, b);
			r = add_piece(p, a, k);
		}
	}
	return r;
}

static struct piece *find(const struct pieces *p, uint64_t lo, unsigned k)
{
	const struct piece key = { .lo = lo, .k = k };

	return p->n > 0 ? bsearch(&key, p->list, p->n, sizeof(key), by_place) : NULL;
}

static void sort_once(struct pieces *p)
{
	size_t n = 0;

	if (p->n > 0)
		qsort(p->list, p->n, sizeof(*p->list), by_place);
	for (size_t i = 0; i < p->n; i++)
		if (n == 0 || by_place(&p->list[n - 1], &p->list[i]) != 0)
			p->list[n++] = p->list[i];
	p->n = n;
}

/* The root of a subtree that stands behind all others. */
static void pass(struct edge *e, struct pieces *p, uint64_t lo, unsigned k, struct tlog_hash root)
{
	for (;;) {
		struct piece *wanted = find(p, lo, k);
		const struct piece *left = e->n > 0 ? &e->part[e->n - 1] : NULL;

		if (wanted != NULL) {
			wanted->root = root;
			wanted->is_there = true;
		}
		if (left == NULL || left->k != k)
			break;
		tlog_node(&left->root, &root, &root);
		lo = left->lo;
		k++;
		e->n--;
	}
	if (e->n < sizeof(e->part) / sizeof(e->part[0]))
		e->part[e->n++] = (struct piece){ .lo = lo, .k = k, .root = root };
}

static void pass_block(struct edge *e, struct pieces *p, struct block *block)
{
	if (block->kind == BLOCK_SUBTREE) {
		pass(e, p, block->first, block->k, block->root);
		return;
	}
	for (unsigned i = 0; i < block->n; i++) {
		const struct block_item *item = &block->item[i];

		if (block->kind == BLOCK_ENTRIES)
			tlog_leaf((struct cht_bytes){ block->bytes + item->at, item->len },
				  &block->leaf[i]);
		pass(e, p, block->first + i, 0, block->leaf[i]);
	}
}

static int pass_all(struct source *source, struct pieces *p, struct cht_err *err)
{
	struct block *block = calloc(1, sizeof(*block));
	struct edge edge = { .n = 0 };
	int r = CHT_E_NOMEM;

	if (block != NULL)
		block->bytes = malloc(BLOCK_BYTES);
	if (block == NULL || block->bytes == NULL)
		(void)cht_fail(err, CHT_E_NOMEM, 0, "no memory to read a bundle");
	else
		while ((r = source->ops->next(source, block, err)) == 1)
			pass_block(&edge, p, block);
	if (block != NULL)
		free(block->bytes);
	free(block);
	return r == CHT_E_STATE ? 0 : r; /* what is missing is not there */
}

/* The root of [lo, hi) from its pieces. */
static bool put_together(const struct pieces *p, uint64_t lo, uint64_t hi, struct tlog_hash *out)
{
	struct tlog_hash part[64];
	unsigned n = 0;

	for (unsigned k; lo < hi; lo += UINT64_C(1) << k) {
		const struct piece *piece;

		k = first_piece(lo, hi);
		piece = find(p, lo, k);
		if (piece == NULL || !piece->is_there)
			return false;
		part[n++] = piece->root;
	}
	if (n == 0)
		return false; /* of nothing */
	*out = part[--n];
	while (n > 0)
		tlog_node(&part[--n], out, out);
	return true;
}

static bool prove_one(const struct pieces *p, uint64_t size, struct verify_proof *proof)
{
	struct tlog_hash down[TLOG_PROOF_MAX];
	uint64_t lo = 0, hi = size, a, b;
	unsigned n = 0;

	while (hi - lo > 1) {
		go_down(proof->index, &lo, &hi, &a, &b);
		if (n == TLOG_PROOF_MAX || !put_together(p, a, b, &down[n++]))
			return false;
	}
	proof->proof.n = n;
	for (unsigned i = 0; i < n; i++)
		proof->proof.hash[i] = down[n - 1 - i];
	return true;
}

static int prove_by_reading(struct source *source, struct verify_proof *proofs, size_t n,
			    struct cht_err *err)
{
	struct pieces p = { .n = 0 };
	uint64_t size = source->size;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (proofs[i].index < size)
			r = need(&p, proofs[i].index, size);
	if (r < 0)
		(void)cht_fail(err, CHT_E_NOMEM, 0, "no memory for proofs");
	sort_once(&p);
	if (r == 0)
		r = pass_all(source, &p, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		proofs[i].is_there = proofs[i].index < size && prove_one(&p, size, &proofs[i]);
	free(p.list);
	return r;
}

/* False: there is no checkpoint that says what the tree is. */
static bool take_note(const struct source *source, struct verify_proven *out)
{
	struct verify_checkpoint c;

	if (source->hint.len < sizeof(out->hint))
		memcpy(out->hint, source->hint.ptr, source->hint.len);
	if (source->hint.len > 0 && out->hint[source->hint.len - 1] == '\n')
		out->hint[source->hint.len - 1] = '\0';
	if (source->note.len == 0 || source->note.len >= sizeof(out->note) ||
	    verify_checkpoint_read(source->note, NULL, &c, NULL) < 0)
		return false;
	memcpy(out->note, source->note.ptr, source->note.len);
	out->note_len = source->note.len;
	out->size = c.at.size;
	out->root = c.at.root;
	return true;
}

int verify_prove(const char *path, struct verify_proof *proofs, size_t n, struct verify_proven *out,
		 struct cht_err *err)
{
	struct source *source;
	int r = source_open(&source, path, err);

	if (r < 0)
		return r;
	*out = (struct verify_proven){ .size = 0 };
	for (size_t i = 0; i < n; i++)
		proofs[i].is_there = false;
	if (take_note(source, out)) {
		source->size = out->size;
		if (source->ops->hashes != NULL)
			prove_by_hashes(source, proofs, n, out->size);
		else
			r = prove_by_reading(source, proofs, n, err);
	}
	source_close(source);
	return r;
}
