/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/counted.h"

#include "base/bytes.h"

void counting_begin(struct counting *c, struct counted *of)
{
	*c = (struct counting){ .of = of, .rows = of->rows[1 - of->now] };
}

/* FNV-1a: whoever could make two texts that have one number could reset counters as well. */
uint64_t counting_what(struct cht_bytes text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ text.ptr[i]) * UINT64_C(0x100000001b3);
	return h;
}

void counting_add(struct counting *c, const struct counted_row *row)
{
	if (c->n < COUNTED_MAX)
		c->rows[c->n] = *row;
	if (c->n <= COUNTED_MAX)
		c->n++;
}

/* Rules come in one order from reading to reading: the next one is mostly where the last one was.
 */
static const struct counted_row *find(const struct counted_row *rows, uint32_t n, uint32_t *at,
				      uint64_t handle)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (*at + i) % n;

		if (rows[k].handle != handle)
			continue;
		*at = k + 1;
		return &rows[k];
	}
	return NULL;
}

/* What one row counted since; a counter that began anew has counted all that it has. */
static void add(struct counted *of, const struct counted_row *is, const struct counted_row *was,
		struct counts *counts)
{
	static const struct counted_row zero = { 0, 0, 0, 0 };
	bool is_same = was != NULL && is->what == was->what;
	bool is_less = is_same && (is->packets < was->packets || is->bytes < was->bytes);

	if (is_same && counts->replaced > 0)
		counts->replaced--;
	counts->reset += is_less ? 1 : 0;
	if (!is_same || is_less)
		was = &zero;
	of->packets = u64_sum(of->packets, is->packets - was->packets);
	of->bytes = u64_sum(of->bytes, is->bytes - was->bytes);
}

bool counted_take(struct counted *of, const struct counting *c, uint64_t table, struct counts *out)
{
	const struct counted_row *was = of->rows[of->now];
	uint32_t n = of->has_before && of->table == table ? of->n : 0, at = 0;
	struct counts counts = { .replaced = of->has_before ? of->n : 0 };

	of->has_before = c->n <= COUNTED_MAX;
	if (!of->has_before) {
		of->packets = of->bytes = 0;
		return false;
	}
	for (uint32_t i = 0; i < c->n; i++)
		add(of, &c->rows[i], find(was, n, &at, c->rows[i].handle), &counts);
	of->now = 1 - of->now;
	of->n = c->n;
	of->table = table;
	counts.packets = of->packets;
	counts.bytes = of->bytes;
	*out = counts;
	return true;
}
