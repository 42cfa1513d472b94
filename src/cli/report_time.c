/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a run is shows at its end. Until then two spans become one whenever there are too few.
 */
#include "cli/report.h"

#include <string.h>

#include "base/limits.h"

const char *report_lane_name(enum report_lane lane)
{
	static const char *const names[N_LANES] = { "guest", "host", "channel" };

	return names[lane];
}

static void join(struct report_span *to, const struct report_span *with)
{
	for (unsigned i = 0; i < N_LANES; i++)
		to->events[i] += with->events[i];
	to->lost += with->lost;
	to->is_hole = to->is_hole || with->is_hole;
}

static void widen(struct report_timeline *t)
{
	for (unsigned i = 0; i < REPORT_SPANS; i++) {
		struct report_span one = t->span[i];

		if (i > 0)
			t->span[i] = (struct report_span){ .lost = 0 };
		if (i % 2 == 0)
			t->span[i / 2] = one;
		else
			join(&t->span[i / 2], &one);
	}
	t->width_ns *= 2;
}

struct report_span *report_span_at(struct report_timeline *t, int64_t at_ns)
{
	uint64_t since;

	if (!t->is_begun) {
		t->is_begun = true;
		t->from_ns = t->to_ns = at_ns;
		t->width_ns = NS_PER_MS;
	}
	if (at_ns > t->to_ns)
		t->to_ns = at_ns;
	since = at_ns > t->from_ns ? (uint64_t)(at_ns - t->from_ns) : 0;
	while (since / t->width_ns >= REPORT_SPANS)
		widen(t);
	return &t->span[since / t->width_ns];
}

void report_mark_silent(struct report_timeline *t, int64_t from_ns, int64_t to_ns)
{
	unsigned used = report_spans_used(t);

	for (unsigned i = 0; i < used; i++) {
		int64_t begin = t->from_ns + (int64_t)(i * t->width_ns);
		int64_t end = begin + (int64_t)t->width_ns;

		if (from_ns < end && to_ns > begin)
			t->span[i].is_silent = true;
	}
}

unsigned report_spans_used(const struct report_timeline *t)
{
	if (!t->is_begun)
		return 0;
	return (unsigned)((uint64_t)(t->to_ns - t->from_ns) / t->width_ns) + 1;
}
