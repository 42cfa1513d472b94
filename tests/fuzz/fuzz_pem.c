/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a key file: refused, or read as the seed that OpenSSL reads, if it reads one. That a
 * seed came out of the input shows in that it is decided by the input alone.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "fuzz.h"

#include "sign/signer.h"

static int no_passphrase(char *out, int cap, int writing, void *context)
{
	(void)out, (void)cap, (void)writing, (void)context;
	return -1;
}

static unsigned count(const uint8_t *bytes, size_t len, const char *word)
{
	const uint8_t *end = bytes + len, *p = bytes;
	unsigned n = 0;

	while (p < end && (p = memmem(p, (size_t)(end - p), word, strlen(word))) != NULL) {
		p += strlen(word);
		n++;
	}
	return n;
}

/* False: OpenSSL finds no Ed25519 key. */
static bool by_openssl(const uint8_t *bytes, size_t len, uint8_t seed[SIGN_SEED_BYTES])
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	size_t n = SIGN_SEED_BYTES;
	bool ok = key != NULL && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
		  EVP_PKEY_get_raw_private_key(key, seed, &n) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

/* In memory of its exact length, filled behind it with junk where it is short. */
static int by_us(const uint8_t *bytes, size_t len, int junk, uint8_t seed[SIGN_SEED_BYTES])
{
	size_t cap = len > SIGN_SEED_BYTES ? len : SIGN_SEED_BYTES;
	struct cht_err err = { 0 };
	uint8_t *mem = malloc(cap);
	int r;

	HOLDS(mem != NULL);
	memset(mem, junk, cap);
	if (len > 0)
		memcpy(mem, bytes, len);
	r = key_file_seed(mem, len, "FILE", &err);
	HOLDS(r == 0 || (r == CHT_E_KEY && err.text[0] != '\0'));
	memcpy(seed, mem, SIGN_SEED_BYTES);
	free(mem);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	uint8_t seed[SIGN_SEED_BYTES], again[SIGN_SEED_BYTES], theirs[SIGN_SEED_BYTES];

	if (len > SIGN_KEY_FILE_MAX)
		return 0;
	if (by_us(bytes, len, 0x00, seed) < 0) {
		HOLDS(by_us(bytes, len, 0xff, again) < 0);
		return 0;
	}
	HOLDS(by_us(bytes, len, 0xff, again) == 0);
	HOLDS(memcmp(seed, again, sizeof(seed)) == 0);
	/* Of several texts it may take another one. */
	if (count(bytes, len, "-----BEGIN ") == 1 && by_openssl(bytes, len, theirs))
		HOLDS(memcmp(seed, theirs, sizeof(seed)) == 0);
	return 0;
}
