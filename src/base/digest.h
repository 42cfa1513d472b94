/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.h - SHA-256 off the hot path: of a few bytes, or of more than are there at a time.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <cht/err.h>

/* CHT_E_UNSUPPORTED when the library offers no SHA-256. */
int digest_sha256(struct cht_bytes bytes, uint8_t out[32], struct cht_err *err) CHT_CHECKED;

struct digest; /* opaque */

/* Null: no memory, or no SHA-256. */
struct digest *digest_new(void);
void digest_add(struct digest *d, struct cht_bytes bytes);
/* Of all that was added; frees it. */
void digest_end(struct digest *d, uint8_t out[32]);
void digest_free(struct digest *d); /* null is fine */

#endif
