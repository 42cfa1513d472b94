/* SPDX-License-Identifier: Apache-2.0
 *
 * out.h - unchecked writers for the renderer of guest events, which makes sure of its room once
 * for a whole event (render.h). Each returns where the next byte goes.
 *
 * Numbers and short texts are stored eight bytes at a time: up to OUT_SLACK bytes beyond what
 * a call returns are overwritten, and the room that was made sure of includes them.
 */
#ifndef EVENT_OUT_H
#define EVENT_OUT_H

#include <cht/types.h>
#include <endian.h>
#include <string.h>

enum { OUT_SLACK = 16, OUT_ESCAPE_MAX = 6 /* bytes of JSON for a byte of text */ };

#define OUT_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* By memcpy: gcc 12 makes eight loads of a loop over bytes. */
static inline uint64_t le64_load(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void le64_store(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

#define out_lit(p, lit) ((uint8_t *)memcpy((p), "" lit, sizeof(lit) - 1) + (sizeof(lit) - 1))

/* The text of a run: len bytes, no more are read. By blocks, the last of which overlaps the one
 * before it. It needs no escape, because src/cell takes nothing else for a cell. */
static inline uint8_t *out_field(uint8_t *p, const char *field, size_t len)
{
	size_t at = 0;

	if (len >= 16) {
		for (; at + 16 < len; at += 16)
			memcpy(p + at, field + at, 16);
		memcpy(p + len - 16, field + len - 16, 16);
	} else if (len >= 8) {
		memcpy(p, field, 8);
		memcpy(p + len - 8, field + len - 8, 8);
	} else {
		for (; at < len; at++)
			p[at] = (uint8_t)field[at];
	}
	return p + len;
}

/* The eight digits of v < 10^8 as digit values, the first in the lowest byte. */
static inline uint64_t out_digits(uint64_t v)
{
	uint64_t fours = v / 10000 | (v % 10000) << 32;
	uint64_t hundreds = (fours * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
	uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
	uint64_t tens = (twos * 103 >> 10) & UINT64_C(0x000f000f000f000f);

	return tens | (twos - 10 * tens) << 8;
}

/* All eight digits. */
static inline uint8_t *out_u64_8(uint8_t *p, uint64_t v)
{
	le64_store(p, out_digits(v) | OUT_BYTES(0x30));
	return p + 8;
}

/* v < 10^8 without its leading zeros. */
static inline uint8_t *out_u64_short(uint8_t *p, uint64_t v)
{
	uint64_t digits = out_digits(v);
	/* The last digit counts even when it is 0. */
	unsigned zeros = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) & ~7u;

	le64_store(p, (digits | OUT_BYTES(0x30)) >> zeros);
	return p + 8 - zeros / 8;
}

static inline uint8_t *out_u64(uint8_t *p, uint64_t v)
{
	enum { E8 = 100000000 };

	if (v < 10) {
		*p = (uint8_t)('0' + v);
		return p + 1;
	}
	if (v < E8)
		return out_u64_short(p, v);
	if (v < (uint64_t)E8 * E8)
		return out_u64_8(out_u64_short(p, v / E8), v % E8);
	p = out_u64_short(p, v / E8 / E8);
	return out_u64_8(out_u64_8(p, v / E8 % E8), v % E8);
}

/* Eight lower-case hex digits. */
static inline uint8_t *out_hex32(uint8_t *p, uint32_t v)
{
	uint64_t x = __builtin_bswap32(v);

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x >> 4 & UINT64_C(0x000f000f000f000f)) | (x & UINT64_C(0x000f000f000f000f)) << 8;
	le64_store(p, x + OUT_BYTES(0x30) + ((x + OUT_BYTES(6)) >> 4 & OUT_BYTES(1)) * 0x27);
	return p + 8;
}

/* Four. */
static inline uint8_t *out_hex16(uint8_t *p, uint32_t v)
{
	(void)out_hex32(p, v << 16);
	return p + 4;
}

static inline uint8_t *out_hex64(uint8_t *p, uint64_t v)
{
	return out_hex32(out_hex32(p, (uint32_t)(v >> 32)), (uint32_t)v);
}

/* Lower-case hex of n bytes. */
uint8_t *out_hex(uint8_t *p, struct cht_bytes bytes);

/* Whether one of eight bytes is not plain ASCII that stands for itself in a JSON string. */
static inline bool out_is_special(uint64_t w)
{
	uint64_t quote = w ^ OUT_BYTES('"'), slash = w ^ OUT_BYTES('\\');

	return (((w - OUT_BYTES(0x20)) | (quote - OUT_BYTES(1)) | (slash - OUT_BYTES(1)) | w) &
		OUT_BYTES(0x80)) != 0;
}

/* The rest of a text from its first eight bytes that hold a special one. */
uint8_t *out_text_special(uint8_t *p, struct cht_str s);

/* A text escaped for JSON, without quotes: at most OUT_ESCAPE_MAX bytes each. What is not
 * UTF-8 becomes U+FFFD. */
static inline uint8_t *out_text(uint8_t *p, struct cht_str s)
{
	uint64_t w = 0;

	while (s.len >= 8) {
		w = le64_load(s.ptr);
		if (out_is_special(w))
			return out_text_special(p, s);
		le64_store(p, w);
		p += 8;
		s.ptr += 8;
		s.len -= 8;
	}
	if (s.len == 0)
		return p;
	w = OUT_BYTES(' ');
	for (size_t i = 0; i < s.len; i++)
		w = w << 8 | (uint8_t)s.ptr[s.len - 1 - i];
	if (out_is_special(w))
		return out_text_special(p, s);
	le64_store(p, w);
	return p + s.len;
}

#endif
