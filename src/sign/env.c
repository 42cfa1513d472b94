/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "sign/sign.h"
#include "sign/signer.h"

enum variable { ALG, KID, HMAC_KEY, ED25519_SK };

const char *const sign_env_names[] = { "CELLOS_HOST_TELEMETRY_SIGN_ALG",
				       "CELLOS_HOST_TELEMETRY_SIGN_KID",
				       "CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY",
				       "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK", NULL };

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct cht_str key_text_trim(const char *text)
{
	struct cht_str s = str_of(text);

	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool is_name(struct cht_str s, const char *name)
{
	return s.len == strlen(name) && strncasecmp(s.ptr, name, s.len) == 0;
}

/* The algorithm, or CHT_E_CONFIG. A bad name is not repeated: it may be a key put into the wrong
 * variable. */
static int read_algorithm(const char *text, struct cht_err *err)
{
	struct cht_str s = key_text_trim(text);

	if (s.len == 0 || is_name(s, "off"))
		return CHT_ALGORITHM_OFF;
	if (is_name(s, "hmac-sha256") || is_name(s, "hmac"))
		return CHT_ALGORITHM_HMAC_SHA256;
	if (is_name(s, "ed25519"))
		return CHT_ALGORITHM_ED25519;
	return cht_fail(err, CHT_E_CONFIG, 0, "%s is none of off, hmac-sha256, hmac, ed25519",
			sign_env_names[ALG]);
}

ssize_t key_text_decode(struct cht_str text, const char *origin, uint8_t *mem, struct cht_err *err)
{
	size_t len = 0;

	while (text.len > 0 && text.ptr[text.len - 1] == '=')
		text.len--;
	if (!read_base64url(text, false, mem, SIGN_KEY_FILE_MAX, &len))
		return cht_fail(err, CHT_E_KEY, 0, "%s is not base64url", origin);
	return (ssize_t)len;
}

int signer_from_base64url(struct cht_signer **out, const struct sign_key *key, struct cht_str text,
			  struct cht_err *err)
{
	uint8_t *secret = signer_scratch(err);
	ssize_t n;

	if (secret == NULL)
		return CHT_E_NOMEM;
	n = key_text_decode(text, key->origin, secret, err);
	if (n >= 0)
		n = signer_new(out, key, (struct cht_bytes){ secret, (size_t)n }, err);
	sodium_free(secret);
	return (int)n;
}

/* Which key variables are set must fit the algorithm; one that is set but empty counts as set. */
static int check_keys(enum cht_algorithm algorithm, const char *hmac, const char *ed25519,
		      struct cht_err *err)
{
	const char *wanted =
		sign_env_names[algorithm == CHT_ALGORITHM_ED25519 ? ED25519_SK : HMAC_KEY];

	if (algorithm == CHT_ALGORITHM_OFF && (hmac != NULL || ed25519 != NULL))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"%s is set but %s is off: set the algorithm or unset the key",
				sign_env_names[hmac != NULL ? HMAC_KEY : ED25519_SK],
				sign_env_names[ALG]);
	if (hmac != NULL && ed25519 != NULL)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s and %s are both set: keep one",
				sign_env_names[HMAC_KEY], sign_env_names[ED25519_SK]);
	if (algorithm != CHT_ALGORITHM_OFF &&
	    (algorithm == CHT_ALGORITHM_ED25519 ? ed25519 : hmac) == NULL)
		return cht_fail(err, CHT_E_CONFIG, 0, "the algorithm that %s names needs %s",
				sign_env_names[ALG], wanted);
	return 0;
}

int signer_from_getenv(struct cht_signer **out, sign_getenv_fn get, void *context,
		       struct cht_err *err)
{
	const char *alg = get(context, sign_env_names[ALG]);
	const char *kid = get(context, sign_env_names[KID]);
	const char *hmac = get(context, sign_env_names[HMAC_KEY]);
	const char *ed25519 = get(context, sign_env_names[ED25519_SK]);
	int algorithm = read_algorithm(alg, err), r;
	bool is_hmac = algorithm == CHT_ALGORITHM_HMAC_SHA256;
	struct sign_key key = { .kid = kid,
				.origin = sign_env_names[is_hmac ? HMAC_KEY : ED25519_SK] };

	if (algorithm < 0)
		return algorithm;
	key.algorithm = (enum cht_algorithm)algorithm;
	r = check_keys(key.algorithm, hmac, ed25519, err);
	if (r < 0)
		return r;
	if (algorithm == CHT_ALGORITHM_OFF) {
		*out = NULL;
		return 0;
	}
	if (key_text_trim(kid).len == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s must name the key", sign_env_names[KID]);
	return signer_from_base64url(out, &key, key_text_trim(is_hmac ? hmac : ed25519), err);
}

static const char *from_process(void *context, const char *name)
{
	(void)context;
	return getenv(name);
}

int cht_signer_from_env(struct cht_signer **out, struct cht_err *err)
{
	return signer_from_getenv(out, from_process, NULL, err);
}
