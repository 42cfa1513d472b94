/* SPDX-License-Identifier: Apache-2.0
 *
 * With ten thousand cells an answer has megabytes: it is taken apart once, and what is kept of a
 * cell is a few hundred bytes in one block.
 */
#include "cli/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/visible.h"

static void copy(char *out, size_t cap, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;

	n = n < cap - 1 ? n : cap - 1;
	if (n > 0)
		memcpy(out, text, n);
	out[n] = '\0';
}

static uint64_t number(const json_t *view, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(view, name));

	return v > 0 ? (uint64_t)v : 0;
}

bool sample_is_amiss(const char *condition, bool is_silent)
{
	static const char *const words[] = { "silent", "hung", "gone" };

	for (size_t i = 0; condition != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(condition, words[i]) == 0)
			return true;
	return condition == NULL && is_silent;
}

static void read_cell(struct sample_cell *c, const json_t *view)
{
	const json_t *f = json_object_get(view, "frames");
	const char *condition = json_string_value(json_object_get(view, "condition"));

	copy(c->id, sizeof(c->id), json_string_value(json_object_get(view, "id")));
	copy(c->run, sizeof(c->run), json_string_value(json_object_get(view, "run")));
	copy(c->state, sizeof(c->state), json_string_value(json_object_get(view, "state")));
	/* Of one that is registered, what it is like says more. */
	if (strcmp(c->state, "open") == 0 && condition != NULL)
		copy(c->state, sizeof(c->state), condition);
	c->is_silent = json_is_true(json_object_get(view, "silent"));
	c->is_amiss = sample_is_amiss(condition, c->is_silent);
	c->silent_ns = number(view, "silentMs");
	c->silent_ns =
		c->silent_ns < UINT64_MAX / NS_PER_MS ? c->silent_ns * NS_PER_MS : UINT64_MAX;
	c->connections = number(view, "connections");
	c->frames = (struct sample_frames){ number(f, "received"), number(f, "stored"),
					    number(f, "heartbeats"), number(f, "refused"),
					    number(f, "dropped") };
}

int sample_read_cells(struct sample *out, const json_t *list, struct cht_err *err)
{
	size_t n = json_array_size(list);
	const json_t *view;
	size_t i;

	if (!json_is_array(list))
		return cht_fail(err, CHT_E_PEER, 0, "the answer is no list of cells");
	out->cells = calloc(n > 0 ? n : 1, sizeof(*out->cells));
	if (out->cells == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for %zu cells", n);
	json_array_foreach(list, i, view)
	{
		read_cell(&out->cells[i], view);
	}
	out->n = n;
	return 0;
}

static void read_metric(struct sample *out, struct cht_str name, uint64_t value)
{
	const struct {
		const char *name;
		uint64_t *to;
	} rows[] = {
		{ "cht_cells", &out->registered },
		{ "cht_connections", &out->connections },
		{ "cht_ledger_entries", &out->entries },
		{ "cht_frames_received_total", &out->frames.received },
		{ "cht_frames_stored_total", &out->frames.stored },
		{ "cht_frames_heartbeats_total", &out->frames.heartbeats },
		{ "cht_frames_refused_total", &out->frames.refused },
		{ "cht_frames_dropped_total", &out->frames.dropped },
	};

	if (str_eq(name, STR("cht_ledger_paused")) && value != 0)
		out->is_written = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, str_of(rows[i].name)))
			*rows[i].to = value;
}

void sample_read_metrics(struct sample *out, struct cht_str text)
{
	while (text.len > 0) {
		const char *nl = memchr(text.ptr, '\n', text.len), *blank;
		struct cht_str line = { text.ptr, nl != NULL ? (size_t)(nl - text.ptr) : text.len };
		struct cht_str name = line, value;
		uint64_t v;

		text.ptr += line.len + (nl != NULL);
		text.len -= line.len + (nl != NULL);
		blank = memchr(line.ptr, ' ', line.len);
		if (line.len == 0 || line.ptr[0] == '#' || blank == NULL)
			continue;
		name.len = (size_t)(blank - line.ptr);
		value = (struct cht_str){ blank + 1, line.len - name.len - 1 };
		if (read_u64(value, UINT64_MAX, &v))
			read_metric(out, name, v);
	}
}

/* ---- between two samples */

/* In tenths a second. */
static uint64_t rate(uint64_t now, uint64_t before, uint64_t ns)
{
	if (ns == 0 || now < before)
		return SAMPLE_NONE;
	return (uint64_t)((long double)(now - before) * 10 * NS_PER_S / ns + 0.5L);
}

static void compare_cell(struct sample_cell *now, const struct sample_cell *before, uint64_t ns)
{
	bool is_same = before != NULL && strcmp(now->run, before->run) == 0;

	now->received_rate = now->dropped_rate = now->refused_rate = SAMPLE_NONE;
	if (!is_same)
		return;
	now->received_rate = rate(now->frames.received, before->frames.received, ns);
	now->dropped_rate = rate(now->frames.dropped, before->frames.dropped, ns);
	now->refused_rate = rate(now->frames.refused, before->frames.refused, ns);
}

void sample_compare(struct sample *now, const struct sample *before)
{
	static const struct sample none;
	uint64_t ns = before != NULL ? now->totals_at_ns - before->totals_at_ns : 0;
	uint64_t cells_ns = before != NULL ? now->at_ns - before->at_ns : 0;
	size_t j = 0;

	before = before != NULL ? before : &none;
	now->entries_rate = rate(now->entries, before->entries, ns);
	now->rates = (struct sample_frames){
		rate(now->frames.received, before->frames.received, ns),
		rate(now->frames.stored, before->frames.stored, ns),
		rate(now->frames.heartbeats, before->frames.heartbeats, ns),
		rate(now->frames.refused, before->frames.refused, ns),
		rate(now->frames.dropped, before->frames.dropped, ns),
	};
	/* Both are sorted: one goes along with the other. */
	for (size_t i = 0; i < now->n; i++) {
		while (j < before->n && strcmp(before->cells[j].id, now->cells[i].id) < 0)
			j++;
		compare_cell(&now->cells[i],
			     j < before->n && strcmp(before->cells[j].id, now->cells[i].id) == 0
				     ? &before->cells[j]
				     : NULL,
			     cells_ns);
	}
}

/* ---- asking */

static int ask_status(const char *socket, const char *target, bool *is_good, struct cht_err *err)
{
	struct ask_reply reply;
	int r = ask(socket, "GET", target, NULL, &reply, err);

	if (r == 0)
		*is_good = reply.status < 300;
	ask_done(&reply);
	return r;
}

static int ask_metrics(struct sample *out, const char *socket, struct cht_err *err)
{
	struct ask_reply reply;
	int r = ask(socket, "GET", "/metrics", NULL, &reply, err);

	out->totals_at_ns = clk_monotonic_ns();
	if (r == 0 && reply.status != 200)
		r = cht_fail(err, CHT_E_STATE, 0, "chtd gave no metrics: status %u", reply.status);
	if (r == 0)
		sample_read_metrics(out, (struct cht_str){ reply.text, reply.len });
	ask_done(&reply);
	return r;
}

static int ask_version(struct sample *out, const char *socket, struct cht_err *err)
{
	struct ask_reply reply;
	int r = ask_json(socket, "GET", "/version", NULL, &reply, err);

	if (r == 0)
		copy(out->version, sizeof(out->version),
		     json_string_value(json_object_get(reply.json, "version")));
	ask_done(&reply);
	return r;
}

static int ask_cells(struct sample *out, const char *socket, struct cht_err *err)
{
	struct ask_reply reply;
	int r = ask_json(socket, "GET", "/cells", NULL, &reply, err);

	out->at_ns = clk_monotonic_ns();
	if (r == 0)
		r = sample_read_cells(out, reply.json, err);
	ask_done(&reply);
	return r;
}

int sample_take_totals(struct sample *out, const char *socket, struct cht_err *err)
{
	int r;

	*out = (struct sample){ .is_written = false };
	r = ask_version(out, socket, err);
	if (r == 0)
		r = ask_status(socket, "/readyz", &out->is_ready, err);
	if (r == 0)
		r = ask_status(socket, "/healthz", &out->is_written, err);
	return r < 0 ? r : ask_metrics(out, socket, err);
}

int sample_take(struct sample *out, const char *socket, struct cht_err *err)
{
	int r = sample_take_totals(out, socket, err);

	return r < 0 ? r : ask_cells(out, socket, err);
}

void sample_free(struct sample *s)
{
	free(s->cells);
	*s = (struct sample){ .n = 0 };
}

void sample_put_text(struct buf *b, const char *name, const char *text)
{
	char mem[512];
	struct buf quoted = buf_init(mem, sizeof(mem));

	json_put_str(&quoted, str_of(text));
	buf_put_str(b, str_of(name));
	put_plain_json(b, (struct cht_str){ mem, buf_len(&quoted) });
}

void sample_put_number(struct buf *b, const char *name, uint64_t v)
{
	buf_put_str(b, str_of(name));
	put_u64(b, v);
}

void sample_put_rate(struct buf *b, const char *name, uint64_t tenths)
{
	if (tenths == SAMPLE_NONE)
		return;
	sample_put_number(b, name, tenths / 10);
	buf_put_byte(b, '.');
	buf_put_byte(b, (uint8_t)('0' + tenths % 10));
}

void sample_put_frames(struct buf *b, const struct sample_frames *f)
{
	sample_put_number(b, "{\"received\":", f->received);
	sample_put_number(b, ",\"stored\":", f->stored);
	sample_put_number(b, ",\"heartbeats\":", f->heartbeats);
	sample_put_number(b, ",\"refused\":", f->refused);
	sample_put_number(b, ",\"dropped\":", f->dropped);
	buf_put_byte(b, '}');
}
