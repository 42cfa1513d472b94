/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/bytes.h"

/* What to do with each byte: 0 copy, 'u' as \u00xx, otherwise the letter after the backslash. */
static const char escape[256] = {
	[0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
	[0x06] = 'u', [0x07] = 'u', [0x08] = 'b', [0x09] = 't',  [0x0a] = 'n', [0x0b] = 'u',
	[0x0c] = 'f', [0x0d] = 'r', [0x0e] = 'u', [0x0f] = 'u',  [0x10] = 'u', [0x11] = 'u',
	[0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
	[0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',  [0x1c] = 'u', [0x1d] = 'u',
	[0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static void put_escaped(struct buf *b, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	char e = escape[byte];
	uint8_t text[6] = { '\\', (uint8_t)e, '0', '0', 0, 0 };

	if (e != 'u') {
		buf_put(b, text, 2);
		return;
	}
	text[4] = (uint8_t)digits[byte >> 4];
	text[5] = (uint8_t)digits[byte & 15];
	buf_put(b, text, 6);
}

void json_put_str(struct buf *b, struct cht_str s)
{
	const uint8_t *p = (const uint8_t *)s.ptr, *end = p + s.len;

	buf_put_byte(b, '"');
	while (p < end) {
		const uint8_t *run = p;

		while (p < end && escape[*p] == 0)
			p++;
		buf_put(b, run, (size_t)(p - run));
		if (p < end)
			put_escaped(b, *p++);
	}
	buf_put_byte(b, '"');
}

void json_put_member(struct buf *b, const char *name, struct cht_str value)
{
	buf_put_str(b, str_of(name));
	json_put_str(b, value);
}
