/* SPDX-License-Identifier: Apache-2.0
 *
 * text.h - small exact conversions: decimal, hex, base64, UTF-8, RFC 3339. All pure, none
 * locale-dependent, each strict in what it takes.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <cht/types.h>

#include "base/buf.h"

enum { DECIMAL_MAX = 20, RFC3339_NS_LEN = 30, RFC3339_S_LEN = 20, UUID_LEN = 36 };

/* Decimal digits without leading zeros. */
void put_u64(struct buf *b, uint64_t v);
void put_i64(struct buf *b, int64_t v);
/* Lower-case hex, two digits a byte; and of a number with exactly n digits. */
void put_hex(struct buf *b, const uint8_t *bytes, size_t n);
void put_hex_u64(struct buf *b, uint64_t v, unsigned digits);

/* Decimal without sign, spaces or leading zeros, at most max; false otherwise. */
bool read_u64(struct cht_str s, uint64_t max, uint64_t *out);
/* Hex of either case to exactly s.len / 2 bytes, at most cap; false if odd or not hex. */
bool read_hex(struct cht_str s, uint8_t *out, size_t cap, size_t *len);

/* "250ms", "10s", "2m", "1h", "30d": a whole number and a unit, in nanoseconds; false otherwise. */
bool read_duration(struct cht_str s, uint64_t *ns);
/* "65536", "64KiB", "1MiB", "2GiB", "1TiB": bytes; false otherwise. */
bool read_size(struct cht_str s, uint64_t *bytes);

/* base64url without padding (RFC 4648 section 5). */
void put_base64url(struct buf *b, const uint8_t *bytes, size_t n);
/* Either way of ending is taken when padded_ok; stray bits, white space and any other
 * character are not. False: *len is untouched. out needs 3 bytes for every 4 characters. */
bool read_base64url(struct cht_str s, bool padded_ok, uint8_t *out, size_t cap, size_t *len);

/* base64 with padding (RFC 4648 section 4). */
void put_base64(struct buf *b, const uint8_t *bytes, size_t n);
/* One text for any bytes: padding must be there; stray bits, white space and any other character
 * are not taken. False, also for more than cap bytes: *len is untouched. */
bool read_base64(struct cht_str s, uint8_t *out, size_t cap, size_t *len);
/* Whether s is such a text, and of how many bytes. False: *at is the first offending byte, s.len
 * when it ends early; *len is untouched. */
bool base64_is_valid(struct cht_str s, size_t *len, size_t *at);

/* Strict: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629). */
bool utf8_is_valid(const uint8_t *bytes, size_t n);
/* The length of the one valid sequence at p, of which left > 0 bytes can be read; 0: none. */
size_t utf8_sequence(const uint8_t *p, size_t left);
/* The longest valid prefix's length. */
size_t utf8_valid_prefix(const uint8_t *bytes, size_t n);

/* Remembers the last second formatted, so that a run of stamps costs nine digits each. One per
 * clock: two clocks sharing one would evict each other. Zero-initialise. */
struct rfc3339_cache {
	int64_t second;
	char text[20]; /* "2026-11-22T16:44:45" */
	bool valid;
};

/* "2026-11-22T16:44:45.123456789Z", 30 bytes; years 1970 to 9999, clamped. */
void put_rfc3339_ns(struct buf *b, struct rfc3339_cache *cache, int64_t realtime_ns);
/* "2026-11-22T16:44:45Z", 20 bytes. */
void put_rfc3339_s(struct buf *b, struct rfc3339_cache *cache, int64_t realtime_ns);
/* Reads either of the above, strictly; false otherwise, and after 2262-04-11T23:47:16, where
 * nanoseconds end. */
bool read_rfc3339(struct cht_str s, int64_t *realtime_ns);

/* Lower-case UUID text of 16 bytes, as they are. */
void put_uuid(struct buf *b, const uint8_t bytes[16]);

#endif
