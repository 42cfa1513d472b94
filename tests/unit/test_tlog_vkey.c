/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifier keys: those of C2SP signed-note's example (github:C2SP/C2SP, CC BY 4.0), of the tests
 * of golang.org/x/mod/sumdb/note (BSD-3-Clause), of Go's checksum database, and of the tests of
 * transparency-dev/formats (Apache-2.0): their ids were made by others.
 */
#include "check.h"

#include "tlog/tlog.h"

static const struct {
	const char *text, *name;
	unsigned type;
} good[] = {
	{ "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	  "example.com/foo", TLOG_ED25519 },
	{ "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann",
	  TLOG_ED25519 },
	{ "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop", "EnochRoot",
	  TLOG_ED25519 },
	{ "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", "sum.golang.org",
	  TLOG_ED25519 },
	{ "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6", "TEST", TLOG_ED25519 },
	{ "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2", "remora.n621.de",
	  TLOG_ED25519_COSIGN },
};

static void test_keys_of_others_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct tlog_vkey vkey, made;
		const char *why = "";
		char mem[256];
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = good[i].text;
		CHECK(tlog_vkey_read(str_of(good[i].text), &vkey, &why));
		CHECK_STR(str_of(vkey.name), good[i].name);
		CHECK_INT(vkey.type, good[i].type);
		tlog_vkey_put(&b, &vkey);
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), good[i].text);
		CHECK(tlog_vkey_make(&made, str_of(good[i].name), good[i].type, vkey.public_key));
		CHECK(tlog_vkey_eq(&made, &vkey) && memcmp(made.id, vkey.id, 4) == 0);
		CHECK(tlog_vkey_make(&made, str_of(good[i].name),
				     TLOG_ED25519 + TLOG_ED25519_COSIGN - good[i].type,
				     vkey.public_key));
		CHECK(!tlog_vkey_eq(&made, &vkey) && memcmp(made.id, vkey.id, 4) != 0);
	}
}

#define KEY "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

static void test_bad_keys_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "form" },
		{ "example.com/foo", "form" },
		{ "example.com/foo+530d903a", "form" },
		{ "+530d903a+" KEY, "its name is" },
		{ "a b+530d903a+" KEY, "its name is" },
		{ "a\xc2\xa0+530d903a+" KEY, "its name is" },
		{ "a\xc2\x85+530d903a+" KEY, "its name is" },
		{ "a\xc2\x9f+530d903a+" KEY, "its name is" },
		{ "a\x7f+530d903a+" KEY, "its name is" },
		{ "a\n+530d903a+" KEY, "its name is" },
		{ "a\x01+530d903a+" KEY, "its name is" },
		{ "a\xff+530d903a+" KEY, "its name is" },
		{ "example.com/foo+530D903A+" KEY, "hex" },
		{ "example.com/foo+530d903+" KEY, "hex" },
		{ "example.com/foo+530d903a0+" KEY, "hex" },
		{ "example.com/foo+530d903g+" KEY, "hex" },
		{ "example.com/foo++" KEY, "hex" },
		{ "example.com/foo+530d903a+", "type" },
		{ "example.com/foo+530d903a+=", "base64" },
		{ "example.com/foo+530d903a+" KEY "\n", "base64" },
		{ "example.com/foo+530d903a+ " KEY, "base64" },
		{ "example.com/foo+530d903a+" KEY "=", "base64" },
		{ "example.com/foo+530d903a+" KEY "AAAA", "type" },
		{ "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
		  "type" }, /* 31 bytes */
		{ "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		  "type" }, /* 02 */
		{ "example.com/foo+530d903a+AOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		  "type" }, /* 00 */
		{ "example.com/foo+530d903b+" KEY, "changed" },
		{ "example.com/fop+530d903a+" KEY, "changed" },
		{ "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
		  "changed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tlog_vkey vkey = { .type = 77 };
		const char *why = "";

		check_row = bad[i].text;
		CHECK(!tlog_vkey_read(str_of(bad[i].text), &vkey, &why));
		if (strstr(why, bad[i].why) == NULL)
			fprintf(stderr, "%s: %s\n", bad[i].text, why);
		CHECK(strstr(why, bad[i].why) != NULL);
		CHECK_INT(vkey.type, 77);
		CHECK(!tlog_vkey_read(str_of(bad[i].text), &vkey, NULL));
	}
}

static void test_every_prefix_and_every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = strlen(good[i].text);

		check_row = good[i].text;
		for (size_t cut = 0; cut < n; cut++) {
			char *exact = malloc(n);
			struct tlog_vkey vkey;

			assert_non_null(exact);
			memcpy(exact, good[i].text, cut);
			CHECK(!tlog_vkey_read((struct cht_str){ exact, cut }, &vkey, NULL));
			for (unsigned bit = 0; bit < 8; bit++) {
				memcpy(exact, good[i].text, n);
				exact[cut] = (char)((unsigned char)exact[cut] ^ 1u << bit);
				CHECK(!tlog_vkey_read((struct cht_str){ exact, n }, &vkey, NULL));
			}
			free(exact);
		}
	}
}

static void test_keys_are_equal_in_every_part(void **state)
{
	struct tlog_vkey a, b;

	(void)state;
	CHECK(tlog_vkey_read(str_of(good[0].text), &a, NULL));
	b = a;
	CHECK(tlog_vkey_eq(&a, &b));
	b.name[0] = 'x';
	CHECK(!tlog_vkey_eq(&a, &b));
	b = a;
	b.type = TLOG_ED25519_COSIGN;
	CHECK(!tlog_vkey_eq(&a, &b));
	b = a;
	b.public_key[31] ^= 1;
	CHECK(!tlog_vkey_eq(&a, &b));
}

static void test_names(void **state)
{
	char longest[TLOG_NAME_MAX + 1];
	struct tlog_vkey vkey;
	uint8_t key[32] = { 0 };

	(void)state;
	memset(longest, 'n', sizeof(longest));
	CHECK(tlog_is_name((struct cht_str){ longest, TLOG_NAME_MAX }));
	CHECK(!tlog_is_name((struct cht_str){ longest, TLOG_NAME_MAX + 1 }));
	CHECK(!tlog_is_name((struct cht_str){ NULL, 0 }));
	CHECK(tlog_is_name(STR("h\xc3\xa9te/\xe2\x80\x94")));
	CHECK(tlog_is_name(STR("\xe2\x80\x8b"))); /* zero width, and no white space to Unicode */
	CHECK(!tlog_is_name(STR("a\xe2\x80")));
	CHECK(tlog_vkey_make(&vkey, (struct cht_str){ longest, TLOG_NAME_MAX }, TLOG_ED25519, key));
	CHECK_INT(strlen(vkey.name), TLOG_NAME_MAX);
	CHECK(!tlog_vkey_make(&vkey, STR("a b"), TLOG_ED25519, key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_others_go_both_ways),
		cmocka_unit_test(test_bad_keys_are_refused_with_a_reason),
		cmocka_unit_test(test_every_prefix_and_every_flipped_bit_is_refused),
		cmocka_unit_test(test_keys_are_equal_in_every_part),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
