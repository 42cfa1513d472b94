/* SPDX-License-Identifier: Apache-2.0
 *
 * signer.h - what a signer is made of; private to src/sign.
 *
 * All that is secret stands in `struct secret`, alone in guarded, locked memory that is left
 * out of core dumps and is read-only once the signer is built. The rest is ordinary memory.
 */
#ifndef SIGN_SIGNER_H
#define SIGN_SIGNER_H

#define OPENSSL_SUPPRESS_DEPRECATED /* ADR 10: the hash state as a plain struct */
#include <openssl/sha.h>
#include <sys/types.h>

#include <cht/sign.h>

#include "base/buf.h"
#include "sign/sign.h"

enum {
	SIGN_SEED_BYTES = 32,      /* Ed25519 private key, RFC 8032 */
	SIGN_PUBLIC_BYTES = 32,    /* its public key */
	SIGN_SECRET_BYTES = 64,    /* libsodium's form: seed and public key */
	SIGN_SIGNATURE_MAX = 64,   /* Ed25519; an HMAC has 32 */
	SIGN_HMAC_KEY_MAX = 4096,  /* more than this is a file given by mistake */
	SIGN_KEY_FILE_MAX = 16384, /* a PEM file with notes before the key */
	SIGN_TAIL_MAX = 256,       /* ,"signerKid":"…","algorithm":"…","signature":" */
};

struct secret {
	uint8_t ed25519[SIGN_SECRET_BYTES];
	SHA256_CTX inner, outer; /* HMAC: state after the key's block (RFC 2104 section 4) */
};

struct cht_signer {
	enum cht_algorithm algorithm;
	enum cht_signing_order order;
	struct secret *secret; /* sodium_malloc */
	uint8_t tail[SIGN_TAIL_MAX];
	size_t tail_len;
	uint8_t *sorted; /* CHT_EVENT_MAX_BYTES: the payload in CHT_ORDER_SORTED is put together
			    here */
};

/* Builds a signer that has taken what it needs from secret; the caller wipes that. Its length:
 * SIGN_SEED_BYTES for Ed25519, 1..SIGN_HMAC_KEY_MAX for HMAC (CHT_E_KEY). The key id as in
 * cht_signer_from_file (CHT_E_CONFIG). */
int signer_new(struct cht_signer **out, const struct sign_key *key, struct cht_bytes secret,
	       struct cht_err *err) CHT_CHECKED;

/* Guarded memory for a key on its way in: SIGN_KEY_FILE_MAX bytes, or null with err filled.
 * Goes back with sodium_free, which wipes it. */
uint8_t *signer_scratch(struct cht_err *err) CHT_CHECKED;

/* CHT_E_KEY unless a secret of this length can be a key of this algorithm. */
int secret_check(const struct sign_key *key, size_t len, struct cht_err *err) CHT_CHECKED;

/* libsodium's form of an Ed25519 key from its seed. CHT_E_KEY. */
int secret_from_seed(uint8_t out[SIGN_SECRET_BYTES], const uint8_t seed[SIGN_SEED_BYTES],
		     struct cht_err *err) CHT_CHECKED;

/* Ed25519 over payload by libsodium's form of a key. CHT_E_SIGN. */
int secret_sign(const uint8_t secret[SIGN_SECRET_BYTES], struct cht_bytes payload,
		uint8_t signature[SIGN_SIGNATURE_MAX]) CHT_CHECKED;

/* text without the blanks around it; null is empty. */
struct cht_str key_text_trim(const char *text);

/* Decodes base64url text, with or without padding, to mem[0..SIGN_KEY_FILE_MAX). Returns the
 * length, or CHT_E_KEY. */
ssize_t key_text_decode(struct cht_str text, const char *origin, uint8_t *mem,
			struct cht_err *err) CHT_CHECKED;

/* The file's bytes into mem[0..SIGN_KEY_FILE_MAX), with the refusals of cht_signer_from_file.
 * Returns how many. CHT_E_KEY, CHT_E_IO. */
ssize_t key_file_read(const char *path, uint8_t *mem, struct cht_err *err) CHT_CHECKED;

/* The seed of an Ed25519 key, out of the first PKCS#8 PEM text in mem[0..len), to the front of mem;
 * what else is in mem is overwritten as it goes. CHT_E_KEY. */
int key_file_seed(uint8_t *mem, size_t len, const char *path, struct cht_err *err) CHT_CHECKED;

/* Draws a key into mem[0..SIGN_SEED_BYTES), guarded memory of SIGN_KEY_FILE_MAX bytes. CHT_E_IO.
 * Then writes the one that stands there to a new file, as sign_key_generate. CHT_E_IO. */
int key_file_draw(uint8_t *mem, struct cht_err *err) CHT_CHECKED;
int key_file_write(const char *path, enum cht_algorithm algorithm, uint8_t *mem,
		   struct cht_err *err) CHT_CHECKED;

/* Signs payload; returns the length of signature[], or CHT_E_SIGN. */
int signer_sign(const struct cht_signer *signer, struct cht_bytes payload,
		uint8_t signature[SIGN_SIGNATURE_MAX]) CHT_CHECKED;

/* The event's bytes with its eight members sorted by name, into signer->sorted. CHT_E_PARSE when
 * event does not have exactly the members that cht_event_render writes, in its order. */
int sorted_payload(struct cht_signer *signer, struct cht_bytes event,
		   struct cht_bytes *payload) CHT_CHECKED;

#endif
