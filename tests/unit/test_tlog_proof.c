/* SPDX-License-Identifier: Apache-2.0
 *
 * Proofs against the recursion of RFC 6962, and the vectors of transparency-dev/merkle (testdata/
 * inclusion/1 to 4 and consistency/1 to 4, with what they change and expect to fail; Apache-2.0).
 */
#include "tlog_util.h"

enum { FULLY = 70, SIZES = 600, STEPS = 5 };

static bool same(const struct tlog_proof *a, const struct tlog_proof *b)
{
	return a->n == b->n && memcmp(a->hash, b->hash, a->n * sizeof(a->hash[0])) == 0;
}

struct tree {
	struct files *f;
	struct tlog_source source;
	struct tlog_hash leaves[SIZES + 1], roots[SIZES + 1];
};

static int set_up(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->f = files_new(SIZES + 1);
	t->source = (struct tlog_source){ files_read, t->f };
	memcpy(t->leaves, t->f->level[0], sizeof(t->leaves));
	for (size_t n = 0; n <= SIZES; n++)
		t->roots[n] = plain_root(t->leaves, n);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *t = *state;

	files_free(t->f);
	free(t);
	return 0;
}

static struct tlog_proof prove(struct tree *t, uint64_t index, uint64_t size)
{
	struct tlog_proof proof;

	t->f->limit = size;
	CHECK_INT(tlog_inclusion_prove(&t->source, index, size, &proof), 0);
	return proof;
}

static struct tlog_proof prove_old(struct tree *t, uint64_t old_size, uint64_t size)
{
	struct tlog_proof proof;

	t->f->limit = size;
	CHECK_INT(tlog_consistency_prove(&t->source, old_size, size, &proof), 0);
	return proof;
}

static void check_inclusion(struct tree *t, size_t index, size_t size)
{
	struct tlog_proof want = { 0 }, got = prove(t, index, size);
	struct tlog_hash root;

	plain_path(t->leaves, index, size, &want);
	CHECK(same(&got, &want));
	CHECK_INT(tlog_inclusion_root(index, size, &t->leaves[index], &got, &root), 0);
	CHECK(tlog_hash_eq(&root, &t->roots[size]));
}

static void check_consistency(struct tree *t, size_t old_size, size_t size)
{
	struct tlog_proof want = { 0 }, got = prove_old(t, old_size, size);

	plain_subproof(t->leaves, old_size, size, true, &want);
	CHECK(same(&got, &want));
	CHECK_INT(
		tlog_consistency_check(old_size, size, &t->roots[old_size], &t->roots[size], &got),
		0);
}

static void test_every_proof_is_the_recursion(void **state)
{
	struct tree *t = *state;

	for (size_t size = 1; size <= FULLY; size++) {
		for (size_t i = 0; i < size; i++) {
			check_inclusion(t, i, size);
			check_consistency(t, i + 1, size);
		}
	}
	for (size_t size = FULLY; size <= SIZES;
	     size += size % 64 == 0 || size % 64 == 63 ? 1 : 7) {
		size_t places[STEPS] = { 0, size / 3, size / 2, size - size % 64, size - 1 };

		for (size_t i = 0; i < STEPS; i++) {
			size_t at = places[i] < size ? places[i] : size - 1;

			check_inclusion(t, at, size);
			check_consistency(t, at + 1, size);
		}
	}
}

/* As many hashes as the proof has, and no other number, lead anywhere; each bit counts. */
static void refuse_changed(const struct tlog_proof *good, size_t index, size_t size,
			   const struct tlog_hash *leaf, const struct tlog_hash *root)
{
	struct tlog_proof proof = *good;
	struct tlog_hash got, other = *leaf;

	for (unsigned n = 0; n <= TLOG_PROOF_MAX; n++) {
		proof.n = n;
		CHECK_INT(tlog_inclusion_root(index, size, leaf, &proof, &got),
			  n == good->n ? 0 : CHT_E_VERIFY);
	}
	proof.n = TLOG_PROOF_MAX + 1;
	CHECK_INT(tlog_inclusion_root(index, size, leaf, &proof, &got), CHT_E_VERIFY);
	proof.n = good->n;
	for (unsigned bit = 0; bit < good->n * 256; bit++) {
		proof.hash[bit / 256].b[bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(tlog_inclusion_root(index, size, leaf, &proof, &got), 0);
		CHECK(!tlog_hash_eq(&got, root));
		proof.hash[bit / 256].b[bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 256; bit++) {
		other.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(tlog_inclusion_root(index, size, &other, good, &got), 0);
		CHECK(!tlog_hash_eq(&got, root));
		other.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_a_changed_inclusion_proof_is_refused(void **state)
{
	static const struct {
		size_t index, size;
	} rows[] = { { 0, 1 }, { 1, 2 },     { 2, 3 },     { 5, 8 },
		     { 6, 7 }, { 255, 257 }, { 256, 257 }, { 299, 600 } };
	struct tree *t = *state;
	struct tlog_hash got;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t index = rows[i].index, size = rows[i].size;
		struct tlog_proof proof = prove(t, index, size);

		refuse_changed(&proof, index, size, &t->leaves[index], &t->roots[size]);
		for (size_t other = 0; other < size + 3; other++) {
			int r = tlog_inclusion_root(other, size, &t->leaves[index], &proof, &got);

			CHECK(other == index || r == CHT_E_VERIFY ||
			      !tlog_hash_eq(&got, &t->roots[size]));
			CHECK(other < size || r == CHT_E_VERIFY);
		}
		CHECK_INT(tlog_inclusion_root(UINT64_MAX, size, &t->leaves[0], &proof, &got),
			  CHT_E_VERIFY);
	}
	CHECK_INT(tlog_inclusion_root(0, 0, &t->leaves[0], &(struct tlog_proof){ 0 }, &got),
		  CHT_E_VERIFY);
}

static void refuse_changed_hash(struct tlog_hash *changed, size_t old_size, size_t size,
				const struct tlog_hash roots[2], const struct tlog_proof *proof)
{
	for (unsigned bit = 0; bit < 256; bit++) {
		changed->b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_INT(tlog_consistency_check(old_size, size, &roots[0], &roots[1], proof),
			  CHT_E_VERIFY);
		changed->b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_a_changed_consistency_proof_is_refused(void **state)
{
	static const struct {
		size_t old_size, size;
	} rows[] = { { 1, 1 }, { 1, 2 },     { 2, 3 },     { 6, 8 },     { 7, 8 },
		     { 4, 8 }, { 256, 257 }, { 255, 600 }, { 599, 600 }, { 600, 600 } };
	struct tree *t = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t old_size = rows[i].old_size, size = rows[i].size;
		struct tlog_proof good = prove_old(t, old_size, size), proof = good;
		struct tlog_hash roots[2] = { t->roots[old_size], t->roots[size] };

		for (unsigned n = 0; n <= TLOG_PROOF_MAX + 1; n++) {
			proof.n = n;
			CHECK_INT(tlog_consistency_check(old_size, size, &roots[0], &roots[1],
							 &proof),
				  n == good.n ? 0 : CHT_E_VERIFY);
		}
		proof = good;
		for (unsigned n = 0; n < good.n; n++)
			refuse_changed_hash(&proof.hash[n], old_size, size, roots, &proof);
		refuse_changed_hash(&roots[0], old_size, size, roots, &proof);
		refuse_changed_hash(&roots[1], old_size, size, roots, &proof);
		/* Turned round. */
		CHECK_INT(tlog_consistency_check(size + 1, old_size, &roots[1], &roots[0], &good),
			  CHT_E_VERIFY);
		for (size_t other = 0; other < size + 3; other++)
			CHECK(other == old_size ||
			      tlog_consistency_check(other, size, &roots[0], &roots[1], &good) ==
				      CHT_E_VERIFY ||
			      (other == 0 && good.n == 0));
	}
}

/* Sizes turned round, with the proof that would hold if they were not looked at. */
static void test_a_larger_tree_is_no_beginning_of_a_smaller(void **state)
{
	struct tree *t = *state;
	struct tlog_proof proof = { .n = 1, .hash = { t->roots[1] } };

	CHECK_INT(tlog_consistency_check(3, 1, &t->roots[1], &t->roots[1], &proof), CHT_E_VERIFY);
	CHECK_INT(tlog_consistency_check(UINT64_MAX, 1, &t->roots[1], &t->roots[1], &proof),
		  CHT_E_VERIFY);
}

static void test_nothing_is_consistent_with_everything_larger(void **state)
{
	struct tlog_proof none = { 0 }, one = { .n = 1 };
	struct tree *t = *state;

	CHECK_INT(tlog_consistency_check(0, 5, &t->roots[3], &t->roots[5], &none), 0);
	CHECK_INT(tlog_consistency_check(0, 5, &t->roots[0], &t->roots[5], &one), CHT_E_VERIFY);
	CHECK_INT(tlog_consistency_check(0, 0, &t->roots[0], &t->roots[0], &none), 0);
	CHECK_INT(tlog_consistency_check(0, 0, &t->roots[0], &t->roots[1], &none), CHT_E_VERIFY);
	CHECK_INT(tlog_consistency_check(0, 0, &t->roots[0], &t->roots[0], &one), CHT_E_VERIFY);
}

/* ---- transparency-dev/merkle */

#define P1 "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="
#define P2 "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4="
#define P3 "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="
#define P4 "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="
#define P5 "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA="
#define P6 "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="
#define R1 "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
#define R2 "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="
#define R5 "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ="
#define R6 "duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8="
#define R8 "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="

static const struct vector {
	uint64_t a, b;            /* index and size, or both sizes */
	const char *first, *root; /* leaf and root, or both roots */
	const char *proof[4];
} inclusion[] = {
	{ 0, 8, R1, R8, { P1, P2, P3 } },
	{ 5, 8, "QnGia+DYqE8L1UyMMC58s6O10fpngKQLzOKHNHfatlg=", R8, { P4, P5, P6 } },
	{ 2,
	  3,
	  "ApjRIpBtz8EIkstTpzmS/FufST6kybrbJ7eRtBJ6f+c=",
	  "rra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=",
	  { R2 } },
	{ 1, 5, P1, R5, { R1, P2, P4 } },
}, consistency[] = {
	{ 1, 8, R1, R8, { P1, P2, P3 } },
	{ 6, 8, R6, R8, { "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", P5, P6 } },
	{ 2, 5, R2, R5, { P2, P4 } },
	{ 6,
	  7,
	  R6,
	  "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=",
	  { "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
	    "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=", P6 } },
};

static struct tlog_hash hash_of(const char *base64)
{
	struct tlog_hash hash = { { 0 } };
	size_t len;

	assert_true(read_base64(str_of(base64), hash.b, sizeof(hash.b), &len));
	assert_int_equal(len, 32);
	return hash;
}

static bool holds(bool is_inclusion, uint64_t a, uint64_t b, const struct tlog_hash two[2],
		  const struct tlog_proof *proof)
{
	struct tlog_hash got;

	if (!is_inclusion)
		return tlog_consistency_check(a, b, &two[0], &two[1], proof) == 0;
	return tlog_inclusion_root(a, b, &two[0], proof, &got) == 0 && tlog_hash_eq(&got, &two[1]);
}

static void check_vector(const struct vector *v, bool is_inclusion)
{
	struct tlog_hash two[2] = { hash_of(v->first), hash_of(v->root) };
	struct tlog_hash swapped[2] = { two[1], two[0] };
	const uint64_t wrong_a[] = { v->a + 1, v->a - 1, v->a ^ 2 };
	struct tlog_proof proof = { 0 }, other;

	while (v->proof[proof.n] != NULL) {
		proof.hash[proof.n] = hash_of(v->proof[proof.n]);
		proof.n++;
	}
	CHECK(holds(is_inclusion, v->a, v->b, two, &proof));
	for (size_t i = 0; i < 3; i++)
		CHECK(!holds(is_inclusion, wrong_a[i], v->b, two, &proof));
	CHECK(!holds(is_inclusion, v->a, v->b * 2, two, &proof));
	CHECK(!holds(is_inclusion, v->a, v->b / 2, two, &proof));
	CHECK(!holds(is_inclusion, v->a, v->b, swapped, &proof));
	for (unsigned at = 0; at <= proof.n; at += proof.n) { /* preceding, trailing */
		for (unsigned i = 0; i < 2; i++) {
			other = proof;
			memmove(&other.hash[at + 1], &other.hash[at],
				(proof.n - at) * sizeof(two[0]));
			other.hash[at] = two[i];
			other.n++;
			CHECK(!holds(is_inclusion, v->a, v->b, two, &other));
		}
	}
	other = proof;
	other.n--;
	CHECK(!holds(is_inclusion, v->a, v->b, two, &other));
}

static void test_the_vectors_of_merkle(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(inclusion) / sizeof(inclusion[0]); i++)
		check_vector(&inclusion[i], true);
	for (size_t i = 0; i < sizeof(consistency) / sizeof(consistency[0]); i++)
		check_vector(&consistency[i], false);
}

/* ---- trees that no disk holds: all leaves are the same, so a subtree's root is known */

struct uniform {
	struct tlog_hash power[64]; /* roots of 2^k leaves */
	uint64_t size;
};

static int uniform_read(void *context, unsigned level, uint64_t first, size_t n,
			struct tlog_hash *out)
{
	struct uniform *u = context;

	assert_true(level < TLOG_LEVELS && n >= 1 && n <= TLOG_TILE_WIDTH);
	assert_true(first + n <= u->size >> (8 * level));
	for (size_t i = 0; i < n; i++)
		out[i] = u->power[8 * level];
	return 0;
}

static struct tlog_hash uniform_root(const struct uniform *u, uint64_t n)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(n);
	uint64_t rest = n - (UINT64_C(1) << k);

	return rest == 0 ? u->power[k] : plain_node(u->power[k], uniform_root(u, rest));
}

static void test_the_largest_trees(void **state)
{
	static const uint64_t sizes[] = { TLOG_SIZE_MAX, UINT64_C(1) << 62, (UINT64_C(1) << 62) + 1,
					  UINT64_C(0x123456789abcdef0), UINT64_C(1) << 32 };
	struct uniform u = { { plain_leaf(0) }, 0 };
	struct tlog_source source = { uniform_read, &u };
	struct tlog_hash root, old_root, got;
	struct tlog_proof proof;
	struct tlog_tree tree;

	(void)state;
	for (unsigned k = 1; k < 64; k++)
		u.power[k] = plain_node(u.power[k - 1], u.power[k - 1]);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint64_t places[] = {
			0, 1, sizes[i] / 2, sizes[i] / 3, sizes[i] - 2, sizes[i] - 1
		};

		u.size = sizes[i];
		root = uniform_root(&u, u.size);
		CHECK_INT(tlog_tree_load(&source, u.size, &tree), 0);
		tlog_tree_root(&tree, &got);
		CHECK(tlog_hash_eq(&got, &root));
		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
			CHECK_INT(tlog_inclusion_prove(&source, places[k], u.size, &proof), 0);
			CHECK_INT(tlog_inclusion_root(places[k], u.size, &u.power[0], &proof, &got),
				  0);
			CHECK(tlog_hash_eq(&got, &root));
			CHECK_INT(tlog_consistency_prove(&source, places[k] + 1, u.size, &proof),
				  0);
			old_root = uniform_root(&u, places[k] + 1);
			CHECK_INT(tlog_consistency_check(places[k] + 1, u.size, &old_root, &root,
							 &proof),
				  0);
		}
	}
}

static int failing(void *context, unsigned level, uint64_t first, size_t n, struct tlog_hash *out)
{
	unsigned *calls = context;

	(void)level, (void)first;
	memset(out, 0, n * sizeof(*out));
	return (*calls)-- > 0 ? 0 : CHT_E_IO;
}

static void test_what_cannot_be_read_is_passed_on(void **state)
{
	struct tlog_proof proof = { .n = 77 };
	unsigned calls;
	struct tlog_source source = { failing, &calls };

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		calls = n;
		CHECK_INT(tlog_inclusion_prove(&source, 2, 8, &proof), CHT_E_IO);
		calls = n;
		CHECK_INT(tlog_consistency_prove(&source, 5, 8, &proof), CHT_E_IO);
		CHECK_INT(proof.n, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_proof_is_the_recursion),
		cmocka_unit_test(test_a_changed_inclusion_proof_is_refused),
		cmocka_unit_test(test_a_changed_consistency_proof_is_refused),
		cmocka_unit_test(test_a_larger_tree_is_no_beginning_of_a_smaller),
		cmocka_unit_test(test_nothing_is_consistent_with_everything_larger),
		cmocka_unit_test(test_the_vectors_of_merkle),
		cmocka_unit_test(test_the_largest_trees),
		cmocka_unit_test(test_what_cannot_be_read_is_passed_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
