/* SPDX-License-Identifier: Apache-2.0
 *
 * Both alphabets of RFC 4648 by the same code: they differ in their last two digits alone.
 */
#include "base/text.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char base64_digits[] = LETTERS "+/";
static const char base64url_digits[] = LETTERS "-_";

/* Writes the digits of n bytes, without padding, to p. */
static void encode(uint8_t *p, const uint8_t *bytes, size_t n, const char *digits)
{
	for (; n >= 3; n -= 3, bytes += 3) {
		uint32_t bits = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];

		*p++ = (uint8_t)digits[bits >> 18];
		*p++ = (uint8_t)digits[bits >> 12 & 63];
		*p++ = (uint8_t)digits[bits >> 6 & 63];
		*p++ = (uint8_t)digits[bits & 63];
	}
	if (n == 0)
		return;
	*p++ = (uint8_t)digits[bytes[0] >> 2];
	if (n == 1) {
		*p = (uint8_t)digits[(bytes[0] & 3) << 4];
		return;
	}
	*p++ = (uint8_t)digits[(bytes[0] & 3) << 4 | bytes[1] >> 4];
	*p = (uint8_t)digits[(bytes[1] & 15) << 2];
}

static size_t digits_of(size_t n)
{
	return n / 3 * 4 + (n % 3 > 0 ? n % 3 + 1 : 0);
}

void put_base64url(struct buf *b, const uint8_t *bytes, size_t n)
{
	uint8_t *p = buf_room(b, digits_of(n));

	if (p == NULL)
		return;
	encode(p, bytes, n, base64url_digits);
	b->at += digits_of(n);
}

void put_base64(struct buf *b, const uint8_t *bytes, size_t n)
{
	size_t len = (n + 2) / 3 * 4;
	uint8_t *p = buf_room(b, len);

	if (p == NULL)
		return;
	encode(p, bytes, n, base64_digits);
	memset(p + digits_of(n), '=', len - digits_of(n));
	b->at += len;
}

/* Without a table: this reads keys, and an index must not depend on them. */
static unsigned value_of(unsigned char c, const char *digits)
{
	unsigned v = 0;

	v |= (unsigned)-(c >= 'A' && c <= 'Z') & (c - 'A' + 1u);
	v |= (unsigned)-(c >= 'a' && c <= 'z') & (c - 'a' + 27u);
	v |= (unsigned)-(c >= '0' && c <= '9') & (c - '0' + 53u);
	v |= (unsigned)-(c == (unsigned char)digits[62]) & 63u;
	v |= (unsigned)-(c == (unsigned char)digits[63]) & 64u;
	return v - 1; /* UINT_MAX for anything else */
}

/* Reads digits alone, no padding. False: another character, stray bits, or more than cap bytes. */
static bool decode(struct cht_str s, const char *digits, uint8_t *out, size_t cap, size_t *len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned v = value_of((unsigned char)s.ptr[i], digits);

		if (v > 63)
			return false;
		bits = bits << 6 | v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return false;
		out[n++] = (uint8_t)(bits >> have);
		bits &= (1u << have) - 1;
	}
	if (bits != 0)
		return false;
	*len = n;
	return true;
}

bool read_base64url(struct cht_str s, bool padded_ok, uint8_t *out, size_t cap, size_t *len)
{
	if (padded_ok && s.len % 4 == 0 && s.len > 0 && s.ptr[s.len - 1] == '=') {
		s.len--;
		if (s.ptr[s.len - 1] == '=')
			s.len--;
	}
	if (s.len % 4 == 1)
		return false;
	return decode(s, base64url_digits, out, cap, len);
}

bool base64_is_valid(struct cht_str s, size_t *len, size_t *at)
{
	size_t n = 0, end;
	unsigned v = 0;

	for (; n < s.len; n++) {
		unsigned next = value_of((unsigned char)s.ptr[n], base64_digits);

		if (next > 63)
			break;
		v = next;
	}
	end = (n + 3) / 4 * 4; /* of the group that the last digit stands in */
	*at = n;
	if (n % 4 == 1 && n < s.len)
		return false; /* a byte needs two digits */
	if (n < s.len && s.ptr[n] == '=' && (v & (n % 4 == 2 ? 15 : n % 4 == 3 ? 3 : 0)) != 0) {
		*at = n - 1; /* bits that no byte takes */
		return false;
	}
	while (*at < end && *at < s.len && s.ptr[*at] == '=')
		(*at)++;
	if (*at != end || *at != s.len)
		return false;
	*len = end / 4 * 3 - (end - n);
	return true;
}

bool read_base64(struct cht_str s, uint8_t *out, size_t cap, size_t *len)
{
	size_t n, at;

	if (!base64_is_valid(s, &n, &at))
		return false;
	s.len = digits_of(n);
	return decode(s, base64_digits, out, cap, len);
}
