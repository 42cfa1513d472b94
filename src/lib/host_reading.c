/* SPDX-License-Identifier: Apache-2.0 */
/* Readings of others' probes. That what they saw is canonical is found out by the scanner, on an
 * event of no run that is thrown away. */
#include <cht/probe.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "cell/cell.h"
#include "event/event.h"

/* An object, and nothing behind it: else the scanner would take what comes after it for a member.
 */
static bool is_canonical(const struct cht_stamped *like, struct cht_str value, uint8_t *room)
{
	static struct run_names none;
	const struct run no_run = { .cell_id = none.cell_id,
				    .run_id = none.run_id,
				    .spec = none.spec };
	struct event_renderer r = { .clock = { .valid = false } };
	struct cht_stamped s = *like;
	struct buf b = buf_init(room, CHT_EVENT_MAX_BYTES);
	struct event_view view;
	struct cht_str found;
	size_t at;

	s.run = &no_run;
	s.sequence = 1;
	event_render(&r, &s, CHT_SHAPE_FULL, &b);
	return value.len > 1 && value.ptr[0] == '{' && !b.full &&
	       event_scan(buf_bytes(&b), &view, &at) == 0 &&
	       event_data_find(view.data, "output", &found) && found.len == value.len;
}

int cht_host_probe_event(struct cht_cell *cell, const struct cht_host_probe_reading *reading,
			 const struct cht_event_options *options, const struct cht_now *now,
			 uint8_t *out, size_t cap)
{
	struct cht_reading inner = { .sampled_ns = reading->timestamp_ns,
				     .inputs = STR("{}"),
				     .output = reading->value };
	struct cht_stamped s = { .at = *now };
	uint8_t *room;
	bool is_good;
	int r;

	if (!cht_probe_find(reading->probe, &inner.kind) ||
	    reading->value.len > CHT_PROBE_OUTPUT_MAX_BYTES)
		return CHT_E_RANGE;
	room = malloc(CHT_EVENT_MAX_BYTES);
	if (room == NULL)
		return CHT_E_NOMEM;
	s.kind = (enum event_kind)(EV_PROBE_FC_METRICS + inner.kind);
	s.facts.reading = &inner;
	is_good = is_canonical(&s, reading->value, room);
	free(room);
	if (!is_good)
		return CHT_E_PARSE;
	/* Tried with the number that it would have. */
	s.run = &cell->run;
	s.sequence = cell->run.sequence + 1;
	r = cht_event_render(&s, options, out, cap);
	if (r > 0)
		(void)cht_stamp_reading(cell, &inner, now);
	return r;
}
