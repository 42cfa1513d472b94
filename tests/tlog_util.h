/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog_util.h - the tree of RFC 6962 as section 2.1 states it, by recursion and nothing clever, to
 * hold tlog against; and a log in memory, as hash files hold one.
 */
#ifndef TESTS_TLOG_UTIL_H
#define TESTS_TLOG_UTIL_H

#include "check.h"

#include "base/digest.h"
#include "base/text.h"
#include "tlog/tlog.h"

/* SHA-256 of first || a || b. */
static struct tlog_hash __attribute__((unused))
plain_hash(int first, struct cht_bytes a, struct cht_bytes b)
{
	uint8_t mem[4096];
	struct buf all = buf_init(mem, sizeof(mem));
	struct tlog_hash out = { { 0 } };

	if (first >= 0)
		buf_put_byte(&all, (uint8_t)first);
	buf_put(&all, a.ptr, a.len);
	buf_put(&all, b.ptr, b.len);
	assert_false(all.full);
	assert_int_equal(digest_sha256(buf_bytes(&all), out.b, NULL), 0);
	return out;
}

static struct tlog_hash __attribute__((unused)) plain_node(struct tlog_hash l, struct tlog_hash r)
{
	return plain_hash(1, (struct cht_bytes){ l.b, 32 }, (struct cht_bytes){ r.b, 32 });
}

/* Leaf i of the logs that the tests make: the decimal digits of i. */
static struct tlog_hash __attribute__((unused)) plain_leaf(uint64_t i)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)i);

	return plain_hash(0, (struct cht_bytes){ (uint8_t *)text, (size_t)n },
			  (struct cht_bytes){ NULL, 0 });
}

/* The largest power of two below n. */
static size_t __attribute__((unused)) plain_split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static struct tlog_hash __attribute__((unused)) plain_root(const struct tlog_hash *leaves, size_t n)
{
	size_t k = plain_split(n);

	if (n == 0)
		return plain_hash(-1, (struct cht_bytes){ NULL, 0 }, (struct cht_bytes){ NULL, 0 });
	if (n == 1)
		return leaves[0];
	return plain_node(plain_root(leaves, k), plain_root(leaves + k, n - k));
}

/* PATH(m, D[n]) */
static void __attribute__((unused))
plain_path(const struct tlog_hash *leaves, size_t m, size_t n, struct tlog_proof *out)
{
	size_t k = plain_split(n);

	if (n == 1)
		return;
	plain_path(m < k ? leaves : leaves + k, m < k ? m : m - k, m < k ? k : n - k, out);
	out->hash[out->n++] = m < k ? plain_root(leaves + k, n - k) : plain_root(leaves, k);
}

/* SUBPROOF(m, D[n], is_whole) */
static void __attribute__((unused)) plain_subproof(const struct tlog_hash *leaves, size_t m,
						   size_t n, bool is_whole, struct tlog_proof *out)
{
	size_t k = plain_split(n);

	if (m == n) {
		if (!is_whole)
			out->hash[out->n++] = plain_root(leaves, n);
		return;
	}
	if (m <= k) {
		plain_subproof(leaves, m, k, is_whole, out);
		out->hash[out->n++] = plain_root(leaves + k, n - k);
	} else {
		plain_subproof(leaves + k, m - k, n - k, false, out);
		out->hash[out->n++] = plain_root(leaves, k);
	}
}

/* The hash files of a log, in memory. */
enum { FILES_LEVELS = 4, FILES_MAX = 1 << 17 };
struct files {
	struct tlog_tree tree;
	struct tlog_hash *level[FILES_LEVELS];
	uint64_t n[FILES_LEVELS];
	uint64_t limit;  /* the tree that a call is about: nothing beyond it may be read */
	unsigned n_read; /* calls of read */
};

static int __attribute__((unused))
files_read(void *context, unsigned level, uint64_t first, size_t n, struct tlog_hash *out)
{
	struct files *f = context;

	assert_true(level < FILES_LEVELS && n >= 1 && n <= TLOG_TILE_WIDTH);
	assert_true(first + n <= f->limit >> (8 * level) && first + n <= f->n[level]);
	/* One tile at a time, as a reader of tiles needs it. */
	assert_int_equal(first / TLOG_TILE_WIDTH, (first + n - 1) / TLOG_TILE_WIDTH);
	memcpy(out, f->level[level] + first, n * sizeof(*out));
	f->n_read++;
	return 0;
}

/* A log of the leaves plain_leaf(0) to plain_leaf(n - 1); free with files_free. */
static struct files *__attribute__((unused)) files_new(uint64_t n)
{
	struct files *f = calloc(1, sizeof(*f));
	struct tlog_hash leaf, done[TLOG_LEVELS];

	assert_non_null(f);
	assert_true(n <= FILES_MAX);
	for (unsigned l = 0; l < FILES_LEVELS; l++) {
		f->level[l] = calloc((n >> (8 * l)) + 1, sizeof(leaf));
		assert_non_null(f->level[l]);
	}
	for (uint64_t i = 0; i < n; i++) {
		leaf = plain_leaf(i);
		for (unsigned k = tlog_tree_add(&f->tree, &leaf, done); k-- > 0;)
			f->level[k][f->n[k]++] = done[k];
	}
	f->limit = n;
	return f;
}

static void __attribute__((unused)) files_free(struct files *f)
{
	for (unsigned l = 0; l < FILES_LEVELS; l++)
		free(f->level[l]);
	free(f);
}

static void __attribute__((unused)) check_hash(const struct tlog_hash *got, const char *hex)
{
	char mem[2 * TLOG_HASH_BYTES];
	struct buf b = buf_init(mem, sizeof(mem));

	put_hex(&b, got->b, TLOG_HASH_BYTES);
	CHECK_STR(((struct cht_str){ mem, sizeof(mem) }), hex);
}

#endif
