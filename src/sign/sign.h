/* SPDX-License-Identifier: Apache-2.0
 *
 * sign.h - internal face of the signer: in-place wrapping for the scribe, and key files.
 */
#ifndef SIGN_SIGN_H
#define SIGN_SIGN_H

#include <cht/sign.h>

enum { ENVELOPE_PREFIX_BYTES = 9 }; /* {"event": */

/* Wraps the event that stands at mem + ENVELOPE_PREFIX_BYTES without copying it: writes prefix
 * before and suffix after it. cap is the size of mem. Returns the envelope's length, as
 * cht_sign_event. */
int sign_wrap(struct cht_signer *signer, uint8_t *mem, size_t event_len, size_t cap) CHT_CHECKED;

/* Environment by another route than getenv: value of a variable, or null. For a scribe that was
 * handed its parent's variables through a pipe. */
typedef const char *(*sign_getenv_fn)(void *context, const char *name);
int signer_from_getenv(struct cht_signer **out, sign_getenv_fn get, void *context,
		       struct cht_err *err) CHT_CHECKED;

/* What stands beside the secret of a key. */
struct sign_key {
	enum cht_algorithm algorithm;
	const char *kid;
	const char *origin; /* for messages: a variable's name or a path */
};

/* The same from base64url text, with or without padding. */
int signer_from_base64url(struct cht_signer **out, const struct sign_key *key, struct cht_str text,
			  struct cht_err *err) CHT_CHECKED;

/* The four variables' names, null-terminated; the last two hold secrets. */
extern const char *const sign_env_names[];

/* What may be told of a key. */
struct sign_key_info {
	enum cht_algorithm algorithm;
	uint8_t public_key[32]; /* Ed25519; zero for HMAC, which has none */
	char kid[32];           /* the default key id: "ed25519-" or "hmac-", 16 hex digits that
				 * follow from the key and tell nothing of a secret */
};

/* Draws a key and writes it to a new file of mode 0600: PKCS#8 PEM for Ed25519, base64url for
 * HMAC. An existing path is never touched (CHT_E_IO with EEXIST). Durable on 0; a file that
 * could not be finished is removed. */
int sign_key_generate(enum cht_algorithm algorithm, const char *path, struct sign_key_info *out,
		      struct cht_err *err) CHT_CHECKED;

/* What a key file holds: PEM is Ed25519, anything else HMAC. Refusals as cht_signer_from_file. */
int sign_key_inspect(const char *path, struct sign_key_info *out, struct cht_err *err) CHT_CHECKED;

/* CHT_E_CONFIG unless kid can be a key id (cht_signer_from_file). */
int sign_check_kid(const char *kid, struct cht_err *err) CHT_CHECKED;

/* The key that signs checkpoints: Ed25519, and no envelope's (PROTOCOL.ledger section 9). All of it
 * stands in guarded, locked memory that is left out of core dumps and read-only once loaded. */
struct sign_log_key; /* opaque */
enum { SIGN_LOG_PUBLIC_BYTES = 32, SIGN_LOG_SIGNATURE_BYTES = 64 };

/* From a file of PKCS#8 PEM, with every refusal of cht_signer_from_file. */
int sign_log_key_from_file(struct sign_log_key **out, const char *path,
			   struct cht_err *err) CHT_CHECKED;
/* From the seed as base64url text, with or without padding, blanks around it ignored; origin is
 * what messages call it: a variable's name. CHT_E_KEY. The caller wipes text. */
int sign_log_key_from_text(struct sign_log_key **out, const char *text, const char *origin,
			   struct cht_err *err) CHT_CHECKED;
/* Draws a key and writes it to a new file, as sign_key_generate. */
int sign_log_key_generate(struct sign_log_key **out, const char *path,
			  struct cht_err *err) CHT_CHECKED;
/* Wipes and frees; null is fine. */
void sign_log_key_free(struct sign_log_key *key);

void sign_log_key_public(const struct sign_log_key *key, uint8_t out[SIGN_LOG_PUBLIC_BYTES]);
/* Ed25519 over the bytes, which must be a checkpoint of the caller's own composing. Allocates
 * nothing. CHT_E_SIGN. */
int sign_log_key_sign(const struct sign_log_key *key, struct cht_bytes bytes,
		      uint8_t out[SIGN_LOG_SIGNATURE_BYTES]) CHT_CHECKED;
/* Whether envelopes are signed by the same key, which must not be. signer may be null. */
bool sign_log_key_is_of(const struct sign_log_key *key, const struct cht_signer *signer);

/* "ed25519", "hmac-sha256", "off": as envelopes spell it. */
struct cht_str sign_algorithm_name(enum cht_algorithm algorithm);

#endif
