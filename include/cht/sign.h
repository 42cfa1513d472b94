/* SPDX-License-Identifier: Apache-2.0
 *
 * sign.h - event bytes go in, a signed envelope comes out. Nothing here verifies.
 *
 * Key material lives in guarded, locked memory of its own, is never printed and is wiped on
 * free. HMAC-SHA256 and Ed25519 as the Rust side signs them (docs/PROTOCOL.ledger, Envelopes).
 */
#ifndef CHT_SIGN_H
#define CHT_SIGN_H

#include <cht/err.h>
#include <cht/event.h>

CHT_BEGIN_DECLS

enum cht_algorithm { CHT_ALGORITHM_OFF, CHT_ALGORITHM_HMAC_SHA256, CHT_ALGORITHM_ED25519 };

/* Which byte string is signed. */
enum cht_signing_order {
	CHT_ORDER_STRUCT, /* members of the event as they stand: cellos-core 0.7 */
	CHT_ORDER_SORTED  /* all members sorted: cellos-core 0.8 */
};

enum {
	CHT_KID_MAX = 128,
	CHT_ENVELOPE_OVERHEAD_MAX =
		1024 /* an envelope is at most this much longer than its event */
};

struct cht_signer; /* opaque; holds the key */

/* Builds a signer from CELLOS_HOST_TELEMETRY_SIGN_ALG, _SIGN_KID, _SIGN_HMAC_KEY and
 * _SIGN_ED25519_SK, with every refusal of the Rust side: both keys set; off with a key set; no or
 * blank key id; a key that decodes to nothing or to a wrong length; an unknown algorithm
 * (CHT_E_CONFIG or CHT_E_KEY; the text names the variable, never its value). Unset or "off"
 * gives *out = null and returns 0. The environment is not changed. */
CHT_API int cht_signer_from_env(struct cht_signer **out, struct cht_err *err) CHT_CHECKED;

/* From a file: PKCS#8 PEM for Ed25519 (RFC 8410) without a passphrase; for HMAC, base64url text.
 * It must be a regular file, no symbolic link, that group and others may not use at all; a file of
 * $CREDENTIALS_DIRECTORY may be open to its group (CHT_E_KEY, CHT_E_IO). kid: 1..CHT_KID_MAX bytes
 * of visible ASCII without '"' and '\'. */
CHT_API int cht_signer_from_file(struct cht_signer **out, enum cht_algorithm algorithm,
				 const char *kid, const char *path,
				 struct cht_err *err) CHT_CHECKED;

/* Wipes and frees; null is fine. */
CHT_API void cht_signer_free(struct cht_signer *signer);

/* What it signs with. */
CHT_API enum cht_algorithm cht_signer_algorithm(const struct cht_signer *signer);

/* The order of members in what is signed; the declared order unless set. */
CHT_API void cht_signer_set_order(struct cht_signer *signer, enum cht_signing_order order);

/* Wraps one event: {"event":<event>,"signerKid":…,"algorithm":…,"signature":…}. event must be
 * one that cht_event_render wrote (it must begin with {"specversion":"1.0",). Returns the bytes
 * written to out[0..cap), CHT_E_FULL, CHT_E_PARSE (not such an event) or CHT_E_SIGN. Makes no
 * allocation. Not thread-safe per signer. */
CHT_API int cht_sign_event(struct cht_signer *signer, struct cht_bytes event, uint8_t *out,
			   size_t cap) CHT_CHECKED;

/* Stamp, render and sign in one: what the Rust crate calls host_stamp_and_sign. With a null
 * signer the bare event is written. */
CHT_API int cht_stamp_and_sign(struct cht_signer *signer, const struct cht_stamped *stamped,
			       const struct cht_event_options *options, uint8_t *out,
			       size_t cap) CHT_CHECKED;

CHT_END_DECLS

#endif
