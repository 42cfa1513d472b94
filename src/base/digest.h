/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.h - SHA-256 of a few bytes, off the hot path.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <cht/err.h>

/* CHT_E_UNSUPPORTED when the library offers no SHA-256. */
int digest_sha256(struct cht_bytes bytes, uint8_t out[32], struct cht_err *err) CHT_CHECKED;

#endif
