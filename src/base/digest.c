/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>

#include "base/err.h"

int digest_sha256(struct cht_bytes bytes, uint8_t out[32], struct cht_err *err)
{
	unsigned len = 0;

	if (EVP_Digest(bytes.ptr, bytes.len, out, &len, EVP_sha256(), NULL) != 1 || len != 32)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0, "SHA-256 is not available");
	return 0;
}
