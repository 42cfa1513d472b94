/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "probe/kinds.h"

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return utf8_is_valid((const uint8_t *)text, len);
}

int probe_take_text(char *out, size_t cap, const char *text, const char *name, bool may_miss,
		    struct cht_err *err)
{
	size_t len = text != NULL ? strnlen(text, cap) : 0;

	if (len == 0 && !(may_miss && text == NULL))
		return cht_fail(err, CHT_E_RANGE, 0, "%s is missing", name);
	if (len >= cap || !is_plain(text, len))
		return cht_fail(err, CHT_E_RANGE, 0,
				"%s: 1 to %zu bytes of UTF-8 without control characters", name,
				cap - 1);
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}
