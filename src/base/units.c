/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"

struct unit {
	const char *word;
	uint64_t factor;
};

static bool with_unit(struct cht_str s, const struct unit *units, size_t n, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v;

	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	if (!read_u64((struct cht_str){ s.ptr, digits }, UINT64_MAX, &v))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq((struct cht_str){ s.ptr + digits, s.len - digits },
			    str_of(units[i].word)))
			continue;
		if (v > UINT64_MAX / units[i].factor)
			return false;
		*out = v * units[i].factor;
		return true;
	}
	return false;
}

bool read_duration(struct cht_str s, uint64_t *ns)
{
	static const struct unit units[] = { { "ms", NS_PER_MS },
					     { "s", NS_PER_S },
					     { "m", 60 * NS_PER_S },
					     { "h", 3600 * NS_PER_S },
					     { "d", 86400 * NS_PER_S } };

	return with_unit(s, units, sizeof(units) / sizeof(units[0]), ns);
}

bool read_size(struct cht_str s, uint64_t *bytes)
{
	static const struct unit units[] = { { "", 1 },
					     { "KiB", UINT64_C(1) << 10 },
					     { "MiB", UINT64_C(1) << 20 },
					     { "GiB", UINT64_C(1) << 30 },
					     { "TiB", UINT64_C(1) << 40 } };

	return with_unit(s, units, sizeof(units) / sizeof(units[0]), bytes);
}
