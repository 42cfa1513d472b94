/* SPDX-License-Identifier: Apache-2.0
 *
 * cell.evidence_bundle: in one data what two readers of the Rust side look for, a builder's keys
 * and a renderer's. What an orchestrator said stands as it was said; no reference is made up.
 */
#include "event/members.h"
#include "event/render.h"

#include "base/bytes.h"
#include "base/limits.h"

/* Every item: the comma before it. */
static void put_comma(struct buf *b, bool *any)
{
	if (*any)
		buf_put_byte(b, ',');
	*any = true;
}

static void put_id(struct buf *b, const struct cht_stamped *s, uint64_t sequence)
{
	uint8_t id[EVENT_ID_LEN + OUT_SLACK];

	(void)render_id(id, s->run, sequence);
	buf_put_byte(b, '"');
	buf_put(b, id, EVENT_ID_LEN);
	buf_put_byte(b, '"');
}

/* Whether every event that is referred to can be named. */
static bool is_all(const struct cht_stamped *s)
{
	return !s->run->is_continued && s->facts.bundle.seen->n <= BUNDLE_REFS_MAX;
}

/* Calls put for each event of one place, or for the first and the last of it. */
typedef void (*put_ref_fn)(struct buf *b, const struct cht_stamped *s, enum event_kind kind,
			   uint64_t sequence, bool *any);
static void put_refs(struct buf *b, const struct cht_stamped *s, enum event_kind kind,
		     put_ref_fn put, bool *any)
{
	const struct bundle_seen *seen = s->facts.bundle.seen;
	unsigned at = bundle_place(kind);
	const uint64_t mask = (UINT64_C(1) << BUNDLE_KIND_SHIFT) - 1;

	if (is_all(s)) {
		for (uint64_t i = 0; i < seen->n; i++)
			if (seen->refs[i] >> BUNDLE_KIND_SHIFT == (uint64_t)kind)
				put(b, s, kind, seen->refs[i] & mask, any);
		return;
	}
	if (seen->first[at] != 0)
		put(b, s, kind, seen->first[at], any);
	if (seen->last[at] != seen->first[at])
		put(b, s, kind, seen->last[at], any);
}

static void put_host_ref(struct buf *b, const struct cht_stamped *s, enum event_kind kind,
			 uint64_t sequence, bool *any)
{
	(void)kind;
	put_comma(b, any);
	put_id(b, s, sequence);
}

static void put_guest_ref(struct buf *b, const struct cht_stamped *s, enum event_kind kind,
			  uint64_t sequence, bool *any)
{
	put_comma(b, any);
	buf_put_lit(b, "{\"eventId\":");
	put_id(b, s, sequence);
	buf_put_lit(b, ",\"eventType\":\"");
	buf_put_str(b, str_of(event_types[kind].type));
	buf_put_lit(b, "\",\"ruleClass\":\"GUEST_AGENT_DECLARATION\"}");
}

static void put_guest_type(struct buf *b, const struct cht_stamped *s, enum event_kind kind,
			   uint64_t sequence, bool *any)
{
	(void)s;
	(void)sequence;
	put_comma(b, any);
	buf_put_lit(b, "{\"type\":\"");
	buf_put_str(b, str_of(event_types[kind].type));
	buf_put_lit(b, "\"}");
}

static const enum event_kind guest_kinds[BUNDLE_GUEST_KINDS] = {
	EV_GUEST_PROCESS_SPAWNED,       EV_GUEST_PROCESS_EXITED,
	EV_GUEST_CAPABILITY_DENIED,     EV_GUEST_FS_INOTIFY_FIRED,
	EV_GUEST_NET_CONNECT_ATTEMPTED, EV_GUEST_DECLARATION,
	EV_GUEST_AGENT_HELLO,           EV_GUEST_AGENT_BYE,
	EV_GUEST_AGENT_SILENCED,
};

/* In the order of the keys. */
static const struct {
	const char *key;
	enum event_kind kind;
} series[CHT_N_PROBES] = {
	{ "cgroup", EV_PROBE_CGROUP },     { "fcMetrics", EV_PROBE_FC_METRICS },
	{ "nftables", EV_PROBE_NFTABLES }, { "tap", EV_PROBE_TAP_LINK },
	{ "vmmProc", EV_PROBE_VMM_PROC },
};

static void put_guest_refs(struct members *m, const struct cht_stamped *s)
{
	bool any = false;

	members_key(m, "guestEventRefs");
	buf_put_byte(m->b, '[');
	for (unsigned i = 0; i < BUNDLE_GUEST_KINDS; i++)
		put_refs(m->b, s, guest_kinds[i], put_guest_ref, &any);
	buf_put_byte(m->b, ']');
}

/* One for each event, for who counts them; where there are too many, one for each type. */
static void put_guest_events(struct members *m, const struct cht_stamped *s)
{
	const uint64_t *counts = s->facts.bundle.counts;
	bool any = false;

	members_key(m, "guestEvents");
	buf_put_byte(m->b, '[');
	for (unsigned i = 0; i < BUNDLE_GUEST_KINDS; i++) {
		struct members one;

		if (is_all(s)) {
			put_refs(m->b, s, guest_kinds[i], put_guest_type, &any);
		} else if (counts[guest_kinds[i]] > 0) {
			put_comma(m->b, &any);
			one = members_open(m->b, NULL);
			members_u64(&one, "count", counts[guest_kinds[i]]);
			members_text(&one, "type", str_of(event_types[guest_kinds[i]].type));
			members_close(&one);
		}
	}
	buf_put_byte(m->b, ']');
}

static void put_host_refs(struct members *m, const struct cht_stamped *s)
{
	struct members inner;

	members_key(m, "hostProbeEventRefs");
	inner = members_open(m->b, NULL);
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		bool any = false;

		members_key(&inner, series[i].key);
		buf_put_byte(m->b, '[');
		put_refs(m->b, s, series[i].kind, put_host_ref, &any);
		buf_put_byte(m->b, ']');
	}
	members_close(&inner);
}

static void put_host_series(struct members *m, const struct cht_stamped *s)
{
	struct members inner, one;

	members_key(m, "hostSeries");
	inner = members_open(m->b, NULL);
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		members_key(&inner, series[i].key);
		one = members_open(m->b, NULL);
		members_u64(&one, "count", s->facts.bundle.counts[series[i].kind]);
		members_close(&one);
	}
	members_close(&inner);
}

/* Text of a member that is there, with its quotes. */
static struct cht_str value_of(struct cht_str event, const char *name)
{
	struct cht_str value = { NULL, 0 };

	(void)event_data_find(event, name, &value);
	return value;
}

static void put_raw(struct members *m, const char *key, struct cht_str json)
{
	if (json.len == 0)
		return;
	members_key(m, key);
	buf_put_str(m->b, json);
}

static void put_lifecycle(struct members *m, const struct cht_stamped *s)
{
	struct cht_str rest = s->facts.bundle.lifecycle, event;
	bool any = false;

	members_key(m, "lifecycle");
	buf_put_byte(m->b, '[');
	while (event_list_next(&rest, &event)) {
		struct members one;

		put_comma(m->b, &any);
		one = members_open(m->b, NULL);
		put_raw(&one, "time", value_of(event, "time"));
		put_raw(&one, "type", value_of(event, "type"));
		members_close(&one);
	}
	buf_put_byte(m->b, ']');
}

/* Whether the last word of a type, whose quotes are there, is this one. */
static bool says(struct cht_str type, const char *word)
{
	size_t n = strlen(word);

	return type.len >= n + 2 && memcmp(type.ptr + type.len - 1 - n, word, n) == 0 &&
	       strchr("._:-\"", type.ptr[type.len - 2 - n]) != NULL;
}

static bool is_command_completed(struct cht_str type)
{
	return says(type, "commandCompleted") ||
	       (says(type, "completed") && memmem(type.ptr, type.len, "command", 7) != NULL);
}

/* The newest that says so. */
static struct cht_str newest(struct cht_str rest, bool (*is_it)(struct cht_str type))
{
	struct cht_str event, id = { NULL, 0 };

	while (event_list_next(&rest, &event))
		if (is_it(value_of(event, "type")))
			id = value_of(event, "id");
	return id;
}

static bool is_started(struct cht_str type)
{
	return says(type, "started");
}

static void put_spawned(struct members *m, struct cht_str rest)
{
	struct cht_str event;
	bool any = false;

	while (event_list_next(&rest, &event)) {
		if (!says(value_of(event, "type"), "spawned"))
			continue;
		if (!any) {
			members_key(m, "spawned");
			buf_put_byte(m->b, '[');
		}
		put_comma(m->b, &any);
		buf_put_str(m->b, value_of(event, "id"));
	}
	if (any)
		buf_put_byte(m->b, ']');
}

static void put_lifecycle_refs(struct members *m, const struct cht_stamped *s)
{
	const struct facts_bundle *f = &s->facts.bundle;
	struct members refs;

	members_key(m, "lifecycleEventRefs");
	refs = members_open(m->b, NULL);
	put_raw(&refs, "commandCompleted", newest(f->lifecycle, is_command_completed));
	put_raw(&refs, "destroyed", value_of(f->destroyed, "id"));
	put_spawned(&refs, f->lifecycle);
	put_raw(&refs, "started", newest(f->lifecycle, is_started));
	members_close(&refs);
}

static void put_attestations(struct members *m, const struct cht_stamped *s)
{
	char mem[512];
	struct buf by = buf_init(mem, sizeof(mem));
	struct members inner;

	buf_put_lit(&by, "checkpoint:");
	buf_put_str(&by, s->facts.bundle.vkey);
	members_key(m, "attestations");
	inner = members_open(m->b, NULL);
	members_text(&inner, "envelopeSignature", (struct cht_str){ mem, buf_len(&by) });
	members_text(&inner, "specSignatureHash", str_of(s->run->spec));
	members_close(&inner);
}

void render_bundle(struct members *m, const struct cht_stamped *s)
{
	const struct facts_bundle *f = &s->facts.bundle;
	int64_t ms = s->at.realtime_ns / (int64_t)NS_PER_MS;

	put_attestations(m, s);
	put_raw(m, "cellDestroyedEventRef", value_of(f->destroyed, "id"));
	members_u64(m, "emittedAtUnixMs", ms > 0 ? (uint64_t)ms : 0);
	put_guest_refs(m, s);
	put_guest_events(m, s);
	put_host_refs(m, s);
	put_host_series(m, s);
	put_lifecycle(m, s);
	put_lifecycle_refs(m, s);
	if (f->omitted > 0)
		members_u64(m, "lifecycleOmitted", f->omitted);
	members_text(m, "references", is_all(s) ? STR("all") : STR("first_and_last"));
	put_raw(m, "residueClass", f->residue_class);
	put_raw(m, "residueException", f->residue_exception);
	put_raw(m, "specId", f->spec_id);
}
