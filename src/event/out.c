/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow half of out.h: what is rare in the names of programs and files.
 */
#include "event/out.h"

#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";

uint8_t *out_hex(uint8_t *p, struct cht_bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		*p++ = (uint8_t)hex_digits[bytes.ptr[i] >> 4];
		*p++ = (uint8_t)hex_digits[bytes.ptr[i] & 15];
	}
	return p;
}

/* '"', '\' and what stands below U+0020. */
static uint8_t *out_escape(uint8_t *p, uint8_t byte)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};

	*p++ = '\\';
	if (byte >= 0x20) {
		*p++ = byte;
		return p;
	}
	if (letters[byte] != 0) {
		*p++ = (uint8_t)letters[byte];
		return p;
	}
	p = out_lit(p, "u00");
	*p++ = (uint8_t)hex_digits[byte >> 4];
	*p++ = (uint8_t)hex_digits[byte & 15];
	return p;
}

uint8_t *out_text_special(uint8_t *p, struct cht_str s)
{
	const uint8_t *at = (const uint8_t *)s.ptr, *end = at + s.len;

	while (at < end) {
		size_t len;

		if (*at < 0x20 || *at == '"' || *at == '\\') {
			p = out_escape(p, *at++);
			continue;
		}
		if (*at < 0x80) {
			*p++ = *at++;
			continue;
		}
		len = utf8_sequence(at, (size_t)(end - at));
		if (len == 0) {
			p = out_lit(p, "\xef\xbf\xbd");
			at++;
			continue;
		}
		memcpy(p, at, len);
		p += len;
		at += len;
	}
	return p;
}
