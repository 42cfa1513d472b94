/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes and trees: the vectors of Certificate Transparency's reference implementation
 * (google/certificate-transparency, merkletree/merkle_tree_test.cc, Apache-2.0; also in
 * transparency-dev/merkle), and the recursion of RFC 6962 for every size.
 */
#include "tlog_util.h"

enum { SIZES = 600 };

static const struct {
	const char *leaf, *root; /* the root of the tree that ends with this leaf */
} ct[] = {
	{ "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
	{ "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
	{ "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
	{ "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
	{ "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
	{ "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
	{ "5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
	{ "606162636465666768696a6b6c6d6e6f",
	  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
};

static void test_the_vectors_of_certificate_transparency(void **state)
{
	struct tlog_tree tree = { 0 };
	struct tlog_hash hash, done[TLOG_LEVELS];
	uint8_t leaf[32];
	size_t len;

	(void)state;
	tlog_tree_root(&tree, &hash);
	check_hash(&hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < sizeof(ct) / sizeof(ct[0]); i++) {
		check_row = ct[i].leaf;
		CHECK(read_hex(str_of(ct[i].leaf), leaf, sizeof(leaf), &len));
		tlog_leaf((struct cht_bytes){ leaf, len }, &hash);
		CHECK_INT(tlog_tree_add(&tree, &hash, done), 1);
		CHECK(tlog_hash_eq(&done[0], &hash));
		tlog_tree_root(&tree, &hash);
		check_hash(&hash, ct[i].root);
	}
}

static void test_leaves_and_nodes_of_every_length(void **state)
{
	struct tlog_hash got, want, other = { { 7 } };
	uint8_t bytes[300];

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		bytes[n] = (uint8_t)(n * 31);
		tlog_leaf((struct cht_bytes){ bytes, n }, &got);
		want = plain_hash(0, (struct cht_bytes){ bytes, n }, (struct cht_bytes){ NULL, 0 });
		CHECK(tlog_hash_eq(&got, &want));
		want = plain_node(got, other);
		tlog_node(&got, &other, &got); /* out may be an input */
		CHECK(tlog_hash_eq(&got, &want));
		want = plain_node(other, got);
		tlog_node(&other, &got, &got);
		CHECK(tlog_hash_eq(&got, &want));
	}
	CHECK(!tlog_hash_eq(&got, &other));
}

/* Every size: the root, what is done at each step, the range loaded back from the files. */
static void test_every_size_is_the_recursion(void **state)
{
	struct tlog_hash *leaves = calloc(SIZES, sizeof(*leaves));
	struct files *f = files_new(SIZES);
	struct tlog_source source = { files_read, f };
	struct tlog_tree tree = { 0 }, loaded;
	struct tlog_hash got, want, done[TLOG_LEVELS];

	(void)state;
	assert_non_null(leaves);
	for (size_t n = 0; n <= SIZES; n++) {
		want = plain_root(leaves, n);
		tlog_tree_root(&tree, &got);
		CHECK(tlog_hash_eq(&got, &want));
		f->limit = n;
		CHECK_INT(tlog_tree_load(&source, n, &loaded), 0);
		CHECK_INT(loaded.size, n);
		for (unsigned k = 0; k < 64; k++)
			CHECK((n >> k & 1) == 0 || tlog_hash_eq(&loaded.node[k], &tree.node[k]));
		CHECK_INT(tlog_range_root(&source, 0, n, &got), 0);
		CHECK(tlog_hash_eq(&got, &want));
		if (n == SIZES)
			break;
		leaves[n] = plain_leaf(n);
		CHECK_INT(tlog_tree_add(&tree, &leaves[n], done), (n + 1) % 256 == 0 ? 2 : 1);
		CHECK(tlog_hash_eq(&done[0], &leaves[n]));
		if ((n + 1) % 256 == 0) {
			want = plain_root(leaves + n - 255, 256);
			CHECK(tlog_hash_eq(&done[1], &want));
		}
	}
	files_free(f);
	free(leaves);
}

/* Every range that can be asked for, in a tree of some size. */
static void test_ranges_are_trees_of_their_own(void **state)
{
	struct tlog_hash leaves[SIZES], got, want;
	struct files *f = files_new(SIZES);
	struct tlog_source source = { files_read, f };

	(void)state;
	for (size_t i = 0; i < SIZES; i++)
		leaves[i] = plain_leaf(i);
	for (size_t step = 1; step <= 512; step *= 2) {
		for (size_t lo = 0; lo < SIZES; lo += step) {
			size_t hi = lo + step < SIZES ? lo + step : SIZES;
			size_t mid = lo + (hi - lo + 1) / 2;

			CHECK_INT(tlog_range_root(&source, lo, hi, &got), 0);
			want = plain_root(leaves + lo, hi - lo);
			CHECK(tlog_hash_eq(&got, &want));
			CHECK_INT(tlog_range_root(&source, lo, mid, &got), 0);
			want = plain_root(leaves + lo, mid - lo);
			CHECK(tlog_hash_eq(&got, &want));
		}
	}
	files_free(f);
}

/* More than two levels, against a tree built from subtrees. */
static void test_a_large_tree_in_three_levels(void **state)
{
	enum { LARGE = 65536 + 3 * 256 + 5 };
	struct files *f = files_new(LARGE);
	struct tlog_source source = { files_read, f };
	struct tlog_hash got, want;
	struct tlog_tree tree = { 0 };

	(void)state;
	CHECK_INT(f->n[0], LARGE);
	CHECK_INT(f->n[1], 259);
	CHECK_INT(f->n[2], 1);
	tlog_tree_root(&f->tree, &want);
	CHECK_INT(tlog_range_root(&source, 0, LARGE, &got), 0);
	CHECK(tlog_hash_eq(&got, &want));
	CHECK_INT(f->n_read, 3); /* one tile a level */
	tlog_tree_add_subtree(&tree, 16, &f->level[2][0]);
	for (unsigned i = 256; i < 259; i++)
		tlog_tree_add_subtree(&tree, 8, &f->level[1][i]);
	for (unsigned i = 259 * 256; i < LARGE; i++)
		tlog_tree_add_subtree(&tree, 0, &f->level[0][i]);
	CHECK_INT(tree.size, LARGE);
	tlog_tree_root(&tree, &got);
	CHECK(tlog_hash_eq(&got, &want));
	got = plain_root(f->level[0], LARGE);
	CHECK(tlog_hash_eq(&got, &want));
	files_free(f);
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
	struct tlog_hash hash;
	struct tlog_tree tree;
	unsigned calls;
	struct tlog_source source = { failing, &calls };

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		calls = n;
		CHECK_INT(tlog_range_root(&source, 0, 65536 + 256 + 1, &hash), CHT_E_IO);
		calls = n;
		CHECK_INT(tlog_tree_load(&source, 65536 + 256 + 1, &tree), CHT_E_IO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_vectors_of_certificate_transparency),
		cmocka_unit_test(test_leaves_and_nodes_of_every_length),
		cmocka_unit_test(test_every_size_is_the_recursion),
		cmocka_unit_test(test_ranges_are_trees_of_their_own),
		cmocka_unit_test(test_a_large_tree_in_three_levels),
		cmocka_unit_test(test_what_cannot_be_read_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
