/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host saw and concluded. These are few, so they are written member by member with
 * every bound checked; the members that all events share are put between the others where
 * their keys sort.
 */
#include "event/render.h"

#include "base/bytes.h"

void render_host(struct buf *b, struct event_renderer *r, const struct cht_stamped *s)
{
	const struct event_type *row = &event_types[s->kind];
	uint8_t text[RFC3339_NS_LEN + OUT_SLACK], id[EVENT_ID_LEN + OUT_SLACK];
	uint8_t *end = render_time_ns(text, r, s->at.realtime_ns);

	(void)render_id(id, s->run, s->sequence);
	buf_put_lit(b, "{\"specversion\":\"1.0\",\"id\":\"");
	buf_put(b, id, EVENT_ID_LEN);
	buf_put_lit(b, "\",\"source\":\"");
	buf_put_str(b, str_of(row->source));
	buf_put_lit(b, "\",\"type\":\"");
	buf_put_str(b, str_of(row->type));
	buf_put_lit(b, "\",\"datacontenttype\":\"application/json\",\"data\":");
	render_facts(b, s);
	buf_put_lit(b, ",\"time\":\"");
	buf_put(b, text, (size_t)(end - text));
	buf_put_lit(b, "\",\"traceparent\":null}");
}
