/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings of probes. inputs and output are canonical JSON already, written by whoever read them.
 */
#include "event/members.h"
#include "event/render.h"

#include "base/bytes.h"
#include "base/limits.h"

static void put_name(struct buf *b, struct cht_str name)
{
	uint8_t *p = buf_room(b, OUT_ESCAPE_MAX * name.len + OUT_SLACK);

	if (p != NULL)
		b->at = out_text(p, name);
}

static void put_head(struct buf *b, const struct cht_stamped *s, const struct rust_names *names)
{
	static const struct rust_names ours = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	const struct event_type *row = &event_types[s->kind];
	const struct rust_names *n = names != NULL ? names : &ours;
	uint8_t id[EVENT_ID_LEN + OUT_SLACK];

	(void)render_id(id, s->run, s->sequence);
	buf_put_lit(b, "{\"specversion\":\"1.0\",\"id\":\"");
	put_name(b, n->id.len > 0 ? n->id : (struct cht_str){ (char *)id, EVENT_ID_LEN });
	buf_put_lit(b, "\",\"source\":\"");
	put_name(b, n->source.len > 0 ? n->source : str_of(row->source));
	buf_put_lit(b, "\",\"type\":\"");
	put_name(b, n->type.len > 0 ? n->type : str_of(row->type));
	buf_put_lit(b, "\",\"datacontenttype\":\"application/json\",\"data\":");
}

static void put_json(struct members *m, const char *key, struct cht_str json)
{
	if (json.len == 0)
		return;
	members_key(m, key);
	buf_put_str(m->b, json);
}

static void put_data(struct buf *b, const struct cht_stamped *s, struct cht_str time, bool is_full)
{
	const struct cht_reading *reading = s->facts.reading;
	struct members m = members_open(b, NULL), host;

	members_text(&m, "cellId", str_of(s->run->cell_id));
	if (is_full) {
		members_key(&m, "host");
		host = members_open(b, NULL);
		members_decimal(&host, "hostBootNs", s->at.boottime_ns);
		members_close(&host);
	}
	members_text(&m, "hostReceivedAt", time);
	put_json(&m, "inputs", reading->inputs);
	put_json(&m, "output", reading->output);
	members_text(&m, "probeSource", str_of(event_types[s->kind].noticed_by));
	if (is_full)
		members_text(&m, "provenance", str_of(event_types[s->kind].provenance));
	members_text(&m, "runId", str_of(s->run->run_id));
	if (reading->error.len > 0)
		members_text(&m, "sampleError", reading->error);
	if (reading->error.len > 0 && is_full)
		members_text(&m, "sampleErrorText", reading->error_text);
	if (is_full) {
		members_i64(&m, "sampledAtUnixMs", reading->sampled_ns / (int64_t)NS_PER_MS);
		members_u64(&m, "sequence", s->sequence);
	}
	members_text(&m, "specSignatureHash", str_of(s->run->spec));
	members_close(&m);
}

void render_reading(struct buf *b, struct event_renderer *r, const struct cht_stamped *s,
		    const struct rust_names *names)
{
	enum { MS_LEN = sizeof("2026-11-22T16:44:45.123") - 1 };
	uint8_t text[RFC3339_NS_LEN + OUT_SLACK];
	struct cht_str time = { (char *)text, RFC3339_NS_LEN };

	(void)render_time_ns(text, r, s->at.realtime_ns);
	if (names != NULL) {
		text[MS_LEN] = 'Z';
		time.len = MS_LEN + 1;
	}
	put_head(b, s, names);
	put_data(b, s, time, names == NULL);
	buf_put_lit(b, ",\"time\":\"");
	buf_put_str(b, time);
	buf_put_lit(b, "\",\"traceparent\":null}");
}
