/* SPDX-License-Identifier: Apache-2.0
 *
 * By OpenSSL's functions for a state on the stack: through EVP each hash would cost a fetch or an
 * allocation, as long as the hash of a short entry itself (ADR 10, ADR 16).
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <string.h>

#include "base/bytes.h"
#include "tlog/hash.h"
#include "tlog/tlog.h"

void tlog_leaf(struct cht_bytes entry, struct tlog_hash *out)
{
	static const uint8_t prefix = 0x00;
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, &prefix, 1);
	SHA256_Update(&ctx, entry.ptr, entry.len);
	SHA256_Final(out->b, &ctx);
}

void tlog_node(const struct tlog_hash *left, const struct tlog_hash *right, struct tlog_hash *out)
{
	uint8_t bytes[1 + 2 * TLOG_HASH_BYTES];
	SHA256_CTX ctx;

	bytes[0] = 0x01;
	memcpy(bytes + 1, left->b, TLOG_HASH_BYTES);
	memcpy(bytes + 1 + TLOG_HASH_BYTES, right->b, TLOG_HASH_BYTES);
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, bytes, sizeof(bytes));
	SHA256_Final(out->b, &ctx);
}

bool tlog_hash_eq(const struct tlog_hash *a, const struct tlog_hash *b)
{
	return memcmp(a->b, b->b, TLOG_HASH_BYTES) == 0;
}

void hash_plain(const struct cht_bytes *parts, unsigned n, struct tlog_hash *out)
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	for (unsigned i = 0; i < n; i++)
		SHA256_Update(&ctx, parts[i].ptr, parts[i].len);
	SHA256_Final(out->b, &ctx);
}
