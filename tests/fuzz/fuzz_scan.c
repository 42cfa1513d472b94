/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an event and as an envelope: what is refused is refused within the input, and
 * what is taken is taken whole, in views that lie within it.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "event/event.h"

static void within(struct cht_bytes all, const void *ptr, size_t len)
{
	const uint8_t *p = ptr;

	HOLDS(p == NULL ||
	      (p >= all.ptr && p <= all.ptr + all.len && len <= (size_t)(all.ptr + all.len - p)));
}

static void check_taken(struct cht_bytes all, const struct event_view *v)
{
	const struct cht_str views[] = { v->id,   v->source, v->type,    v->time,      v->data,
					 v->spec, v->run_id, v->cell_id, v->provenance };
	static const char *const paths[] = { "a", "host.cellId", "guest.guestPid", "sequence", "" };
	struct event_view again;
	struct cht_str value;
	uint64_t number;
	size_t at;

	HOLDS(all.len > v->data.len && all.ptr[0] == '{' && all.ptr[all.len - 1] == '}');
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		within(all, views[i].ptr, views[i].len);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (event_data_find(v->data, paths[i], &value))
			within(all, value.ptr, value.len);
		if (event_data_u64(v->data, paths[i], &number))
			HOLDS(value.len > 0);
	}
	/* No prefix of what is whole is whole. */
	HOLDS(event_scan((struct cht_bytes){ all.ptr, all.len - 1 }, &again, &at) == CHT_E_PARSE);
	HOLDS(at <= all.len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cht_bytes all = { bytes, len };
	struct envelope_view envelope;
	struct event_view event;
	size_t at = SIZE_MAX;

	if (event_scan(all, &event, &at) == 0)
		check_taken(all, &event);
	else
		HOLDS(at <= len);
	at = SIZE_MAX;
	if (envelope_scan(all, &envelope, &at) == 0) {
		within(all, envelope.event.ptr, envelope.event.len);
		within(all, envelope.kid.ptr, envelope.kid.len);
		within(all, envelope.signature.ptr, envelope.signature.len);
		if (event_scan(envelope.event, &event, &at) == 0)
			check_taken(envelope.event, &event);
	} else {
		HOLDS(at <= len);
	}
	return 0;
}
