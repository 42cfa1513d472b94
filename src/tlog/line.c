/* SPDX-License-Identifier: Apache-2.0 */
#include "tlog/line.h"

#include "base/bytes.h"
#include "base/text.h"

size_t line_clean_prefix(struct cht_str text)
{
	const uint8_t *p = (const uint8_t *)text.ptr;
	size_t n = utf8_valid_prefix(p, text.len);

	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 && p[i] != '\n')
			return i;
	return n;
}

/* The length of the white space character (Unicode's White_Space) that p begins with; 0: none. */
static size_t space_at(const uint8_t *p, size_t left)
{
	static const struct cht_str spaces[] = {
		STR_INIT("\xc2\x85"),     STR_INIT("\xc2\xa0"),     STR_INIT("\xe1\x9a\x80"),
		STR_INIT("\xe2\x80\xa8"), STR_INIT("\xe2\x80\xa9"), STR_INIT("\xe2\x80\xaf"),
		STR_INIT("\xe2\x81\x9f"), STR_INIT("\xe3\x80\x80"),
	};
	struct cht_str s = { (const char *)p, left };

	if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		return 1;
	if (*p < 0x80)
		return 0;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (str_starts(s, spaces[i]))
			return spaces[i].len;
	/* U+2000 to U+200A */
	return str_starts(s, STR("\xe2\x80")) && left > 2 && p[2] <= 0x8a ? 3 : 0;
}

bool line_is_key_name(struct cht_str s, size_t *at)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	size_t n = utf8_valid_prefix(p, s.len), i = 0;

	while (i < n && p[i] != '+' && space_at(p + i, n - i) == 0)
		i++;
	*at = i;
	return i == s.len && s.len > 0;
}

bool line_read_hash(struct cht_str line, struct tlog_hash *out, size_t *at)
{
	size_t len;

	if (!base64_is_valid(line, &len, at))
		return false;
	if (len != TLOG_HASH_BYTES) {
		/* Too long: behind what a hash takes. */
		*at = len > TLOG_HASH_BYTES ? (size_t)TLOG_HASH_BYTES / 3 * 4 + 3 : line.len;
		return false;
	}
	return read_base64(line, out->b, sizeof(out->b), &len);
}
