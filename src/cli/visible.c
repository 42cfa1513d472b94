/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/visible.h"

#include "base/text.h"

/* Length of the valid UTF-8 sequence at p, 0 when there is none; *c is its code point. */
static size_t code_point(const uint8_t *p, size_t left, uint32_t *c)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n > left || !utf8_is_valid(p, n))
		return 0;
	*c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3fu);
	return n;
}

/* Unicode's format characters that show nothing or turn the direction of what follows, and the
 * separators that some terminals and pagers break a line at. */
static bool deceives(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

static void put_code_point(struct buf *b, const uint8_t *p, size_t n, uint32_t c)
{
	if (c < 0x20 || c == 0x7f) {
		buf_put_lit(b, "\\x");
		put_hex_u64(b, c, 2);
	} else if (deceives(c)) {
		buf_put_lit(b, "\\u");
		put_hex_u64(b, c, c > 0xffff ? 5 : 4);
	} else if (c == '\\') {
		buf_put_lit(b, "\\\\");
	} else {
		buf_put(b, p, n);
	}
}

void put_visible(struct buf *b, struct cht_str s)
{
	const uint8_t *p = (const uint8_t *)s.ptr;

	for (size_t at = 0; at < s.len;) {
		uint32_t c = 0;
		size_t n = code_point(p + at, s.len - at, &c);

		if (n == 0) {
			buf_put_lit(b, "\\x");
			put_hex_u64(b, p[at], 2);
			at++;
			continue;
		}
		put_code_point(b, p + at, n, c);
		at += n;
	}
}

/* The escape after a backslash at p, of which left bytes remain. Returns how many it takes. */
static size_t put_escape(struct buf *b, const char *p, size_t left)
{
	static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *letter = left > 0 ? memchr(letters, p[0], sizeof(letters) - 1) : NULL;

	if (left > 4 && p[0] == 'u') {
		buf_put_lit(b, "\\u");
		buf_put(b, p + 1, 4);
		return 5;
	}
	if (letter != NULL) {
		buf_put_lit(b, "\\x");
		put_hex_u64(b, (uint8_t)controls[letter - letters], 2);
		return 1;
	}
	put_visible(b, (struct cht_str){ p, left > 0 ? 1 : 0 });
	return left > 0 ? 1 : 0;
}

void put_visible_json(struct buf *b, struct cht_str json)
{
	const char *p = json.ptr, *end = json.ptr + json.len;

	if (json.len < 2 || *p != '"') {
		put_visible(b, json);
		return;
	}
	p++;
	end--;
	while (p < end) {
		const char *plain = memchr(p, '\\', (size_t)(end - p));

		if (plain == NULL)
			plain = end;
		put_visible(b, (struct cht_str){ p, (size_t)(plain - p) });
		p = plain;
		if (p < end) {
			p++;
			p += put_escape(b, p, (size_t)(end - p));
		}
	}
}

static void put_u16(struct buf *b, uint32_t unit)
{
	buf_put_lit(b, "\\u");
	put_hex_u64(b, unit, 4);
}

void put_plain_json(struct buf *b, struct cht_str json)
{
	const uint8_t *p = (const uint8_t *)json.ptr;

	for (size_t at = 0; at < json.len;) {
		uint32_t c = 0xfffd;
		size_t n = code_point(p + at, json.len - at, &c);

		if (n == 0) {
			put_u16(b, c);
			n = 1;
		} else if (c != 0x7f && !deceives(c)) {
			buf_put(b, p + at, n);
		} else if (c > 0xffff) {
			put_u16(b, 0xd800 + ((c - 0x10000) >> 10));
			put_u16(b, 0xdc00 + ((c - 0x10000) & 0x3ff));
		} else {
			put_u16(b, c);
		}
		at += n;
	}
}
