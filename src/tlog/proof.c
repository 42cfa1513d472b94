/* SPDX-License-Identifier: Apache-2.0
 *
 * Proving follows the recursion of RFC 6962 from the root down and turns the result round, since
 * a proof begins at the leaf. Checking is the loop of RFC 9162, which cannot be led to more steps
 * than the proof has hashes.
 */
#include <assert.h>

#include "tlog/tlog.h"

/* A subtree on the way from the root down, and the proof so far, root first. */
struct descent {
	const struct tlog_source *source;
	uint64_t lo, hi; /* its leaves: [lo, hi) */
	struct tlog_proof proof;
};

/* Appends the root of [lo, hi). */
static int take(struct descent *d, uint64_t lo, uint64_t hi)
{
	assert(d->proof.n < TLOG_PROOF_MAX);
	return tlog_range_root(d->source, lo, hi, &d->proof.hash[d->proof.n++]);
}

/* Goes down to the half that leaf at is in, and takes the root of the other. Halves: the left one
 * has the largest power of two below the number of leaves. */
static int go_down(struct descent *d, uint64_t at)
{
	uint64_t middle = d->lo + (UINT64_C(1) << (63 - __builtin_clzll(d->hi - d->lo - 1)));
	uint64_t lo = d->lo, hi = d->hi;

	if (at < middle) {
		d->hi = middle;
		return take(d, middle, hi);
	}
	d->lo = middle;
	return take(d, lo, middle);
}

/* Leaf first. */
static void turn_round(const struct tlog_proof *proof, struct tlog_proof *out)
{
	out->n = proof->n;
	for (unsigned i = 0; i < proof->n; i++)
		out->hash[i] = proof->hash[proof->n - 1 - i];
}

int tlog_inclusion_prove(const struct tlog_source *source, uint64_t index, uint64_t size,
			 struct tlog_proof *out)
{
	struct descent d = { .source = source, .hi = size };
	int r = 0;

	assert(index < size && size <= TLOG_SIZE_MAX);
	while (r == 0 && d.hi - d.lo > 1)
		r = go_down(&d, index);
	if (r == 0)
		turn_round(&d.proof, out);
	return r;
}

int tlog_consistency_prove(const struct tlog_source *source, uint64_t old_size, uint64_t size,
			   struct tlog_proof *out)
{
	struct descent d = { .source = source, .hi = size };
	int r = 0;

	assert(old_size > 0 && old_size <= size && size <= TLOG_SIZE_MAX);
	while (r == 0 && d.hi != old_size)
		r = go_down(&d, old_size - 1);
	/* What is left ends where the old tree did. If it is the whole old tree, the checker has
	 * its root. */
	if (r == 0 && d.lo > 0)
		r = take(&d, d.lo, d.hi);
	if (r == 0)
		turn_round(&d.proof, out);
	return r;
}

/* fn and sn of RFC 9162: the place of a node among those of its height, and the last place. */
struct place {
	uint64_t at, last;
};

static void go_up(struct place *p)
{
	p->at >>= 1;
	p->last >>= 1;
}

/* Whether the sibling is at the left. If there is none, because the node is the last and alone,
 * goes up to where there is one. */
static bool is_right(struct place *p)
{
	if ((p->at & 1) == 0 && p->at != p->last)
		return false;
	while ((p->at & 1) == 0 && p->at != 0)
		go_up(p);
	return true;
}

int tlog_inclusion_root(uint64_t index, uint64_t size, const struct tlog_hash *leaf,
			const struct tlog_proof *proof, struct tlog_hash *root)
{
	struct place p = { index, size - 1 };
	struct tlog_hash hash = *leaf;

	if (index >= size || proof->n > TLOG_PROOF_MAX)
		return CHT_E_VERIFY;
	for (unsigned i = 0; i < proof->n; i++) {
		if (p.last == 0)
			return CHT_E_VERIFY;
		if (is_right(&p))
			tlog_node(&proof->hash[i], &hash, &hash);
		else
			tlog_node(&hash, &proof->hash[i], &hash);
		go_up(&p);
	}
	if (p.last != 0)
		return CHT_E_VERIFY;
	*root = hash;
	return 0;
}

/* The cases that no hash is needed for: 0, CHT_E_VERIFY, or 1: look at the proof. */
static int check_sizes(uint64_t old_size, uint64_t size, const struct tlog_hash *old_root,
		       const struct tlog_hash *root, unsigned n)
{
	if (old_size > size || n > TLOG_PROOF_MAX)
		return CHT_E_VERIFY;
	if (old_size == size)
		return n == 0 && tlog_hash_eq(old_root, root) ? 0 : CHT_E_VERIFY;
	if (old_size == 0)
		return n == 0 ? 0 : CHT_E_VERIFY;
	return n > 0 ? 1 : CHT_E_VERIFY;
}

int tlog_consistency_check(uint64_t old_size, uint64_t size, const struct tlog_hash *old_root,
			   const struct tlog_hash *root, const struct tlog_proof *proof)
{
	struct place p = { old_size - 1, size - 1 };
	struct tlog_hash old_hash, hash;
	int r = check_sizes(old_size, size, old_root, root, proof->n);
	unsigned i = 0;

	if (r <= 0)
		return r;
	/* The largest complete subtree that the old tree ends with; it heads the proof unless it
	 * is the old tree. */
	while ((p.at & 1) != 0)
		go_up(&p);
	hash = old_hash = (old_size & (old_size - 1)) == 0 ? *old_root : proof->hash[i++];
	for (; i < proof->n; i++) {
		if (p.last == 0)
			return CHT_E_VERIFY;
		if (is_right(&p)) {
			tlog_node(&proof->hash[i], &old_hash, &old_hash);
			tlog_node(&proof->hash[i], &hash, &hash);
		} else {
			tlog_node(&hash, &proof->hash[i], &hash);
		}
		go_up(&p);
	}
	return p.last == 0 && tlog_hash_eq(&old_hash, old_root) && tlog_hash_eq(&hash, root)
		       ? 0
		       : CHT_E_VERIFY;
}
