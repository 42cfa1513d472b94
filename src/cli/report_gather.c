/* SPDX-License-Identifier: Apache-2.0
 *
 * What an event adds to a report stands with its kind. Of a type that this build does not know the
 * name decides: what holds claims against witnesses is called so.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/report.h"
#include "cli/tail_line.h"

size_t report_cut(struct cht_str json, size_t most)
{
	size_t at = 0, step;

	for (; at < json.len; at += step) {
		if (json.ptr[at] == '\\')
			step = at + 1 < json.len && json.ptr[at + 1] == 'u' ? 6 : 2;
		else
			step = utf8_sequence((const uint8_t *)json.ptr + at, json.len - at);
		if (step == 0 || at + step > most || at + step > json.len)
			break;
	}
	return at;
}

/* A string's text into room for it; what is too long is cut. */
static void keep(char *out, size_t cap, struct cht_str s)
{
	size_t n = report_cut(s, cap - 1);

	memcpy(out, s.ptr, n);
	out[n] = '\0';
}

/* The JSON of a member; what is too long is left out, because a part of it is no JSON. */
static void keep_member(char *out, size_t cap, struct cht_str data, const char *path)
{
	struct cht_str value;

	if (event_data_find(data, path, &value) && value.len < cap)
		keep(out, cap, value);
}

static uint64_t number(struct cht_str data, const char *path)
{
	uint64_t v = 0;

	(void)event_data_u64(data, path, &v);
	return v;
}

/* A string's text as it stands between its quotes. */
static struct cht_str bare(struct cht_str json)
{
	if (json.len >= 2 && json.ptr[0] == '"')
		return (struct cht_str){ json.ptr + 1, json.len - 2 };
	return json;
}

static void tally(struct report_tally *t, struct cht_str name, uint64_t count)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(str_of(t->list[i].name), name)) {
			t->list[i].count = u64_sum(t->list[i].count, count);
			return;
		}
	if (t->n == REPORT_TALLY_MAX || name.len >= sizeof(t->list[0].name)) {
		t->others = u64_sum(t->others, count);
		return;
	}
	keep(t->list[t->n].name, sizeof(t->list[0].name), name);
	t->list[t->n++].count = count;
}

/* The members of an object of counts. */
static void tally_counts(struct report_tally *t, struct cht_str data, const char *member)
{
	struct cht_str rest;

	if (!event_data_find(data, member, &rest) || rest.len < 2 || rest.ptr[0] != '{')
		return;
	while (rest.len > 2) {
		const char *end = memchr(rest.ptr + 2, '"', rest.len - 2);
		struct cht_str name, digits;
		uint64_t count = 0;
		size_t at;

		if (end == NULL || rest.ptr[1] != '"')
			return;
		name = (struct cht_str){ rest.ptr + 2, (size_t)(end - rest.ptr) - 2 };
		at = (size_t)(end - rest.ptr) + 2;
		digits = (struct cht_str){ rest.ptr + at, 0 };
		while (at < rest.len && rest.ptr[at] >= '0' && rest.ptr[at] <= '9') {
			at++;
			digits.len++;
		}
		if (!read_u64(digits, UINT64_MAX, &count))
			return;
		tally(t, name, count);
		rest = (struct cht_str){ rest.ptr + at, rest.len - at };
	}
}

static void take_opened(struct report *r, const struct verify_event *e)
{
	struct cht_str data = e->event->data;

	r->is_opened = true;
	r->opened_index = e->index;
	keep(r->opened_time, sizeof(r->opened_time), e->event->time);
	keep_member(r->socket, sizeof(r->socket), data, "socket");
	keep_member(r->correlation, sizeof(r->correlation), data, "stated.correlation");
	r->has_by = event_data_u64(data, "by.uid", &r->by_uid);
	r->by_gid = number(data, "by.gid");
	r->by_pid = number(data, "by.pid");
}

static void take_sealed(struct report *r, const struct verify_event *e)
{
	struct cht_str data = e->event->data;

	r->is_sealed = true;
	r->sealed_index = e->index;
	keep(r->sealed_time, sizeof(r->sealed_time), e->event->time);
	keep_member(r->reason, sizeof(r->reason), data, "reason");
	r->received = u64_sum(r->received, number(data, "frames.received"));
	r->stored = u64_sum(r->stored, number(data, "frames.stored"));
	r->heartbeats = u64_sum(r->heartbeats, number(data, "frames.heartbeats"));
	r->refused = u64_sum(r->refused, number(data, "frames.refused"));
	r->dropped = u64_sum(r->dropped, number(data, "frames.dropped"));
	r->paused_ms = u64_sum(r->paused_ms, number(data, "pausedMs"));
}

static void take_hole(struct report *r, struct cht_str data, const char *from, const char *to,
		      struct report_span *span)
{
	uint64_t a = number(data, from), b = number(data, to);

	r->is_continued = true;
	r->resumed++;
	if (b < a || b == 0)
		return;
	r->holes = u64_sum(r->holes, b - a + 1);
	span->is_hole = true;
}

static void take_gap(struct report *r, struct cht_str data, struct report_span *span)
{
	uint64_t in_guest = number(data, "inGuest"), on_the_way = number(data, "onTheWay");
	uint64_t over_quota = number(data, "overQuota"), no_space = number(data, "noSpace");

	r->gaps++;
	r->lost_in_guest = u64_sum(r->lost_in_guest, in_guest);
	r->lost_on_the_way = u64_sum(r->lost_on_the_way, on_the_way);
	r->late = u64_sum(r->late, number(data, "late"));
	r->over_quota = u64_sum(r->over_quota, over_quota);
	r->no_space = u64_sum(r->no_space, no_space);
	span->lost = u64_sum(span->lost,
			     u64_sum(u64_sum(in_guest, on_the_way), u64_sum(over_quota, no_space)));
}

static void take_silenced(struct report *r, const struct verify_event *e, int64_t at_ns)
{
	struct cht_str data = e->event->data, basis;
	struct report_silence *s;
	uint64_t elapsed = number(data, "elapsedMs");

	if (r->n_silences++ >= REPORT_SILENCES_MAX)
		return;
	s = &r->silence[r->n_silences - 1];
	*s = (struct report_silence){ .index = e->index, .elapsed_ms = elapsed };
	s->from_ns =
		elapsed < (uint64_t)at_ns / NS_PER_MS ? at_ns - (int64_t)(elapsed * NS_PER_MS) : 0;
	if (event_data_find(data, "basis", &basis))
		keep(s->basis, sizeof(s->basis), bare(basis));
	keep_member(s->witnesses, sizeof(s->witnesses), data, "witnesses");
}

/* Also a restore ends one, without a word of the agent. */
static void end_silence(struct report *r, uint64_t index, uint64_t silent_ms, int64_t at_ns)
{
	struct report_silence *s;

	if (r->n_silences == 0 || r->n_silences > REPORT_SILENCES_MAX)
		return;
	s = &r->silence[r->n_silences - 1];
	if (s->has_ended)
		return;
	s->has_ended = true;
	s->end_index = index;
	s->end_ns = at_ns;
	s->silent_ms = silent_ms;
}

static void take_state(struct report *r, const struct verify_event *e, int64_t at_ns)
{
	static const char *const asked[] = { "cgroupCpu", "stated", "vcpuExits", "vmmProcess",
					     "vmmTasks" };
	struct cht_str data = e->event->data, value;
	char path[32], said[64];

	r->state_changes++;
	if (event_data_find(data, "to", &value))
		keep(r->state, sizeof(r->state), bare(value));
	if (strcmp(r->state, "restored") == 0)
		end_silence(r, e->index, 0, at_ns);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		(void)snprintf(path, sizeof(path), "witnesses.%s", asked[i]);
		if (!event_data_find(data, path, &value))
			continue;
		value = bare(value);
		(void)snprintf(said, sizeof(said), "%s %.*s", asked[i], (int)report_cut(value, 24),
			       value.ptr);
		tally(&r->said, str_of(said), 1);
	}
}

static void take_stated(struct report *r, struct cht_str data)
{
	keep_member(r->exit_code, sizeof(r->exit_code), data, "stated.exitCode");
	keep_member(r->residue, sizeof(r->residue), data, "stated.residueClass");
}

static void take_bundle(struct report *r, const struct verify_event *e)
{
	r->has_bundle = true;
	r->bundle_index = e->index;
	keep_member(r->destroyed, sizeof(r->destroyed), e->event->data, "cellDestroyedEventRef");
	keep_member(r->residue, sizeof(r->residue), e->event->data, "residueClass");
}

static bool ends_with(struct cht_str s, const char *word)
{
	size_t n = strlen(word);

	return s.len >= n && memcmp(s.ptr + s.len - n, word, n) == 0;
}

/* A claim held against what was seen: guest.declaration_unwitnessed, and what is like it. */
static bool is_witnessed(struct cht_str name)
{
	return ends_with(name, "unwitnessed") || ends_with(name, "undeclared") ||
	       ends_with(name, "contradicted");
}

static void take_witnessed(struct report *r, const struct verify_event *e, struct cht_str name)
{
	static char facts[4 * CHT_EVENT_MAX_BYTES];
	struct buf b = buf_init(facts, sizeof(facts));
	struct cht_str claim, verdict;
	struct report_witnessed *w;
	char judged[64];
	size_t n;

	if (event_data_find(e->event->data, "claim", &claim) &&
	    event_data_find(e->event->data, "verdict", &verdict)) {
		claim = bare(claim);
		verdict = bare(verdict);
		(void)snprintf(judged, sizeof(judged), "%.*s %.*s", (int)report_cut(claim, 40),
			       claim.ptr, (int)report_cut(verdict, 20), verdict.ptr);
		tally(&r->judged, str_of(judged), number(e->event->data, "count"));
	}
	if (r->n_witnessed++ >= REPORT_WITNESSED_MAX)
		return;
	w = &r->witnessed[r->n_witnessed - 1];
	w->index = e->index;
	keep(w->time, sizeof(w->time), e->event->time);
	keep(w->name, sizeof(w->name), name);
	tail_put_facts(&b, e->event);
	n = buf_len(&b) < REPORT_FACTS_MAX ? buf_len(&b) : REPORT_FACTS_MAX;
	n = utf8_valid_prefix((const uint8_t *)facts, n);
	memcpy(w->facts, facts, n);
	w->facts[n] = '\0';
}

/* Where it stands on the timeline, and how much it matters. */
struct place {
	enum report_lane lane;
	enum report_class class;
};

static struct place place_of(const struct event_view *event, struct cht_str name)
{
	if (is_witnessed(name))
		return (struct place){ LANE_HOST, CLASS_GAP };
	if (event->known == NULL)
		return (struct place){ str_starts(name, STR("guest.")) ? LANE_GUEST : LANE_HOST,
				       CLASS_PLAIN };
	switch ((int)event->known->kind) {
	case EV_RUN_OPENED:
	case EV_RUN_RESUMED:
	case EV_RUN_CONTINUED:
	case EV_RUN_STATED:
	case EV_RUN_SEALED:
	case EV_CELL_WITNESSED:
	case EV_CELL_EVIDENCE_BUNDLE: return (struct place){ LANE_HOST, CLASS_LIFE };
	case EV_GUEST_TELEMETRY_DROPPED: return (struct place){ LANE_CHANNEL, CLASS_GAP };
	case EV_GUEST_AGENT_SILENCED:
	case EV_GUEST_AGENT_RESUMED: return (struct place){ LANE_HOST, CLASS_GAP };
	case EV_CELL_STATE_CHANGED: return (struct place){ LANE_HOST, CLASS_CHANGE };
	case EV_FRAMES_REFUSED:
	case EV_GUEST_ATTRIBUTION_FORGED: return (struct place){ LANE_CHANNEL, CLASS_CHANGE };
	case EV_CHANNEL_OPENED:
	case EV_CHANNEL_CLOSED: return (struct place){ LANE_CHANNEL, CLASS_CHANNEL };
	case EV_GUEST_AGENT_HELLO:
	case EV_GUEST_AGENT_BYE: return (struct place){ LANE_GUEST, CLASS_CHANNEL };
	default: break;
	}
	if (event_is_reading(event->known->kind))
		return (struct place){ LANE_HOST, CLASS_READING };
	return (struct place){ event_is_declaration(event->known->kind) ? LANE_GUEST : LANE_HOST,
			       CLASS_PLAIN };
}

static void take_kind(struct report *r, const struct verify_event *e, int64_t at_ns,
		      struct report_span *span)
{
	struct cht_str data = e->event->data;

	switch ((int)e->event->known->kind) {
	case EV_RUN_OPENED: take_opened(r, e); break;
	case EV_RUN_RESUMED: take_hole(r, data, "from", "to", span); break;
	case EV_RUN_CONTINUED: take_hole(r, data, "lostFrom", "lostTo", span); break;
	case EV_RUN_STATED: take_stated(r, data); break;
	case EV_RUN_SEALED: take_sealed(r, e); break;
	case EV_CELL_EVIDENCE_BUNDLE: take_bundle(r, e); break;
	case EV_CELL_WITNESSED:
		keep_member(r->claims, sizeof(r->claims), data, "claims");
		r->undeclared_out = number(data, "undeclaredPacketsOut");
		break;
	case EV_GUEST_TELEMETRY_DROPPED: take_gap(r, data, span); break;
	case EV_GUEST_AGENT_SILENCED: take_silenced(r, e, at_ns); break;
	case EV_GUEST_AGENT_RESUMED:
		end_silence(r, e->index, number(data, "silentMs"), at_ns);
		break;
	case EV_CELL_STATE_CHANGED: take_state(r, e, at_ns); break;
	case EV_FRAMES_REFUSED: tally_counts(&r->faults, data, "faults"); break;
	case EV_GUEST_ATTRIBUTION_FORGED: {
		struct cht_str keys, key;

		if (event_data_find(data, "keys", &keys))
			while (event_list_next(&keys, &key))
				tally(&r->forged, bare(key), number(data, "count"));
		break;
	}
	case EV_CHANNEL_CLOSED: tally_counts(&r->turned_away, data, "reasons"); break;
	default: break;
	}
}

/* A run id may have been used again; so often, the count stops. */
static void count_run(struct report *r, struct cht_str id)
{
	struct run_bits bits;
	uint64_t sequence;

	if (!event_id_read(id, &bits, &sequence) || r->n_runs == REPORT_RUNS_MAX)
		return;
	for (uint64_t i = 0; i < r->n_runs; i++)
		if (bits.b == r->bits[i].b && bits.c == r->bits[i].c)
			return;
	r->bits[r->n_runs++] = bits;
}

static void take_identity(struct report *r, const struct verify_event *e)
{
	count_run(r, e->event->id);
	if (r->events++ == 0) {
		r->first_index = e->index;
		keep(r->first_time, sizeof(r->first_time), e->event->time);
	}
	r->last_index = e->index;
	keep(r->last_time, sizeof(r->last_time), e->event->time);
	keep(r->cell, sizeof(r->cell), e->event->cell_id);
	keep(r->spec, sizeof(r->spec), e->event->spec);
}

static void take(struct report *r, const struct verify_event *e)
{
	struct cht_str name = tail_name(e->event);
	struct place place = place_of(e->event, name);
	struct report_span *span;
	int64_t at_ns = 0;
	int s;

	take_identity(r, e);
	(void)read_rfc3339(e->event->time, &at_ns);
	span = report_span_at(&r->timeline, at_ns);
	span->events[place.lane]++;
	r->lanes[place.lane]++;
	tally(&r->types, name, 1);
	if (is_witnessed(name))
		take_witnessed(r, e, name);
	if (e->event->known != NULL)
		take_kind(r, e, at_ns, span);
	if (e->event->known != NULL && event_is_reading(e->event->known->kind)) {
		s = report_take_reading(&r->probes[e->event->known->kind - EV_PROBE_FC_METRICS], e);
		r->status = s < 0 ? s : r->status;
	}
	s = report_pick(&r->picks, e, place.class, place.lane);
	r->status = s < 0 ? s : r->status;
	if (r->on_row != NULL)
		r->on_row(r->row_context, e, place.lane);
}

/* Everything but what the caller gave. */
static void begin_again(struct report *r)
{
	struct report kept = { .path = r->path,
			       .run_id = r->run_id,
			       .on_row = r->on_row,
			       .row_context = r->row_context,
			       .on_again = r->on_again };

	report_free(r);
	*r = kept;
	if (r->on_again != NULL)
		r->on_again(r->row_context);
}

void report_on_event(void *context, const struct verify_event *event)
{
	struct report *r = context;

	if (event->index < r->last_seen)
		begin_again(r);
	r->last_seen = event->index;
	if (str_eq(event->event->run_id, str_of(r->run_id)))
		take(r, event);
}

void report_end(struct report *r)
{
	size_t n = r->n_silences < REPORT_SILENCES_MAX ? r->n_silences : REPORT_SILENCES_MAX;

	report_picks_sort(&r->picks);
	for (size_t i = 0; i < n; i++)
		report_mark_silent(&r->timeline, r->silence[i].from_ns,
				   r->silence[i].has_ended ? r->silence[i].end_ns
							   : r->timeline.to_ns + 1);
}

void report_free(struct report *r)
{
	report_picks_free(&r->picks);
	for (unsigned i = 0; i < CHT_N_PROBES; i++)
		report_probe_free(&r->probes[i]);
}
