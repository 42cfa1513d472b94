/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/say.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "cli/visible.h"

enum { NUMBER_MAX = 28, TEXT_MAX = 1024 };

const char *say_number(uint64_t v)
{
	static char texts[8][NUMBER_MAX];
	static unsigned turn;
	char *out = texts[turn++ % 8], digits[NUMBER_MAX];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v), at = 0;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *say_plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

const char *say_shown(const char *text)
{
	static char texts[2][TEXT_MAX];
	static unsigned turn;
	char *out = texts[turn++ % 2];
	struct buf b = buf_init(out, TEXT_MAX - 1);

	put_visible(&b, str_of(text));
	out[buf_len(&b)] = '\0';
	return out;
}
