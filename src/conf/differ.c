/* SPDX-License-Identifier: Apache-2.0 */
/* Two configurations: what of the later one can be had without a restart. */
#include <string.h>

#include "base/bytes.h"
#include "conf/keys.h"

/* Numbers that are looked up when they are needed. */
static bool may_change(const struct key *key)
{
	return strcmp(key->section, "limits") == 0 || strcmp(key->section, "silence") == 0;
}

static bool is_same(const struct conf *a, const struct conf *b, size_t at)
{
	char x[CONF_TEXT_MAX], y[CONF_TEXT_MAX];
	struct buf bx = buf_init(x, sizeof(x)), by = buf_init(y, sizeof(y));
	size_t at_b = at;
	struct conf_value va, vb;

	(void)conf_next_value(a, &at, &va, &bx);
	(void)conf_next_value(b, &at_b, &vb, &by);
	return va.is_set == vb.is_set && buf_len(&bx) == buf_len(&by) &&
	       memcmp(x, y, buf_len(&bx)) == 0;
}

bool conf_next_difference(const struct conf *a, const struct conf *b, size_t *at,
			  struct conf_difference *out)
{
	for (; *at < N_KEYS; ++*at) {
		const struct key *key = &keys[*at];

		if (is_same(a, b, *at))
			continue;
		*out = (struct conf_difference){ key->section, key->name, may_change(key) };
		++*at;
		return true;
	}
	return false;
}

void conf_take_over(struct conf *running, const struct conf *next)
{
	for (unsigned i = 0; i < N_KEYS; i++)
		if (may_change(&keys[i]))
			memcpy((uint8_t *)running + keys[i].at, (const uint8_t *)next + keys[i].at,
			       sizeof(uint64_t));
}
