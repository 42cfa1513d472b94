/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/value.h"

#include <cht/stamp.h>
#include <string.h>

#include "base/bytes.h"

bool value_mode(struct cht_str s, uint64_t *mode)
{
	uint64_t v = 0;

	if (s.len < 2 || s.len > 5 || s.ptr[0] != '0')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '7')
			return false;
		v = v << 3 | (uint64_t)(s.ptr[i] - '0');
	}
	*mode = v;
	return true;
}

static bool all_of(struct cht_str s, size_t most, const char *others)
{
	if (s.len == 0 || s.len > most)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool alnum =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alnum && (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return true;
}

bool value_is_cell_id(struct cht_str s)
{
	return all_of(s, CHT_CELL_ID_MAX, "._-");
}

bool value_is_cid(uint64_t cid)
{
	return cid == 1 || (cid >= 3 && cid < UINT32_MAX);
}

bool value_is_attribution(struct cht_str s)
{
	return all_of(s, CHT_ATTRIBUTION_MAX, "._:+/=-");
}

static struct cht_str without_blanks(struct cht_str s)
{
	while (s.len > 0 && s.ptr[0] == ' ') {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && s.ptr[s.len - 1] == ' ')
		s.len--;
	return s;
}

bool value_next_peer(struct cht_str *list, struct cht_str *who, bool *is_group)
{
	const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
	size_t n = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
	struct cht_str one = without_blanks((struct cht_str){ list->ptr, n });

	*is_group = one.len > 0 && one.ptr[0] == '@';
	if (*is_group)
		one = (struct cht_str){ one.ptr + 1, one.len - 1 };
	/* A comma at the very end would be the end of the list. */
	if (!all_of(one, VALUE_PEER_MAX, "._-") || (comma != NULL && n + 1 == list->len))
		return false;
	n += comma != NULL;
	*list = (struct cht_str){ list->ptr + n, list->len - n };
	*who = one;
	return true;
}
