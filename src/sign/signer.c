/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC is composed here from OpenSSL's SHA-256 state instead of EVP_MAC: EVP_MAC keeps a copy of
 * the key in the ordinary heap and calls the allocator twice a message (ADR 10).
 */
#include "sign/signer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sign/sign.h"

enum { HMAC_BLOCK_BYTES = 64, HMAC_BYTES = 32 };

static const char *const algorithm_names[] = {
	[CHT_ALGORITHM_OFF] = "off",
	[CHT_ALGORITHM_HMAC_SHA256] = "hmac-sha256",
	[CHT_ALGORITHM_ED25519] = "ed25519",
};

struct cht_str sign_algorithm_name(enum cht_algorithm algorithm)
{
	return str_of(algorithm_names[algorithm]);
}

int sign_check_kid(const char *kid, struct cht_err *err)
{
	size_t n = kid != NULL ? strlen(kid) : 0;

	if (n == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "a signing key needs a key id");
	if (n > CHT_KID_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0, "the key id has %zu bytes, at most %d may be",
				n, CHT_KID_MAX);
	for (size_t i = 0; i < n; i++)
		if (kid[i] <= 0x20 || kid[i] >= 0x7f || kid[i] == '"' || kid[i] == '\\')
			return cht_fail(err, CHT_E_CONFIG, 0,
					"byte %zu of the key id is not visible ASCII, or is a "
					"quote or backslash",
					i + 1);
	return 0;
}

/* The key's block xored with the constant, hashed: where every HMAC of this key begins. */
static bool hmac_begin(SHA256_CTX *state, const uint8_t block[HMAC_BLOCK_BYTES], uint8_t pad)
{
	uint8_t padded[HMAC_BLOCK_BYTES];
	bool ok;

	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] = block[i] ^ pad;
	ok = SHA256_Init(state) == 1 && SHA256_Update(state, padded, sizeof(padded)) == 1;
	sodium_memzero(padded, sizeof(padded));
	return ok;
}

static bool hmac_init(struct secret *secret, const uint8_t *key, size_t len)
{
	uint8_t block[HMAC_BLOCK_BYTES] = { 0 };
	SHA256_CTX long_key;
	bool ok = true;

	if (len > sizeof(block)) {
		ok = SHA256_Init(&long_key) == 1 && SHA256_Update(&long_key, key, len) == 1 &&
		     SHA256_Final(block, &long_key) == 1;
		sodium_memzero(&long_key, sizeof(long_key));
	} else {
		memcpy(block, key, len);
	}
	ok = ok && hmac_begin(&secret->inner, block, 0x36) &&
	     hmac_begin(&secret->outer, block, 0x5c);
	sodium_memzero(block, sizeof(block));
	return ok;
}

int secret_from_seed(uint8_t out[SIGN_SECRET_BYTES], const uint8_t seed[SIGN_SEED_BYTES],
		     struct cht_err *err)
{
	uint8_t public_key[SIGN_PUBLIC_BYTES];

	if (crypto_sign_seed_keypair(public_key, out, seed) != 0)
		return cht_fail(err, CHT_E_KEY, 0, "the library did not take the key");
	return 0;
}

static int secret_init(struct secret *secret, enum cht_algorithm algorithm, struct cht_bytes key,
		       struct cht_err *err)
{
	sodium_memzero(secret, sizeof(*secret));
	if (algorithm == CHT_ALGORITHM_ED25519)
		return secret_from_seed(secret->ed25519, key.ptr, err);
	if (!hmac_init(secret, key.ptr, key.len))
		return cht_fail(err, CHT_E_KEY, 0, "the library did not take the key");
	return 0;
}

static void tail_init(struct cht_signer *signer, const char *kid)
{
	struct buf b = buf_init(signer->tail, sizeof(signer->tail));

	buf_put_lit(&b, ",\"signerKid\":\"");
	buf_put_str(&b, str_of(kid));
	buf_put_lit(&b, "\",\"algorithm\":\"");
	buf_put_str(&b, sign_algorithm_name(signer->algorithm));
	buf_put_lit(&b, "\",\"signature\":\"");
	signer->tail_len = buf_len(&b);
}
_Static_assert(SIGN_TAIL_MAX >= CHT_KID_MAX + 64, "a tail always fits");

int secret_check(const struct sign_key *key, size_t len, struct cht_err *err)
{
	if (key->algorithm == CHT_ALGORITHM_ED25519 && len != SIGN_SEED_BYTES)
		return cht_fail(err, CHT_E_KEY, 0,
				"%s decodes to %zu bytes; an Ed25519 seed has %d", key->origin, len,
				SIGN_SEED_BYTES);
	if (len == 0)
		return cht_fail(err, CHT_E_KEY, 0, "%s decodes to nothing", key->origin);
	if (len > SIGN_HMAC_KEY_MAX)
		return cht_fail(err, CHT_E_KEY, 0, "%s decodes to %zu bytes, at most %d may be",
				key->origin, len, SIGN_HMAC_KEY_MAX);
	return 0;
}

static int build(struct cht_signer *signer, const char *kid, struct cht_bytes secret,
		 struct cht_err *err)
{
	int r;

	signer->secret = sodium_malloc(sizeof(*signer->secret));
	signer->sorted = malloc(CHT_EVENT_MAX_BYTES);
	if (signer->secret == NULL || signer->sorted == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a signer");
	r = secret_init(signer->secret, signer->algorithm, secret, err);
	if (r < 0)
		return r;
	if (sodium_mprotect_readonly(signer->secret) != 0)
		return cht_fail(err, CHT_E_KEY, 0, "cannot protect the key's memory");
	tail_init(signer, kid);
	return 0;
}

int signer_new(struct cht_signer **out, const struct sign_key *key, struct cht_bytes secret,
	       struct cht_err *err)
{
	struct cht_signer *signer;
	int r = sign_check_kid(key->kid, err);

	if (r == 0)
		r = secret_check(key, secret.len, err);
	if (r == 0 && sodium_init() < 0)
		r = cht_fail(err, CHT_E_UNSUPPORTED, 0, "libsodium does not start");
	if (r < 0)
		return r;
	signer = calloc(1, sizeof(*signer));
	if (signer == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a signer");
	signer->algorithm = key->algorithm;
	r = build(signer, key->kid, secret, err);
	if (r < 0)
		cht_signer_free(signer);
	else
		*out = signer;
	return r;
}

uint8_t *signer_scratch(struct cht_err *err)
{
	uint8_t *mem = sodium_init() < 0 ? NULL : sodium_malloc(SIGN_KEY_FILE_MAX);

	if (mem == NULL)
		(void)cht_fail(err, CHT_E_NOMEM, 0, "no guarded memory for a key");
	return mem;
}

void cht_signer_free(struct cht_signer *signer)
{
	if (signer == NULL)
		return;
	sodium_free(signer->secret);
	free(signer->sorted);
	free(signer);
}

enum cht_algorithm cht_signer_algorithm(const struct cht_signer *signer)
{
	return signer != NULL ? signer->algorithm : CHT_ALGORITHM_OFF;
}

void cht_signer_set_order(struct cht_signer *signer, enum cht_signing_order order)
{
	signer->order = order;
}

static int hmac_sign(const struct secret *secret, struct cht_bytes payload, uint8_t *mac)
{
	SHA256_CTX state = secret->inner;
	uint8_t inner[HMAC_BYTES];
	bool ok;

	ok = SHA256_Update(&state, payload.ptr, payload.len) == 1 &&
	     SHA256_Final(inner, &state) == 1;
	state = secret->outer;
	ok = ok && SHA256_Update(&state, inner, sizeof(inner)) == 1 &&
	     SHA256_Final(mac, &state) == 1;
	sodium_memzero(&state, sizeof(state));
	return ok ? HMAC_BYTES : CHT_E_SIGN;
}

int secret_sign(const uint8_t secret[SIGN_SECRET_BYTES], struct cht_bytes payload,
		uint8_t signature[SIGN_SIGNATURE_MAX])
{
	return crypto_sign_detached(signature, NULL, payload.ptr, payload.len, secret) == 0
		       ? 0
		       : CHT_E_SIGN;
}

int signer_sign(const struct cht_signer *signer, struct cht_bytes payload,
		uint8_t signature[SIGN_SIGNATURE_MAX])
{
	if (signer->algorithm == CHT_ALGORITHM_HMAC_SHA256)
		return hmac_sign(signer->secret, payload, signature);
	if (secret_sign(signer->secret->ed25519, payload, signature) < 0)
		return CHT_E_SIGN;
	return crypto_sign_BYTES;
}
