/* SPDX-License-Identifier: Apache-2.0
 *
 * Receipts: the example of C2SP tlog-proof (github:C2SP/C2SP, CC BY 4.0; its signatures are
 * shortened there).
 */
#include "check.h"

#include "base/text.h"
#include "tlog/tlog.h"

#define FIRST "c2sp.org/tlog-proof@v1\n"
#define EXTRA "YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ"
#define HASH  "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ="
#define NOTE                                                                                       \
	"example.com/fancylog\n"                                                                   \
	"109482\n"                                                                                 \
	"sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n"                                           \
	"\n"                                                                                       \
	"\xe2\x80\x94 example.com/fancylog hI2DJw[...]1roloI=\n"                                   \
	"\xe2\x80\x94 witness1.example mJirIklj[...]qY9v2B/5bg==\n"                                \
	"\xe2\x80\x94 witness2.example TnKKVHLX[...]xwYwrSjgow==\n"                                \
	"\xe2\x80\x94 witness3.example S4X82uH5[...]3oEcROGLFQ==\n"
#define PROOF                                                                                      \
	HASH "\n"                                                                                  \
	     "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"                                      \
	     "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n"                                      \
	     "RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n"                                      \
	     "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n"

static const char example[] = FIRST "extra " EXTRA "\nindex 73894\n" PROOF "\n" NOTE;
static const char without_extra[] = FIRST "index 73894\n" PROOF "\n" NOTE;

static void test_the_example_of_the_specification(void **state)
{
	struct tlog_receipt receipt;
	size_t at;

	(void)state;
	CHECK_INT(tlog_receipt_read(str_of(example), &receipt, &at), 0);
	CHECK_INT(receipt.index, 73894);
	CHECK_STR(receipt.extra, EXTRA);
	CHECK_INT(receipt.proof.n, 5);
	CHECK_INT(receipt.proof.hash[0].b[0], 0x81);
	CHECK_INT(receipt.proof.hash[4].b[31], 0xf9);
	CHECK_STR(receipt.note, NOTE);
}

static void test_what_is_put_is_read_back(void **state)
{
	struct tlog_proof proof = { .n = TLOG_PROOF_MAX };
	struct tlog_receipt receipt;
	char mem[8192];
	struct buf b = buf_init(mem, sizeof(mem));
	size_t at, len;

	(void)state;
	CHECK_INT(tlog_receipt_read(str_of(without_extra), &receipt, &at), 0);
	CHECK_INT(receipt.extra.len, 0);
	tlog_receipt_put(&b, receipt.index, &receipt.proof, receipt.note);
	CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), without_extra);
	for (len = 0; len < strlen(without_extra); len++) {
		b = buf_init(mem, len);
		tlog_receipt_put(&b, receipt.index, &receipt.proof, receipt.note);
		CHECK(b.full);
	}
	for (unsigned i = 0; i < TLOG_PROOF_MAX; i++)
		memset(proof.hash[i].b, (int)i, 32);
	for (proof.n = 0; proof.n <= TLOG_PROOF_MAX; proof.n++) {
		b = buf_init(mem, sizeof(mem));
		tlog_receipt_put(&b, TLOG_SIZE_MAX - 1, &proof, STR(NOTE));
		CHECK_INT(tlog_receipt_read((struct cht_str){ mem, buf_len(&b) }, &receipt, &at),
			  0);
		CHECK(receipt.index == TLOG_SIZE_MAX - 1 && receipt.proof.n == proof.n);
		CHECK(memcmp(receipt.proof.hash, proof.hash, proof.n * sizeof(proof.hash[0])) == 0);
	}
}

#define HASHES8 HASH "\n" HASH "\n" HASH "\n" HASH "\n" HASH "\n" HASH "\n" HASH "\n" HASH "\n"

static void test_bad_receipts_are_refused_where_they_are_bad(void **state)
{
	static const struct {
		const char *why, *text;
		size_t at;
	} rows[] = {
		{ "empty", "", 0 },
		{ "another version", "c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n", 21 },
		{ "more on the first line", "c2sp.org/tlog-proof@v1 \nindex 0\n\nnote\n", 22 },
		{ "a shorter first line", "c2sp.org/tlog-proof@v\nindex 0\n\nnote\n", 21 },
		{ "a carriage return", "c2sp.org/tlog-proof@v1\r\nindex 0\n\nnote\n", 22 },
		{ "no index", FIRST HASH "\n\nnote\n", 23 },
		{ "an empty line for an index", FIRST "\nnote\n", 23 },
		{ "index by another name", FIRST "Index 0\n\nnote\n", 23 },
		{ "no space", FIRST "index\n\nnote\n", 28 },
		{ "no number", FIRST "index \n\nnote\n", 29 },
		{ "a leading zero", FIRST "index 00\n\nnote\n", 29 },
		{ "a negative index", FIRST "index -1\n\nnote\n", 29 },
		{ "an index that no tree has", FIRST "index 9223372036854775807\n\nnote\n", 29 },
		{ "two spaces", FIRST "index  0\n\nnote\n", 29 },
		{ "two indexes", FIRST "index 0\nindex 0\n\nnote\n", 36 },
		{ "extra behind the index", FIRST "index 0\nextra AAAA\n\nnote\n", 36 },
		{ "two extras", FIRST "extra AAAA\nextra AAAA\nindex 0\n\nnote\n", 34 },
		{ "an empty extra", FIRST "extra \nindex 0\n\nnote\n", 29 },
		{ "extra without a space", FIRST "extra\nindex 0\n\nnote\n", 23 },
		{ "extra that is not base64", FIRST "extra AA-A\nindex 0\n\nnote\n", 31 },
		{ "extra without padding", FIRST "extra AAA\nindex 0\n\nnote\n", 32 },
		{ "extra and nothing else", FIRST "extra AAAA\n", 34 },
		{ "a hash that is too short", FIRST "index 0\nAAAA\n\nnote\n", 35 },
		{ "a hash that is too long", FIRST "index 0\n" HASH HASH "\n\nnote\n", 75 },
		{ "a hash with a space", FIRST "index 0\n " HASH "\n\nnote\n", 31 },
		{ "65 hashes",
		  FIRST
		  "index 0\n" HASHES8 HASHES8 HASHES8 HASHES8 HASHES8 HASHES8 HASHES8 HASHES8 HASH
		  "\n\nnote\n",
		  31 + 64 * 45 },
		{ "no empty line", FIRST "index 0\n" HASH "\n", 76 },
		{ "no note", FIRST "index 0\n\n", 32 },
		{ "a note at once", FIRST "index 0\nnote\n", 35 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlog_receipt receipt = { .index = 77 };
		size_t at = SIZE_MAX;

		check_row = rows[i].why;
		CHECK_INT(tlog_receipt_read(str_of(rows[i].text), &receipt, &at), CHT_E_PARSE);
		CHECK_INT(at, rows[i].at);
		CHECK_INT(receipt.index, 77);
		CHECK_INT(tlog_receipt_read(str_of(rows[i].text), &receipt, NULL), CHT_E_PARSE);
	}
}

/* Up to the note each prefix is refused; then the rest is the note's affair. */
static void test_every_prefix_is_judged(void **state)
{
	size_t head = strlen(example) - strlen(NOTE);

	(void)state;
	for (size_t cut = 0; cut < strlen(example); cut++) {
		char *exact = malloc(cut + (cut == 0));
		struct tlog_receipt receipt;
		size_t at = SIZE_MAX;

		assert_non_null(exact);
		memcpy(exact, example, cut);
		CHECK_INT(tlog_receipt_read((struct cht_str){ exact, cut }, &receipt, &at),
			  cut > head ? 0 : CHT_E_PARSE);
		CHECK(cut > head ? receipt.note.len == cut - head : at <= cut);
		free(exact);
	}
}

/* No flipped bit leaves index and proof as they were, if it is not in the extra line. */
static void test_every_flipped_bit_is_seen(void **state)
{
	struct tlog_receipt good, got;
	char text[sizeof(without_extra)];
	size_t at;

	(void)state;
	CHECK_INT(tlog_receipt_read(str_of(without_extra), &good, &at), 0);
	for (size_t bit = 0; bit < 8 * strlen(without_extra); bit++) {
		memcpy(text, without_extra, sizeof(text));
		text[bit / 8] = (char)((unsigned char)text[bit / 8] ^ 1u << bit % 8);
		if (tlog_receipt_read((struct cht_str){ text, sizeof(text) - 1 }, &got, &at) < 0)
			continue;
		CHECK(got.index != good.index || got.proof.n != good.proof.n ||
		      memcmp(got.proof.hash, good.proof.hash,
			     got.proof.n * sizeof(got.proof.hash[0])) != 0 ||
		      !str_eq(got.note, good.note));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_example_of_the_specification),
		cmocka_unit_test(test_what_is_put_is_read_back),
		cmocka_unit_test(test_bad_receipts_are_refused_where_they_are_bad),
		cmocka_unit_test(test_every_prefix_is_judged),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
