/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/err.h"

int digest_sha256(struct cht_bytes bytes, uint8_t out[32], struct cht_err *err)
{
	unsigned len = 0;

	if (EVP_Digest(bytes.ptr, bytes.len, out, &len, EVP_sha256(), NULL) != 1 || len != 32)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0, "SHA-256 is not available");
	return 0;
}

static EVP_MD_CTX *of(struct digest *d)
{
	return (EVP_MD_CTX *)(void *)d;
}

struct digest *digest_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return (struct digest *)(void *)ctx;
}

void digest_add(struct digest *d, struct cht_bytes bytes)
{
	(void)EVP_DigestUpdate(of(d), bytes.ptr, bytes.len);
}

void digest_end(struct digest *d, uint8_t out[32])
{
	memset(out, 0, 32);
	(void)EVP_DigestFinal_ex(of(d), out, NULL);
	digest_free(d);
}

void digest_free(struct digest *d)
{
	EVP_MD_CTX_free(of(d));
}
