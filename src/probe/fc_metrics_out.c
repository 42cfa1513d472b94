/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "probe/fc_metrics.h"

/* One object's members, each with what stands before it. */
struct object {
	struct buf *b;
	bool any;
};

static void key(struct object *o, const char *name)
{
	buf_put_byte(o->b, o->any ? ',' : '{');
	json_put_str(o->b, str_of(name));
	buf_put_byte(o->b, ':');
	o->any = true;
}

static void end(struct object *o)
{
	if (!o->any)
		buf_put_byte(o->b, '{');
	buf_put_byte(o->b, '}');
}

static void put_count(struct object *o, const char *name, uint64_t n)
{
	if (n == 0)
		return;
	key(o, name);
	put_u64(o->b, n);
}

static void put_digest(struct object *o, const char *name, const uint8_t digest[32])
{
	key(o, name);
	buf_put_byte(o->b, '"');
	put_hex(o->b, digest, 32);
	buf_put_byte(o->b, '"');
}

static void put_lost(struct object *whole, const struct fc_metrics *m)
{
	struct object o = { .b = whole->b };
	const struct fc_lost *lost = &m->lost;

	if (!fc_has_lost(m))
		return;
	key(whole, "lost");
	put_count(&o, "flushesUnseen", lost->flushes_unseen);
	put_count(&o, "malformedLines", lost->malformed);
	put_count(&o, "minutesMissed", lost->minutes_missed);
	put_count(&o, "tooLargeLines", lost->too_large);
	put_count(&o, "truncations", m->source.n_cut);
	end(&o);
}

static void put_vmm(struct object *o, const struct fc_metrics *m)
{
	if (m->has_vmm) {
		key(o, "vmm");
		fc_vmm_put(o->b, &m->vmm);
	} else if (m->vmm_code != 0) {
		key(o, "vmm");
		json_put_member(o->b,
				"{\"error\":", str_of(reading_error_name(m->vmm_code, m->vmm_sys)));
		buf_put_byte(o->b, '}');
	}
}

/* Of a line whose body is not shown: how long it was, and its digest. */
static void put_output(struct buf *b, const struct fc_metrics *m, const struct fc_shown *shown)
{
	struct object o = { .b = b };
	bool is_bare = shown->line != NULL && shown->doc == NULL;

	if (is_bare) {
		key(&o, "bytes");
		put_u64(b, shown->line->bytes);
	}
	if (shown->fatal != 0) {
		key(&o, "fatal");
		fc_fatal_put(b, shown->fatal);
	}
	put_count(&o, "fifoBytes", m->source.pipe_bytes);
	if (shown->doc != NULL)
		put_digest(&o, "lineSha256", shown->line->sha256);
	put_count(&o, "linesBefore", m->n_before);
	put_lost(&o, m);
	if (shown->doc != NULL) {
		key(&o, "metrics");
		fc_doc_put(b, shown->doc, FC_DOC_TOP);
	}
	if (is_bare)
		put_digest(&o, "sha256", shown->line->sha256);
	key(&o, "totals");
	fc_totals_put(b, &m->totals);
	put_vmm(&o, m);
	end(&o);
}

static void put_inputs(struct buf *b, const struct fc_metrics *m)
{
	json_put_member(b, "{\"endpoint\":", str_of(m->endpoint));
	buf_put_lit(b, ",\"kind\":\"firecracker.metrics\"}");
}

void fc_put(struct fc_metrics *m, const struct fc_shown *shown, struct probe_room *room,
	    struct cht_reading *out)
{
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));
	struct buf output = buf_init(room->output, sizeof(room->output));

	put_inputs(&inputs, m);
	put_output(&output, m, shown);
	if (output.full) {
		const struct fc_shown bare = { .line = shown->line, .fatal = shown->fatal };

		output = buf_init(room->output, sizeof(room->output));
		put_output(&output, m, &bare);
		reading_fail_named(out, room, "too_large",
				   "the line is summed, and too long to be shown");
	}
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	out->output = (struct cht_str){ (char *)room->output, buf_len(&output) };
	m->n_before = 0;
	m->has_vmm = false;
	m->vmm_code = 0;
}
