/* SPDX-License-Identifier: Apache-2.0
 *
 * Not a cht_signer: one that can sign a checkpoint must not be one that can wrap an event, so the
 * two are types that nothing turns into each other. What they share is how a key is read.
 */
#include <sodium.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sign/sign.h"
#include "sign/signer.h"

struct sign_log_key {
	uint8_t ed25519[SIGN_SECRET_BYTES];
};

_Static_assert((int)SIGN_LOG_PUBLIC_BYTES == (int)SIGN_PUBLIC_BYTES, "one public key");
_Static_assert((int)SIGN_LOG_SIGNATURE_BYTES == (int)SIGN_SIGNATURE_MAX, "one signature");

/* A key from the n bytes at mem, which the caller wipes. */
static int key_new(struct sign_log_key **out, const uint8_t *mem, size_t n, const char *origin,
		   struct cht_err *err)
{
	struct sign_key about = { .algorithm = CHT_ALGORITHM_ED25519, .origin = origin };
	struct sign_log_key *key;
	int r = secret_check(&about, n, err);

	if (r < 0)
		return r;
	key = sodium_malloc(sizeof(*key));
	if (key == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no guarded memory for a key");
	r = secret_from_seed(key->ed25519, mem, err);
	if (r == 0 && sodium_mprotect_readonly(key) != 0)
		r = cht_fail(err, CHT_E_KEY, 0, "cannot protect the key's memory");
	if (r < 0)
		sign_log_key_free(key);
	else
		*out = key;
	return r;
}

int sign_log_key_from_file(struct sign_log_key **out, const char *path, struct cht_err *err)
{
	uint8_t *mem = signer_scratch(err);
	ssize_t n;

	if (mem == NULL)
		return CHT_E_NOMEM;
	n = key_file_read(path, mem, err);
	if (n >= 0)
		n = key_file_seed(mem, (size_t)n, path, err);
	if (n >= 0)
		n = key_new(out, mem, SIGN_SEED_BYTES, path, err);
	sodium_free(mem);
	return (int)n;
}

int sign_log_key_from_text(struct sign_log_key **out, const char *text, const char *origin,
			   struct cht_err *err)
{
	uint8_t *mem = signer_scratch(err);
	ssize_t n;

	if (mem == NULL)
		return CHT_E_NOMEM;
	n = key_text_decode(key_text_trim(text), origin, mem, err);
	if (n >= 0)
		n = key_new(out, mem, (size_t)n, origin, err);
	sodium_free(mem);
	return (int)n;
}

int sign_log_key_generate(struct sign_log_key **out, const char *path, struct cht_err *err)
{
	uint8_t *mem = signer_scratch(err);
	struct sign_log_key *key = NULL;
	int r;

	if (mem == NULL)
		return CHT_E_NOMEM;
	r = key_file_draw(mem, err);
	if (r == 0)
		r = key_new(&key, mem, SIGN_SEED_BYTES, path, err);
	if (r == 0)
		r = key_file_write(path, CHT_ALGORITHM_ED25519, mem, err);
	sodium_free(mem);
	if (r < 0)
		sign_log_key_free(key);
	else
		*out = key;
	return r;
}

void sign_log_key_free(struct sign_log_key *key)
{
	sodium_free(key);
}

void sign_log_key_public(const struct sign_log_key *key, uint8_t out[SIGN_LOG_PUBLIC_BYTES])
{
	(void)crypto_sign_ed25519_sk_to_pk(out, key->ed25519);
}

int sign_log_key_sign(const struct sign_log_key *key, struct cht_bytes bytes,
		      uint8_t out[SIGN_LOG_SIGNATURE_BYTES])
{
	return secret_sign(key->ed25519, bytes, out);
}

bool sign_log_key_is_of(const struct sign_log_key *key, const struct cht_signer *signer)
{
	uint8_t ours[SIGN_PUBLIC_BYTES], theirs[SIGN_PUBLIC_BYTES];

	if (signer == NULL || signer->algorithm != CHT_ALGORITHM_ED25519)
		return false;
	sign_log_key_public(key, ours);
	(void)crypto_sign_ed25519_sk_to_pk(theirs, signer->secret->ed25519);
	return sodium_memcmp(ours, theirs, sizeof(ours)) == 0;
}
