/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/name.h"

#include "base/text.h"

static const uint8_t replacement[] = { 0xef, 0xbf, 0xbd }; /* U+FFFD */

/* As much of a valid run as fits, ending after a whole character. */
static void put_valid(struct buf *b, const uint8_t *p, size_t n)
{
	size_t room = (size_t)(b->end - b->at);

	if (n > room) {
		n = utf8_valid_prefix(p, room);
		buf_put(b, p, n);
		b->full = true;
		return;
	}
	buf_put(b, p, n);
}

bool name_text(struct cht_bytes name, struct buf *scratch, struct cht_str *text)
{
	const uint8_t *p = name.ptr, *end = name.ptr + name.len, *start = scratch->at;

	if (utf8_is_valid(name.ptr, name.len)) {
		*text = (struct cht_str){ (const char *)name.ptr, name.len };
		return true;
	}
	while (p < end && !scratch->full) {
		size_t valid = utf8_valid_prefix(p, (size_t)(end - p));

		put_valid(scratch, p, valid);
		p += valid;
		if (p < end) {
			buf_put(scratch, replacement, sizeof(replacement));
			p++;
		}
	}
	*text = (struct cht_str){ (const char *)start, (size_t)(scratch->at - start) };
	return false;
}
