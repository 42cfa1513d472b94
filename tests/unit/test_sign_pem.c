/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sign/signer.h"

#include "check.h"

#define BEGIN "-----BEGIN PRIVATE KEY-----\n"
#define END   "-----END PRIVATE KEY-----\n"
/* The key of RFC 8410, section 10.3, and its two halves. */
#define LINE "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
#define HEX  "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
#define HEAD "302e020100300506032b657004220420"

/* In memory of its exact length, so that a sanitizer sees a look beyond it. */
static int read_seed(const char *text, size_t len, uint8_t seed[SIGN_SEED_BYTES],
		     struct cht_err *err)
{
	uint8_t *mem = malloc(len > SIGN_SEED_BYTES ? len : SIGN_SEED_BYTES);
	int r;

	CHECK(mem != NULL);
	memcpy(mem, text, len);
	r = key_file_seed(mem, len, "FILE", err);
	if (r == 0)
		memcpy(seed, mem, SIGN_SEED_BYTES);
	free(mem);
	return r;
}

static void check_rfc8410(const char *text, size_t len)
{
	uint8_t seed[SIGN_SEED_BYTES], want[SIGN_SEED_BYTES];
	struct cht_err err = { 0 };
	size_t n;

	if (read_seed(text, len, seed, &err) < 0)
		fail_msg("[%s] says: %s", check_row, err.text);
	CHECK(read_hex(STR(HEX), want, sizeof(want), &n));
	CHECK(memcmp(seed, want, sizeof(want)) == 0);
}

static void test_texts_that_hold_the_key(void **state)
{
	static const struct {
		const char *why, *text;
	} rows[] = {
		{ "RFC 8410", BEGIN LINE "\n" END },
		{ "no last newline", BEGIN LINE "\n-----END PRIVATE KEY-----" },
		{ "lines ended for Windows",
		  "-----BEGIN PRIVATE KEY-----\r\n" LINE "\r\n-----END PRIVATE KEY-----\r\n" },
		{ "short lines, blanks", BEGIN " MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK\n\t1bbY8fdp+K06/"
					       "nwoy/HU++CXqI9EdVhC \n\n" END },
		{ "notes before and behind",
		  "Key of the host\n\n" BEGIN LINE "\n" END "and more\n" },
		{ "the first of two", BEGIN LINE
		  "\n" END BEGIN
		  "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n" END },
		{ "a public key before it",
		  "-----BEGIN PUBLIC KEY-----\n"
		  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
		  "-----END PUBLIC KEY-----\n" BEGIN LINE "\n" END },
		{ "RFC 8410, with attributes and public key",
		  BEGIN "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
			"oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n"
			"Z9w7lshQhqowtrbLDFw4rXAxZuE=\n" END },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].why;
		check_rfc8410(rows[i].text, strlen(rows[i].text));
	}
}

static void test_texts_that_do_not(void **state)
{
	static const struct {
		const char *why, *text;
	} rows[] = {
		{ "nothing", "" },
		{ "no begin", LINE "\n" END },
		{ "no end", BEGIN LINE "\n" },
		{ "end before begin", END BEGIN LINE "\n" },
		{ "begin inside a line", "x" BEGIN LINE "\n" END },
		{ "end inside a line", BEGIN LINE END },
		{ "begin goes on", "-----BEGIN PRIVATE KEY-----" LINE "\n" END },
		{ "another label", "-----BEGIN EC PRIVATE KEY-----\n" LINE "\n" END },
		{ "encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" LINE
			       "\n-----END ENCRYPTED PRIVATE KEY-----\n" },
		{ "nothing in it", BEGIN END },
		{ "headers in it", BEGIN "Proc-Type: 4\n\n" LINE "\n" END },
		{ "base64url",
		  BEGIN "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp-K06_nwoy_HU--CXqI9EdVhC\n" END },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t seed[SIGN_SEED_BYTES];
		struct cht_err err = { 0 };

		check_row = rows[i].why;
		CHECK_INT(read_seed(rows[i].text, strlen(rows[i].text), seed, &err), CHT_E_KEY);
		CHECK(strstr(err.text, "FILE holds no PKCS#8") != NULL);
	}
}

static void test_every_prefix_is_refused(void **state)
{
	static const char text[] = BEGIN LINE "\n" END;
	uint8_t seed[SIGN_SEED_BYTES];

	(void)state;
	check_row = "prefix";
	for (size_t cut = 0; cut < sizeof(text) - 2; cut++)
		CHECK_INT(read_seed(text, cut, seed, NULL), CHT_E_KEY);
	check_rfc8410(text, sizeof(text) - 2);
}

static size_t pem_of(char *text, size_t cap, const uint8_t *der, size_t n)
{
	struct buf b = buf_init(text, cap);

	buf_put_lit(&b, BEGIN);
	put_base64(&b, der, n);
	buf_put_lit(&b, "\n" END);
	CHECK(!b.full);
	return buf_len(&b);
}

static void test_der_is_read_strictly(void **state)
{
	static const struct {
		const char *why, *hex;
		bool is_other; /* a key of another kind */
	} rows[] = {
		{ "a byte behind it", HEAD HEX "00", false },
		{ "a byte short", "302d020100300506032b657004220420" HEX, false },
		{ "a longer form of the length", "30812e020100300506032b657004220420" HEX, false },
		{ "no definite length", "3080020100300506032b657004220420" HEX "0000", false },
		{ "length of three bytes", "308300002e020100300506032b657004220420" HEX, false },
		{ "length beyond the end", "302f020100300506032b657004220420" HEX, false },
		{ "version 2", "302e020102300506032b657004220420" HEX, false },
		{ "version of two bytes", "302f02020000300506032b657004220420" HEX, false },
		{ "no version", "302b300506032b657004220420" HEX, false },
		{ "X25519", "302e020100300506032b656e04220420" HEX, true },
		{ "Ed448", "302e020100300506032b657104220420" HEX, true },
		{ "parameters that are null", "3030020100300706032b6570050004220420" HEX, false },
		{ "a seed of 31 bytes",
		  "302d020100300506032b65700421041f"
		  "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f447558",
		  false },
		{ "a seed that is not in octets of its own", "302c020100300506032b65700420" HEX,
		  false },
		{ "a byte behind the seed", "302f020100300506032b657004230420" HEX "00", false },
		{ "no seed", "300c020100300506032b6570", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t der[128], seed[SIGN_SEED_BYTES];
		struct cht_err err = { 0 };
		char text[512];
		size_t n;

		check_row = rows[i].why;
		CHECK(read_hex(str_of(rows[i].hex), der, sizeof(der), &n));
		n = pem_of(text, sizeof(text), der, n);
		CHECK_INT(read_seed(text, n, seed, &err), CHT_E_KEY);
		CHECK((strstr(err.text, "not an Ed25519") != NULL) == rows[i].is_other);
	}
}

/* What is flipped outside the seed is refused. */
static void test_every_flipped_bit_is_seen(void **state)
{
	uint8_t der[48], seed[SIGN_SEED_BYTES];
	char text[256];
	size_t n;

	(void)state;
	check_row = "flip";
	CHECK(read_hex(STR(HEAD HEX), der, sizeof(der), &n));
	for (size_t bit = 0; bit < 8 * sizeof(der); bit++) {
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		n = pem_of(text, sizeof(text), der, sizeof(der));
		/* Version 1 is as good as 0. */
		if (bit / 8 >= 16 || bit == 4 * 8) {
			CHECK_INT(read_seed(text, n, seed, NULL), 0);
			CHECK(memcmp(seed, der + 16, sizeof(seed)) == 0);
		} else {
			CHECK_INT(read_seed(text, n, seed, NULL), CHT_E_KEY);
		}
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_what_openssl_writes_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		BIO *bio = BIO_new(BIO_s_mem());
		uint8_t want[SIGN_SEED_BYTES], seed[SIGN_SEED_BYTES];
		size_t n = sizeof(want);
		char *text;
		long len;

		CHECK_INT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
		CHECK_INT(EVP_PKEY_get_raw_private_key(key, want, &n), 1);
		len = BIO_get_mem_data(bio, &text);
		CHECK_INT(read_seed(text, (size_t)len, seed, NULL), 0);
		CHECK(memcmp(seed, want, sizeof(want)) == 0);
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_that_hold_the_key),
		cmocka_unit_test(test_texts_that_do_not),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_der_is_read_strictly),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_what_openssl_writes_is_read),
	};

	return cmocka_run_group_tests_name("sign_pem", tests, NULL, NULL);
}
