/* SPDX-License-Identifier: Apache-2.0 */
#include "control/reply.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"

static void put_name(struct buf *b, struct cht_str name)
{
	if (b->at[-1] != '{')
		buf_put_byte(b, ',');
	json_put_str(b, name);
	buf_put_byte(b, ':');
}

static void put_text(struct buf *b, struct cht_str name, struct cht_str value)
{
	put_name(b, name);
	json_put_str(b, value);
}

static void put_number(struct buf *b, struct cht_str name, uint64_t value)
{
	put_name(b, name);
	put_u64(b, value);
}

void reply_put_view(struct buf *b, const struct control_view *view)
{
	buf_put_byte(b, '{');
	put_text(b, STR("id"), view->id);
	put_text(b, STR("run"), view->run);
	put_text(b, STR("spec"), view->spec);
	put_text(b, STR("socket"), view->socket);
	put_text(b, STR("state"), view->state);
	put_text(b, STR("condition"), view->condition);
	put_number(b, STR("index"), view->index);
	put_number(b, STR("sequence"), view->sequence);
	put_number(b, STR("connections"), view->connections);
	put_name(b, STR("frames"));
	buf_put_byte(b, '{');
	put_number(b, STR("received"), view->received);
	put_number(b, STR("stored"), view->stored);
	put_number(b, STR("heartbeats"), view->heartbeats);
	put_number(b, STR("refused"), view->refused);
	put_number(b, STR("dropped"), view->dropped);
	buf_put_byte(b, '}');
	put_name(b, STR("silent"));
	buf_put_str(b, view->is_silent ? STR("true") : STR("false"));
	if (view->is_silent)
		put_number(b, STR("silentMs"), view->silent_ns / NS_PER_MS);
	if (view->is_stated)
		put_number(b, STR("stated"), view->stated_index);
	if (view->is_sealed)
		put_number(b, STR("sealed"), view->sealed_index);
	if (view->registered.len > 0) {
		put_name(b, STR("registered"));
		buf_put_str(b, view->registered);
	}
	if (view->receipt.len > 0)
		put_text(b, STR("receipt"), view->receipt);
	buf_put_byte(b, '}');
}

void reply_put_error(struct buf *b, const struct control_error *error)
{
	buf_put_byte(b, '{');
	put_text(b, STR("code"), str_of(error->code));
	put_text(b, STR("message"), str_of(error->message));
	buf_put_lit(b, "}\n");
}

static void put_metric(struct buf *b, const char *name, const char *kind, const char *help,
		       uint64_t value)
{
	buf_put_lit(b, "# HELP ");
	buf_put_str(b, str_of(name));
	buf_put_byte(b, ' ');
	buf_put_str(b, str_of(help));
	buf_put_lit(b, "\n# TYPE ");
	buf_put_str(b, str_of(name));
	buf_put_byte(b, ' ');
	buf_put_str(b, str_of(kind));
	buf_put_byte(b, '\n');
	buf_put_str(b, str_of(name));
	buf_put_byte(b, ' ');
	put_u64(b, value);
	buf_put_byte(b, '\n');
}

void reply_put_metrics(struct buf *b, const struct control_metrics *m)
{
	put_metric(b, "cht_cells", "gauge", "Cells that are registered.", m->cells);
	put_metric(b, "cht_connections", "gauge", "Connections of guests.", m->connections);
	put_metric(b, "cht_frames_received_total", "counter",
		   "Frames of guests; the sum of the next four.", m->received);
	put_metric(b, "cht_frames_stored_total", "counter", "Frames that became entries.",
		   m->stored);
	put_metric(b, "cht_frames_heartbeats_total", "counter", "Frames that only say: alive.",
		   m->heartbeats);
	put_metric(b, "cht_frames_refused_total", "counter", "Frames that did not decode.",
		   m->refused);
	put_metric(b, "cht_frames_dropped_total", "counter",
		   "Frames read, counted and dropped: over a quota, or no space.", m->dropped);
	put_metric(b, "cht_readings_total", "counter", "Readings of the host's own sources.",
		   m->readings);
	put_metric(b, "cht_readings_failed_total", "counter",
		   "Those of them with a sampleError: a source was missing or strange.",
		   m->failed_readings);
	put_metric(b, "cht_ledger_entries", "counter", "Entries of the ledger, of all time.",
		   m->entries);
	put_metric(b, "cht_ledger_paused", "gauge", "1 while the ledger cannot be written.",
		   m->is_paused);
	buf_put_lit(b, "# HELP cht_build_info What runs here.\n"
		       "# TYPE cht_build_info gauge\n"
		       "cht_build_info{version=\"" CHT_VERSION "\"} 1\n");
}

void reply_put_version(struct buf *b)
{
	buf_put_lit(b, "{\"version\":\"" CHT_VERSION "\",\"control\":1,\"wire\":1}\n");
}
