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

/* The four variables' names, null-terminated; the last two hold secrets. */
extern const char *const sign_env_names[];

#endif
