/* SPDX-License-Identifier: Apache-2.0 */
#include "asked/value.h"

struct cht_str member_text(const json_t *value)
{
	return json_is_string(value)
		       ? (struct cht_str){ json_string_value(value), json_string_length(value) }
		       : (struct cht_str){ "", 0 };
}

/* UTF-8 it is already. Without control characters there is one way only to escape it. */
bool member_is_plain(struct cht_str s, size_t most)
{
	for (size_t i = 0; i < s.len; i++)
		if ((uint8_t)s.ptr[i] < ' ')
			return false;
	return s.len > 0 && s.len <= most;
}

bool member_is_integer(const json_t *value, json_int_t least, json_int_t most)
{
	json_int_t v = json_integer_value(value);

	return json_is_integer(value) && v >= least && v <= most;
}
