/* SPDX-License-Identifier: Apache-2.0
 *
 * Many leaf hashes at once are what OpenSSL makes of each message, whatever lengths stand side by
 * side.
 */
#include "check.h"

#include <openssl/evp.h>

#include "tlog/lanes.h"
#include "tlog/tlog.h"

enum { LONGEST = 700, N_MAX = 40 };

/* SHA-256(0x00 || entry) by the library's own interface. */
static void expect(struct cht_bytes entry, uint8_t out[32])
{
	static const uint8_t prefix = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	CHECK_INT(EVP_DigestUpdate(ctx, &prefix, 1), 1);
	CHECK_INT(EVP_DigestUpdate(ctx, entry.ptr, entry.len), 1);
	CHECK_INT(EVP_DigestFinal_ex(ctx, out, NULL), 1);
	EVP_MD_CTX_free(ctx);
}

static struct cht_bytes entry_of(size_t len, unsigned seed)
{
	uint8_t *p = malloc(len > 0 ? len : 1);

	CHECK(p != NULL);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 3));
	return (struct cht_bytes){ p, len };
}

static void check_all(const size_t *lengths, unsigned n)
{
	struct cht_bytes entries[N_MAX] = { 0 };
	struct tlog_hash got[N_MAX], one;
	uint8_t want[32];

	for (unsigned i = 0; i < n; i++)
		entries[i] = entry_of(lengths[i], i + (unsigned)lengths[i]);
	memset(got, 0xee, sizeof(got));
	tlog_leaves(entries, n, got);
	for (unsigned i = 0; i < n; i++) {
		expect(entries[i], want);
		CHECK(memcmp(got[i].b, want, 32) == 0);
		tlog_leaf(entries[i], &one);
		CHECK(tlog_hash_eq(&one, &got[i]));
		free((void *)(uintptr_t)entries[i].ptr);
	}
	for (unsigned i = n; i < N_MAX; i++)
		CHECK_INT(got[i].b[0], 0xee);
}

static void test_every_length_beside_every_kind_of_neighbour(void **state)
{
	static const size_t beside[] = { 0, 1, 54, 55, 62, 63, 64, 118, 119, 127, 128, 700 };

	(void)state;
	for (size_t len = 0; len <= LONGEST; len++)
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
			const size_t pair[] = { len, beside[i], len };

			check_all(pair, 3);
		}
}

static void test_any_number_of_any_lengths(void **state)
{
	uint32_t seed = 1;
	size_t lengths[N_MAX];

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		unsigned n = round % (N_MAX + 1);

		for (unsigned i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			lengths[i] = (seed >> 8) % (round % 7 == 0 ? 5 : 1500);
		}
		check_all(lengths, n);
	}
}

static void test_the_longest_entry(void **state)
{
	static const size_t lengths[] = { 61440, 1, 61440 - 1, 63 };

	(void)state;
	check_all(lengths, 4);
}

/* FIPS 180-4's own example, "abc", in both lanes. */
static void test_both_lanes_are_the_standards(void **state)
{
	static const uint32_t begin[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	static const uint32_t want[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
					  0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad };
	uint8_t block[LANES_BLOCK_BYTES] = { 'a', 'b', 'c', 0x80 },
		other[LANES_BLOCK_BYTES] = { 0 };
	uint32_t a[8], b[8];

	(void)state;
	if (!lanes_are_there())
		skip(); /* this processor has none; tlog_leaves goes one by one */
	block[63] = 24;
	for (int i = 0; i < 2; i++) {
		memcpy(a, begin, sizeof(a));
		memcpy(b, begin, sizeof(b));
		lanes_compress(a, i == 0 ? block : other, b, i == 0 ? other : block);
		CHECK(memcmp(i == 0 ? a : b, want, sizeof(want)) == 0);
		CHECK(memcmp(i == 0 ? b : a, want, sizeof(want)) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length_beside_every_kind_of_neighbour),
		cmocka_unit_test(test_any_number_of_any_lengths),
		cmocka_unit_test(test_the_longest_entry),
		cmocka_unit_test(test_both_lanes_are_the_standards),
	};

	return cmocka_run_group_tests_name("tlog_leaves", tests, NULL, NULL);
}
