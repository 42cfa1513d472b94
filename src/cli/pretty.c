/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pretty.h"

#include <string.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/visible.h"

enum { DEEPEST = 64 };

/* Length of the string at s, quotes included. */
static size_t string_len(struct cht_str s)
{
	size_t at = 1;

	while (at < s.len && s.ptr[at] != '"')
		at += s.ptr[at] == '\\' ? 2 : 1;
	return at < s.len ? at + 1 : s.len;
}

static void put_string(struct cht_str s)
{
	static uint8_t text[6 * 4096];

	while (s.len > 0) {
		struct buf b = buf_init(text, sizeof(text));
		size_t n = s.len < 4096 ? s.len : 4096;

		/* Not through the middle of a character. */
		while (n < s.len && n > 4000 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80)
			n--;
		put_plain_json(&b, (struct cht_str){ s.ptr, n });
		cli_put(b.start, buf_len(&b));
		s = (struct cht_str){ s.ptr + n, s.len - n };
	}
}

static void new_line(unsigned depth)
{
	static const char blanks[2 * DEEPEST + 1] = "                                          "
						    "                                          "
						    "                                          ";

	cli_put("\n", 1);
	cli_put(blanks, 2 * (size_t)(depth < DEEPEST - 1 ? depth : DEEPEST - 1));
}

void pretty_print(struct cht_str json)
{
	unsigned depth = 0;

	for (size_t at = 0; at < json.len;) {
		struct cht_str rest = { json.ptr + at, json.len - at };
		char c = rest.ptr[0];
		bool is_empty = rest.len > 1 && (rest.ptr[1] == '}' || rest.ptr[1] == ']');
		size_t n = c == '"' ? string_len(rest) : 1;

		if (c == '}' || c == ']') {
			depth -= depth > 0;
			new_line(depth);
		}
		if (c == '"')
			put_string((struct cht_str){ rest.ptr, n });
		else
			cli_put(rest.ptr, n);
		if ((c == '{' || c == '[') && is_empty) {
			cli_put(rest.ptr + 1, 1);
			n = 2;
		} else if (c == '{' || c == '[') {
			new_line(++depth);
		} else if (c == ',') {
			new_line(depth);
		} else if (c == ':') {
			cli_put(" ", 1);
		}
		at += n;
	}
	cli_put("\n", 1);
}
