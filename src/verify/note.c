/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/note.h"

#include <sodium.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	TIME_BYTES = 8,
	COSIGNED_HEAD_MAX = 64, /* "cosignature/v1\ntime <20 digits>\n" */
};

int verify_vkey_read(struct cht_str text, struct tlog_vkey *out, struct cht_err *err)
{
	struct tlog_vkey got;
	const char *why = "";

	if (sodium_init() < 0)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0, "libsodium does not start");
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (!tlog_vkey_read(text, &got, &why))
		return cht_fail(err, CHT_E_PARSE, 0, "no verifier key: %s", why);
	/* Under a point of small order, signatures of any text can be made without a secret. */
	if (crypto_core_ed25519_is_valid_point(got.public_key) != 1)
		return cht_fail(err, CHT_E_KEY, 0,
				"the verifier key of %s is no sound Ed25519 public key (small "
				"order, or not canonical)",
				got.name);
	*out = got;
	return 0;
}

static bool log_holds(const struct tlog_note *note, const struct tlog_signature *sig,
		      const struct tlog_vkey *key)
{
	return sig->len == TLOG_SIGNATURE_BYTES &&
	       crypto_sign_verify_detached(sig->bytes, (const uint8_t *)note->text.ptr,
					   note->text.len, key->public_key) == 0;
}

static bool witness_holds(const struct tlog_note *note, const struct tlog_signature *sig,
			  const struct tlog_vkey *key, uint64_t *time_s)
{
	uint8_t text[COSIGNED_HEAD_MAX + TLOG_NOTE_MAX_BYTES];
	struct buf b = buf_init(text, sizeof(text));

	if (sig->len != TIME_BYTES + TLOG_SIGNATURE_BYTES)
		return false;
	*time_s = be64_load(sig->bytes);
	tlog_cosigned_put(&b, *time_s, note->text);
	return !b.full && crypto_sign_verify_detached(sig->bytes + TIME_BYTES, text, buf_len(&b),
						      key->public_key) == 0;
}

enum verify_note verify_note_signature(const struct tlog_note *note, const struct tlog_vkey *key,
				       uint64_t *time_s)
{
	enum verify_note answer = VERIFY_NOTE_ABSENT;
	uint64_t newest = 0;

	if (time_s != NULL)
		*time_s = 0;
	for (unsigned i = 0; i < note->n_sigs; i++) {
		const struct tlog_signature *sig = &note->sigs[i];
		uint64_t at = 0;

		if (!str_eq(sig->name, str_of(key->name)) ||
		    memcmp(sig->id, key->id, TLOG_KEY_ID_BYTES) != 0)
			continue;
		if (key->type == TLOG_ED25519_COSIGN ? !witness_holds(note, sig, key, &at)
						     : !log_holds(note, sig, key))
			return VERIFY_NOTE_BROKEN;
		if (at > newest)
			newest = at;
		answer = VERIFY_NOTE_HOLDS;
	}
	if (time_s != NULL)
		*time_s = newest;
	return answer;
}

int verify_checkpoint_read(struct cht_str text, const struct tlog_vkey *key,
			   struct verify_checkpoint *out, struct cht_err *err)
{
	struct verify_checkpoint got;
	enum verify_note answer;
	size_t at = 0;

	if (tlog_note_read(text, &got.note, &at) < 0)
		return cht_fail_value(err, CHT_E_PARSE, (uint32_t)at,
				      "no signed note: byte %zu is not as it must be", at);
	if (tlog_checkpoint_read(got.note.text, &got.at, &at) < 0)
		return cht_fail_value(err, CHT_E_PARSE, (uint32_t)at,
				      "no checkpoint: byte %zu is not as it must be", at);
	if (key == NULL) {
		*out = got;
		return 0;
	}
	if (!str_eq(got.at.origin, str_of(key->name)))
		return cht_fail(err, CHT_E_VERIFY, 0, "a checkpoint of %.*s, not of %s",
				(int)(got.at.origin.len < 64 ? got.at.origin.len : 64),
				got.at.origin.ptr, key->name);
	answer = verify_note_signature(&got.note, key, NULL);
	if (answer == VERIFY_NOTE_ABSENT)
		return cht_fail(err, CHT_E_VERIFY, 0,
				"the checkpoint bears no signature of the key of %s", key->name);
	if (answer == VERIFY_NOTE_BROKEN)
		return cht_fail(err, CHT_E_VERIFY, 0,
				"the checkpoint's signature does not hold: its text was changed "
				"after it was signed");
	*out = got;
	return 0;
}
