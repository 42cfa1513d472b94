/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a cgroup's file: what is taken is one object, sorted, whose numbers are those that
 * are found by name; pressure that is taken is written as it was read but for its averages.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "probe/flat.h"

/* Each line that is a pair is in the object, with its number. */
static void check_pairs(struct cht_bytes text, struct cht_str object)
{
	struct cht_str line;

	while (take_line(&text, &line)) {
		char want[FLAT_NAME_MAX + 32];
		const char *blank = memchr(line.ptr, ' ', line.len);
		int name_len = (int)(blank - line.ptr);
		int n = snprintf(want, sizeof(want), "\"%.*s\":%.*s", name_len, line.ptr,
				 (int)line.len - name_len - 1, blank + 1);

		HOLDS(memmem(object.ptr, object.len, want, (size_t)n) != NULL);
	}
}

static void check_flat(struct cht_bytes text)
{
	static char mem[FLAT_LINES_MAX * (FLAT_NAME_MAX + 32)];
	struct buf b = buf_init(mem, sizeof(mem));
	bool ok = flat_put(&b, text);
	struct cht_str object = { mem, buf_len(&b) };

	HOLDS(!b.full && object.len >= 2 && mem[0] == '{' && mem[object.len - 1] == '}');
	if (ok)
		check_pairs(text, object);
	else
		HOLDS(object.len == 2);
}

static void check_others(struct cht_bytes text)
{
	struct pressure p;
	uint64_t v;

	if (pressure_read(text, &p))
		HOLDS(text.len > 40 && memcmp(text.ptr, "some ", 5) == 0 &&
		      (p.has_full || p.full == 0));
	if (flat_number(text, &v))
		HOLDS(text.len <= 21);
	if (flat_find(text, STR("usage_usec"), &v))
		HOLDS(memmem(text.ptr, text.len, "usage_usec ", 11) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct cht_bytes text = { bytes, len };

	check_flat(text);
	check_others(text);
	return 0;
}
