/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.h - internal: SHA-256 without a prefix, by the functions that allocate nothing.
 */
#ifndef TLOG_HASH_H
#define TLOG_HASH_H

#include "tlog/tlog.h"

/* SHA-256 of n parts, one behind the other. */
void hash_plain(const struct cht_bytes *parts, unsigned n, struct tlog_hash *out);

#endif
