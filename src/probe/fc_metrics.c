/* SPDX-License-Identifier: Apache-2.0 */
/* Firecracker's metrics: a line is a reading. What it counts is what was added since the line
 * before, so that every line is summed, and what cannot have been summed is counted too. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "probe/fc_metrics.h"

enum {
	SUMMED_MAX = 64, /* lines of one reading that are summed without being shown */
	/* A VMM writes each minute; what is late by a quarter of one is not only late. */
	OVERDUE_MS = 75000
};

_Static_assert(FC_LINE_MAX + FC_DOC_VALUES_MAX * sizeof(struct fc_value) <= PROBE_SCRATCH_BYTES,
	       "a line and its values have room");

enum stage { STAGE_SOURCE, STAGE_STATE, STAGE_CONFIG, STAGE_FLUSH, N_STAGES };

static struct fc_metrics *of(struct probe *p)
{
	return (struct fc_metrics *)(void *)p;
}

/* ---- options */

static int take_endpoint(struct fc_metrics *m, const struct cht_probe_options *o,
			 struct cht_err *err)
{
	int n;

	if (o->endpoint != NULL)
		return probe_take_text(m->endpoint, sizeof(m->endpoint), o->endpoint, "endpoint",
				       false, err);
	if (o->api != NULL)
		n = snprintf(m->endpoint, sizeof(m->endpoint), "unix://%s/metrics", m->api);
	else
		n = snprintf(m->endpoint, sizeof(m->endpoint), "%s://%s",
			     m->source.is_fifo ? "fifo" : "file", m->path);
	if (n > 0 && (size_t)n < sizeof(m->endpoint))
		return 0;
	return cht_fail(err, CHT_E_RANGE, 0, "the path is too long to be an endpoint: give one");
}

static int take_options(struct fc_metrics *m, const struct cht_probe_options *o,
			struct cht_err *err)
{
	const char *name = o->fifo != NULL ? "fifo" : "file";
	int r;

	if ((o->fifo != NULL) == (o->file != NULL))
		return cht_fail(err, CHT_E_RANGE, 0,
				"fc_metrics: one of fifo and file, where the VMM writes them");
	if (o->flush && o->api == NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "flush needs the VMM's api socket");
	r = probe_take_text(m->path, sizeof(m->path), o->fifo != NULL ? o->fifo : o->file, name,
			    false, err);
	if (r == 0)
		r = probe_take_text(m->api, sizeof(m->api), o->api, "api", true, err);
	return r < 0 ? r : take_endpoint(m, o, err);
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct fc_metrics *m = calloc(1, sizeof(*m));
	int r;

	if (m == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	m->p.kind = &probe_fc_metrics;
	fc_source_init(&m->source, options->fifo != NULL);
	for (unsigned i = 0; i < FC_N_APIS; i++)
		m->answers[i].fd = -1;
	r = take_options(m, options, err);
	if (r < 0) {
		free(m);
		return r;
	}
	m->flush = options->flush;
	m->asks_vmm = options->api != NULL;
	m->is_drained = true;
	m->may_show = FC_SHOWN_MOST;
	*out = &m->p;
	return 0;
}

/* ---- what a reading needs */

static void begin(struct probe *p)
{
	of(p)->stage = STAGE_SOURCE;
}

/* An answer that came is looked at by the next reading; one that did not is asked for again. */
static bool is_wanted(const struct fc_metrics *m, unsigned stage)
{
	const struct fc_answer *a = m->answers;

	switch (stage) {
	case STAGE_SOURCE: /* a file that says nothing may not be the one of that name any more */
		return m->source.fd < 0 || (!m->source.is_fifo && m->is_drained);
	case STAGE_STATE: return m->asks_vmm && a[PROBE_API_STATE].fd < 0;
	case STAGE_CONFIG:
		return m->asks_vmm && a[PROBE_API_CONFIG].fd < 0 && a[PROBE_API_STATE].fd >= 0;
	default:
		/* Who reads until there is no more gets one line that was asked for. */
		return m->flush && m->is_drained && !m->source.is_gone && a[PROBE_API_FLUSH].fd < 0;
	}
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	static const uint8_t requests[N_STAGES] = {
		[STAGE_STATE] = PROBE_API_STATE,
		[STAGE_CONFIG] = PROBE_API_CONFIG,
		[STAGE_FLUSH] = PROBE_API_FLUSH,
	};
	struct fc_metrics *m = of(p);
	const char *path;

	while (m->stage < N_STAGES && !is_wanted(m, m->stage))
		m->stage++;
	if (m->stage == N_STAGES)
		return false;
	path = m->stage == STAGE_SOURCE ? m->path : m->api;
	if (m->stage != STAGE_SOURCE)
		want->kind = PROBE_WANT_API;
	else
		want->kind = m->source.is_fifo ? PROBE_WANT_FIFO : PROBE_WANT_FILE;
	want->request = (enum probe_api)requests[m->stage];
	memcpy(want->path, path, strlen(path) + 1);
	return true;
}

static void give(struct probe *p, const struct probe_given *given)
{
	static const uint8_t answers[N_STAGES] = {
		[STAGE_STATE] = PROBE_API_STATE,
		[STAGE_CONFIG] = PROBE_API_CONFIG,
		[STAGE_FLUSH] = PROBE_API_FLUSH,
	};
	struct fc_metrics *m = of(p);
	unsigned stage = m->stage++;

	if (stage == STAGE_SOURCE) {
		fc_source_give(&m->source, given->fd, given->code, given->sys, given->bytes);
		return;
	}
	m->answers[answers[stage]] = (struct fc_answer){
		.is_pending = true, .fd = given->fd, .code = given->code, .sys = given->sys
	};
}

/* ---- a line */

static uint64_t count_at(const struct fc_doc *doc, struct cht_str group, struct cht_str name)
{
	unsigned v = fc_doc_find(doc, FC_DOC_TOP, group);
	uint64_t n = 0;

	v = v != 0 && name.len > 0 ? fc_doc_find(doc, v, name) : v;
	if (v == 0 || !fc_doc_u64(doc, v, &n))
		return 0;
	return n;
}

/* Lines come each minute, and oftener; a VM that is paused writes none, and one that cannot write
 * counts it. */
static void note_time(struct fc_metrics *m, const struct fc_doc *doc, uint64_t missed)
{
	uint64_t ms = count_at(doc, STR("utc_timestamp_ms"), STR(""));
	uint64_t resume = count_at(doc, STR("latencies_us"), STR("resume_vm"));

	if (m->has_time && ms > m->last_ms && ms - m->last_ms > OVERDUE_MS && missed == 0 &&
	    resume == m->last_resume)
		m->lost.minutes_missed++;
	m->has_time = ms != 0;
	m->last_ms = ms;
	m->last_resume = resume;
}

static void note_says(struct fc_metrics *m, const struct fc_line_facts *facts,
		      struct cht_reading *out)
{
	if (m->has_before && facts->has_exits)
		out->says = facts->is_done ? CHT_PROBE_SAYS_RUNS : CHT_PROBE_SAYS_STILL;
	m->has_before = true;
}

static void note_second(struct fc_metrics *m, const struct cht_now *now)
{
	uint64_t s = (now->monotonic_ns - m->shown_ns) / NS_PER_S;

	if (now->monotonic_ns < m->shown_ns || s == 0)
		return;
	m->may_show = s < FC_SHOWN_MOST - m->may_show ? m->may_show + (uint32_t)s : FC_SHOWN_MOST;
	m->shown_ns = now->monotonic_ns;
}

/* Whether a line is shown; else it is only counted. */
static bool take_turn(struct fc_metrics *m, bool is_news)
{
	if (m->may_show == 0 && !is_news) {
		m->n_before++;
		return false;
	}
	m->may_show -= m->may_show > 0;
	return true;
}

/* Of a counter that is none, with its document: the reader sees it. */
static int refuse_counter(struct fc_metrics *m, const struct fc_shown *shown, const char *which,
			  struct probe_room *room, struct cht_reading *out)
{
	char text[100];

	m->lost.malformed++;
	if (!take_turn(m, false))
		return 0;
	(void)snprintf(text, sizeof(text), "%s is no count: the line is not summed", which);
	reading_fail_named(out, room, "malformed", text);
	fc_put(m, shown, room, out);
	return 1;
}

/* 1: *out is a reading; 0: it was only summed. */
static int on_document(struct fc_metrics *m, const struct fc_doc *doc, const struct fc_line *line,
		       struct probe_room *room, struct cht_reading *out)
{
	struct fc_shown shown = { .doc = doc, .line = line };
	uint64_t missed = m->totals.sum[FC_TOTAL_logger_missed_metrics_count];
	struct fc_line_facts facts;
	const char *which;

	if (fc_totals_add(&m->totals, doc, &facts, &which) < 0)
		return refuse_counter(m, &shown, which, room, out);
	note_time(m, doc, m->totals.sum[FC_TOTAL_logger_missed_metrics_count] - missed);
	note_says(m, &facts, out);
	/* A sum that may be too small could not contradict what was received. */
	out->traffic.has_vsock =
		!fc_has_lost(m) && m->totals.sum[FC_TOTAL_logger_missed_metrics_count] == 0;
	out->traffic.vsock_bytes_out = m->totals.sum[FC_TOTAL_vsock_tx_bytes_count];
	if (line->is_old && m->n_before < SUMMED_MAX) {
		out->says = CHT_PROBE_SAYS_NOTHING;
		m->n_before++;
		return 0;
	}
	if (!take_turn(m, facts.fatal != m->last_fatal))
		return 0;
	shown.fatal = m->last_fatal = facts.fatal;
	fc_put(m, &shown, room, out);
	return 1;
}

static int on_no_document(struct fc_metrics *m, const struct fc_line *line, bool is_long,
			  struct probe_room *room, struct cht_reading *out)
{
	const struct fc_shown shown = { .line = line };
	char text[100];

	m->lost.too_large += is_long;
	m->lost.malformed += !is_long;
	if (!take_turn(m, false))
		return 0;
	(void)snprintf(text, sizeof(text), "a line of %llu bytes is %s: it is not summed",
		       (unsigned long long)line->bytes, is_long ? "too long" : "not one document");
	reading_fail_named(out, room, is_long ? "too_large" : "malformed", text);
	fc_put(m, &shown, room, out);
	return 1;
}

/* 1: a reading. 0: nothing to show, more may follow. Below 0: it is not there yet. */
static int on_line(struct fc_metrics *m, const struct fc_line *line, struct probe_room *room,
		   struct cht_reading *out)
{
	struct fc_doc doc = { .values = (struct fc_value *)(void *)(room->scratch + FC_LINE_MAX),
			      .cap = FC_DOC_VALUES_MAX };
	int r = fc_doc_parse(&doc, line->text, line->len, NULL);

	if (!m->source.is_fifo && fc_source_is_stale(&m->source) &&
	    (r < 0 || count_at(&doc, STR("utc_timestamp_ms"), STR("")) <= m->last_ms)) {
		fc_source_leave(&m->source);
		return -1;
	}
	m->is_owed = false;
	return r < 0 ? on_no_document(m, line, r == CHT_E_LIMIT, room, out)
		     : on_document(m, &doc, line, room, out);
}

/* ---- a reading */

static int fail_with(struct fc_metrics *m, const char *name, const char *text,
		     struct probe_room *room, struct cht_reading *out)
{
	const struct fc_shown nothing = { .doc = NULL };

	reading_fail_named(out, room, name, text);
	fc_put(m, &nothing, room, out);
	return 1;
}

/* Every line that was written is read. Each flush makes the VMM count one action in the very line
 * that it writes: one that we do not see went to another reader, or nowhere. */
static int on_nothing(struct fc_metrics *m, struct probe_room *room, struct cht_reading *out)
{
	uint64_t seen = m->totals.sum[FC_TOTAL_put_api_requests_actions_count];

	if (m->n_flushed > seen && m->n_flushed - seen > m->lost.flushes_unseen)
		m->lost.flushes_unseen = m->n_flushed - seen;
	if (m->is_owed) {
		m->is_owed = false;
		return fail_with(m, "no_source",
				 "the VMM wrote a line elsewhere, or another reader took it", room,
				 out);
	}
	if (m->has_flush_error) {
		m->has_flush_error = false;
		return fail_with(m, m->flush_name, m->flush_error, room, out);
	}
	return 0;
}

static int on_ended(struct fc_metrics *m, struct probe_room *room, struct cht_reading *out)
{
	out->says = CHT_PROBE_SAYS_GONE;
	return fail_with(m, "gone", "the VMM's end of the FIFO is closed", room, out);
}

static int on_broken(struct fc_metrics *m, int code, struct probe_room *room,
		     struct cht_reading *out)
{
	bool is_other = code == CHT_E_PARSE && m->source.sys == 0;
	char what[CHT_PROBE_TEXT_MAX + 32];

	(void)snprintf(what, sizeof(what), "%.90s%s", m->path,
		       !is_other           ? ""
		       : m->source.is_fifo ? ": is no FIFO"
					   : ": is no file");
	if (is_other)
		reading_fail_named(out, room, "no_source", what);
	else
		reading_fail(out, room, code, m->source.sys, what);
	(void)fail_with(m, "", "", room, out);
	if (!m->has_before)
		out->output.len = 0;
	return 1;
}

/* Another VMM writes now. */
static void note_new(struct fc_metrics *m)
{
	if (!fc_source_take_new(&m->source))
		return;
	m->has_before = m->has_time = false;
	m->asks_vmm = m->api[0] != '\0';
}

/* What was found. 1: *out is a reading. 0: it was only summed. Below 0: there is nothing now. */
static int on_found(struct fc_metrics *m, enum fc_found found, const struct fc_line *line,
		    struct probe_room *room, struct cht_reading *out)
{
	switch (found) {
	case FC_LINE: return on_line(m, line, room, out);
	case FC_CUT:
	case FC_LONG:
		m->is_owed = false;
		return on_no_document(m, line, found == FC_LONG, room, out);
	case FC_ENDED: return on_ended(m, room, out);
	case FC_NOTHING:
	default: return -1;
	}
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	struct fc_metrics *m = of(p);
	struct fc_line line;
	int r = 0;

	note_second(m, now);
	fc_take_answers(m, room);
	for (unsigned i = 0; i <= SUMMED_MAX && r == 0; i++) {
		int found = fc_source_next(&m->source, room->scratch, &line);

		note_new(m);
		out->has_more = found == FC_LINE || found == FC_CUT || found == FC_LONG;
		m->is_drained = !out->has_more;
		if (found < 0)
			return on_broken(m, found, room, out);
		r = on_found(m, (enum fc_found)found, &line, room, out);
	}
	if (r > 0)
		return 1;
	/* More is there, and is summed next time. */
	return r == 0 ? 0 : on_nothing(m, room, out);
}

/* An end that was seen stays readable: then it is looked at in its time only. */
static int fd_of(const struct probe *p, short *events)
{
	const struct fc_metrics *m = (const struct fc_metrics *)(const void *)p;

	*events = POLLIN;
	return m->source.is_fifo && !m->source.is_gone ? m->source.fd : -1;
}

static void free_it(struct probe *p)
{
	struct fc_metrics *m = of(p);

	fc_source_close(&m->source);
	for (unsigned i = 0; i < FC_N_APIS; i++)
		fd_close(&m->answers[i].fd);
	free(m);
}

const struct probe_kind probe_fc_metrics = {
	.kind = CHT_PROBE_FC_METRICS,
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.fd = fd_of,
	.free = free_it,
};
