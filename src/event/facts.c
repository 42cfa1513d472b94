/* SPDX-License-Identifier: Apache-2.0
 *
 * data of each kind that the host states: one function a kind, one section of docs/EVENTS.md.
 */
#include "event/members.h"
#include "event/render.h"

#include "base/bytes.h"
#include "base/limits.h"

enum { LOG_FORMAT_VERSION = 1 };

static void put_run_bits(struct members *m, const struct run_bits *bits)
{
	members_key(m, "runBits");
	buf_put_byte(m->b, '"');
	/* 74 bits: ten above the low 64, of which custom_b holds the two highest as well. */
	put_hex_u64(m->b, bits->b >> 2, 3);
	put_hex_u64(m->b, (uint64_t)bits->b << 62 | bits->c, 16);
	buf_put_byte(m->b, '"');
}

static void put_by(struct members *m, const struct facts_stated *f)
{
	struct members by;

	members_key(m, "by");
	by = members_open(m->b, NULL);
	members_u64(&by, "gid", f->gid);
	members_u64(&by, "pid", f->pid);
	members_u64(&by, "uid", f->uid);
	members_close(&by);
}

static void put_stated(struct members *m, const struct facts_stated *f)
{
	members_key(m, "stated");
	buf_put_str(m->b, f->text);
}

static void put_opened(struct members *m, const struct cht_stamped *s)
{
	const struct facts_opened *f = &s->facts.opened;

	members_u64(m, "bootWindowMs", f->boot_window_ns / NS_PER_MS);
	if (f->is_stated)
		put_by(m, &f->stated);
	if (f->expected_uid >= 0)
		members_i64(m, "expectedUid", f->expected_uid);
	members_u64(m, "keepaliveWindowMs", f->keepalive_window_ns / NS_PER_MS);
	put_run_bits(m, &s->run->bits);
	members_text(m, "socket", f->socket);
	if (f->is_stated && f->stated.text.len > 0)
		put_stated(m, &f->stated);
}

/* Of a run that goes on. */
static void put_socket(struct members *m, struct cht_str socket)
{
	if (socket.len > 0)
		members_text(m, "socket", socket);
}

static void put_run_resumed(struct members *m, const struct cht_stamped *s)
{
	const struct facts_run_resumed *f = &s->facts.run_resumed;

	members_text(m, "cause", f->cause);
	if (f->lost_to != 0)
		members_u64(m, "from", f->lost_from);
	put_socket(m, f->socket);
	if (f->lost_to != 0)
		members_u64(m, "to", f->lost_to);
}

static void put_run_continued(struct members *m, const struct cht_stamped *s)
{
	const struct facts_run_continued *f = &s->facts.run_continued;
	struct members from;

	members_key(m, "from");
	from = members_open(m->b, NULL);
	members_u64(&from, "lastSequence", f->last_sequence);
	members_text(&from, "origin", f->origin);
	members_close(&from);
	if (f->lost_to != 0) {
		members_u64(m, "lostFrom", f->lost_from);
		members_u64(m, "lostTo", f->lost_to);
	}
	put_socket(m, f->socket);
}

static void put_run_stated(struct members *m, const struct cht_stamped *s)
{
	put_by(m, &s->facts.stated);
	put_stated(m, &s->facts.stated);
}

static const char *kind_name(unsigned kind)
{
	return event_types[kind].name;
}

static void put_frames(struct members *m, const struct frame_counts *f)
{
	struct members inner;

	members_key(m, "frames");
	inner = members_open(m->b, NULL);
	members_u64(&inner, "dropped", f->dropped);
	members_u64(&inner, "heartbeats", f->heartbeats);
	members_u64(&inner, "received", f->received);
	members_u64(&inner, "refused", f->refused);
	members_u64(&inner, "stored", f->stored);
	members_close(&inner);
}

/* Two keys beside each other in every place where they stand. */
static void put_pauses(struct members *m, const struct pauses *p)
{
	if (p->n == 0)
		return;
	members_u64(m, "pausedMs", p->ns / NS_PER_MS);
	members_u64(m, "pauses", p->n);
}

static void put_sealed(struct members *m, const struct cht_stamped *s)
{
	const struct facts_sealed *f = &s->facts.sealed;

	if (s->run->is_continued)
		members_bool(m, "continued", true);
	members_counts(m, "counts", s->run->counts, EV_N_KINDS, kind_name);
	members_u64(m, "firstIndex", s->run->first_index);
	put_frames(m, &f->frames);
	members_u64(m, "lastSequence", s->sequence);
	put_pauses(m, &f->pauses);
	members_text(m, "reason", f->reason);
}

static void put_channel_opened(struct members *m, const struct cht_stamped *s)
{
	const struct facts_channel_opened *f = &s->facts.channel_opened;
	struct members peer;

	members_u64(m, "connection", f->connection);
	members_u64(m, "count", f->count);
	members_u64(m, "open", f->open);
	if (f->peer_uid == UINT32_MAX)
		return;
	members_key(m, "peer");
	peer = members_open(m->b, NULL);
	members_u64(&peer, "gid", f->peer_gid);
	members_u64(&peer, "pid", f->peer_pid);
	members_u64(&peer, "uid", f->peer_uid);
	members_close(&peer);
}

static const char *reason_name(unsigned reason)
{
	return close_reason_name((enum close_reason)reason);
}

static void put_channel_closed(struct members *m, const struct cht_stamped *s)
{
	const struct facts_channel_closed *f = &s->facts.channel_closed;

	members_u64(m, "bytes", f->bytes);
	members_u64(m, "connection", f->connection);
	members_u64(m, "count", f->count);
	members_u64(m, "frames", f->frames);
	members_u64(m, "open", f->open);
	members_counts(m, "reasons", f->reasons, CLOSE_N_REASONS, reason_name);
}

static const char *fault_name(unsigned fault)
{
	return cht_fault_name((enum cht_fault)fault);
}

static void put_refused(struct members *m, const struct cht_stamped *s)
{
	const struct facts_refused *f = &s->facts.refused;
	struct members first;

	members_u64(m, "count", f->count);
	members_counts(m, "faults", f->faults, CHT_N_FAULTS, fault_name);
	members_key(m, "first");
	first = members_open(m->b, NULL);
	members_u64(&first, "at", f->first_at);
	members_u64(&first, "bytes", f->first_bytes);
	members_u64(&first, "connection", f->connection);
	members_text(&first, "fault", str_of(cht_fault_name(f->first)));
	members_close(&first);
}

static void put_forged(struct members *m, const struct cht_stamped *s)
{
	const struct facts_forged *f = &s->facts.forged;
	bool any = false;

	members_u64(m, "connection", f->connection);
	members_u64(m, "count", f->count);
	members_key(m, "keys");
	buf_put_byte(m->b, '[');
	for (unsigned i = 0; i < CHT_N_FORGED; i++) {
		if ((f->keys & 1u << i) == 0)
			continue;
		buf_put_str(m->b, any ? STR(",\"") : STR("\""));
		buf_put_str(m->b, str_of(cht_forged_name((enum cht_forged)i)));
		buf_put_byte(m->b, '"');
		any = true;
	}
	buf_put_byte(m->b, ']');
}

static void put_newest_gap(struct members *m, const struct facts_dropped *f)
{
	struct members gap;

	if (f->agent_boot == 0 && f->to_seq == 0)
		return;
	members_key(m, "newestGap");
	gap = members_open(m->b, NULL);
	members_key(&gap, "agentBoot");
	buf_put_byte(m->b, '"');
	put_hex_u64(m->b, f->agent_boot, 16);
	buf_put_byte(m->b, '"');
	if (f->to_seq > 0) {
		members_decimal(&gap, "fromSeq", f->from_seq);
		members_decimal(&gap, "toSeq", f->to_seq);
	}
	members_close(&gap);
}

static void put_dropped(struct members *m, const struct cht_stamped *s)
{
	const struct facts_dropped *f = &s->facts.dropped;

	members_u64(m, "inGuest", f->in_guest);
	members_u64(m, "late", f->late);
	put_newest_gap(m, f);
	members_u64(m, "noSpace", f->no_space);
	members_u64(m, "onTheWay", f->on_the_way);
	members_u64(m, "overQuota", f->over_quota);
}

/* Who was there to be asked, and what each said. */
static void put_witnesses(struct members *m, const struct witnesses *w)
{
	static const char *const told[N_TOLD] = { "", "paused", "snapshotting", "resumed",
						  "restored" };
	static const char *const said[N_SAID] = { "", "runs", "still", "starved", "gone" };
	static const struct {
		const char *key;
		enum witness witness;
	} below[] = { { "vcpuExits", WITNESS_VCPU_EXITS },
		      { "vmmProcess", WITNESS_VMM_PROCESS },
		      { "vmmTasks", WITNESS_VMM_TASKS } };
	struct members inner;

	members_key(m, "witnesses");
	inner = members_open(m->b, NULL);
	if (w->said[WITNESS_CGROUP_CPU] != SAID_NOTHING)
		members_text(&inner, "cgroupCpu", str_of(said[w->said[WITNESS_CGROUP_CPU]]));
	members_u64(&inner, "connectionsOpen", w->open);
	members_text(&inner, "frames", w->is_heard ? STR("heard") : STR("none"));
	if (w->told != TOLD_NOTHING)
		members_text(&inner, "stated", str_of(told[w->told]));
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (w->said[below[i].witness] != SAID_NOTHING)
			members_text(&inner, below[i].key, str_of(said[w->said[below[i].witness]]));
	members_close(&inner);
}

static void put_silenced(struct members *m, const struct cht_stamped *s)
{
	const struct facts_silenced *f = &s->facts.silenced;

	members_text(m, "basis", f->basis);
	members_u64(m, "elapsedMs", f->elapsed_ns / NS_PER_MS);
	members_u64(m, "episode", f->episode);
	members_text(m, "epistemicStatus", STR("DECLARED"));
	members_u64(m, "keepaliveWindowMs", f->window_ns / NS_PER_MS);
	put_pauses(m, &f->pauses);
	members_text(m, "ruleClass", STR("GUEST_AGENT_DECLARATION"));
	put_witnesses(m, &f->witnesses);
}

static void put_state_changed(struct members *m, const struct cht_stamped *s)
{
	static const char *const bases[STATE_N_BASES] = { "frame", "statement", "window",
							  "witness" };
	const struct facts_state_changed *f = &s->facts.state_changed;

	members_text(m, "basis", str_of(bases[f->basis]));
	members_u64(m, "count", f->count);
	members_u64(m, "epoch", f->epoch);
	members_text(m, "from", str_of(cell_state_name(f->from)));
	members_text(m, "to", str_of(cell_state_name(f->to)));
	put_witnesses(m, &f->witnesses);
}

static void put_agent_resumed(struct members *m, const struct cht_stamped *s)
{
	members_u64(m, "episode", s->facts.agent_resumed.episode);
	members_u64(m, "silentMs", s->facts.agent_resumed.silent_ns / NS_PER_MS);
}

static void put_adjust(struct members *m, const struct clock_adjust *a)
{
	struct members adj;

	members_key(m, "adjtimex");
	adj = members_open(m->b, NULL);
	members_i64(&adj, "freqPpb", a->freq_ppb);
	members_i64(&adj, "offsetNs", a->offset_ns);
	members_i64(&adj, "status", a->status);
	members_close(&adj);
}

static void put_host_started(struct members *m, const struct cht_stamped *s)
{
	const struct facts_host_started *f = &s->facts.host_started;

	put_adjust(m, &f->adjust);
	members_text(m, "bootId", f->boot_id);
	members_u64(m, "cells", f->cells);
	members_text(m, "kernel", f->kernel);
	members_u64(m, "landlock", f->landlock);
	members_text(m, "lockdown", f->lockdown);
	members_u64(m, "nextIndex", f->next_index);
	members_text(m, "previous", f->previous);
	put_run_bits(m, &s->run->bits);
	members_bool(m, "tableLost", f->table_lost);
	members_text(m, "version", f->version);
}

static void put_host_stopped(struct members *m, const struct cht_stamped *s)
{
	members_u64(m, "cells", s->facts.host_stopped.cells);
	members_text(m, "reason", s->facts.host_stopped.reason);
}

static void put_retention(struct members *m, const struct facts_log_opened *f)
{
	struct members retention;

	members_key(m, "retention");
	retention = members_open(m->b, NULL);
	if (f->retain_age_s > 0)
		members_u64(&retention, "maxAgeSeconds", f->retain_age_s);
	if (f->retain_bytes > 0)
		members_u64(&retention, "maxBytes", f->retain_bytes);
	members_close(&retention);
}

static void put_log_opened(struct members *m, const struct cht_stamped *s)
{
	const struct facts_log_opened *f = &s->facts.log_opened;
	struct members before;

	members_u64(m, "formatVersion", LOG_FORMAT_VERSION);
	members_text(m, "origin", f->origin);
	if (f->predecessor.note.len > 0) {
		members_key(m, "predecessor");
		before = members_open(m->b, NULL);
		members_text(&before, "note", f->predecessor.note);
		members_text(&before, "origin", f->predecessor.origin);
		members_u64(&before, "size", f->predecessor.size);
		members_close(&before);
	}
	members_text(m, "reason", f->reason);
	put_retention(m, f);
	members_text(m, "vkey", f->vkey);
}

static void put_log_closed(struct members *m, const struct cht_stamped *s)
{
	const struct facts_log_closed *f = &s->facts.log_closed;
	struct members successor;

	members_text(m, "reason", f->reason);
	members_key(m, "successor");
	successor = members_open(m->b, NULL);
	members_text(&successor, "origin", f->successor);
	members_text(&successor, "vkey", f->successor_vkey);
	members_close(&successor);
}

static void put_recovered(struct members *m, const struct cht_stamped *s)
{
	const struct facts_recovered *f = &s->facts.recovered;
	struct members range;

	members_u64(m, "cutBytes", f->cut_bytes);
	members_u64(m, "kept", f->kept);
	if (f->from == f->to)
		return;
	members_key(m, "unprotected");
	range = members_open(m->b, NULL);
	members_u64(&range, "from", f->from);
	members_u64(&range, "to", f->to);
	members_close(&range);
}

static void put_alive(struct members *m, const struct cht_stamped *s)
{
	put_adjust(m, &s->facts.alive.adjust);
	members_text(m, "bootId", s->facts.alive.boot_id);
	members_u64(m, "nextIndex", s->facts.alive.next_index);
}

static void put_pruned(struct members *m, const struct cht_stamped *s)
{
	members_u64(m, "minIndex", s->facts.pruned.min_index);
}

/* A signed number as text, for what JavaScript would round. */
static void put_signed_decimal(struct members *m, const char *key, int64_t v)
{
	members_key(m, key);
	buf_put_byte(m->b, '"');
	put_i64(m->b, v);
	buf_put_byte(m->b, '"');
}

static void put_clock_stepped(struct members *m, const struct cht_stamped *s)
{
	const struct facts_clock_stepped *f = &s->facts.clock_stepped;

	put_signed_decimal(m, "afterNs", f->after_ns);
	put_signed_decimal(m, "beforeNs", f->before_ns);
	members_decimal(m, "steadyBootNs", f->steady_boot_ns);
	members_i64(m, "stepNs", f->step_ns);
}

static void put_host_reloaded(struct members *m, const struct cht_stamped *s)
{
	const struct facts_host_reloaded *f = &s->facts.host_reloaded;

	members_u64(m, "cellsAdded", f->cells_added);
	members_u64(m, "cellsKept", f->cells_kept);
	members_u64(m, "cellsRemoved", f->cells_removed);
	members_words(m, "changed", f->changed);
	members_text(m, "configuration", f->configuration);
	members_words(m, "kept", f->kept);
}

static void put_unclaimed(struct members *m, const struct cht_stamped *s)
{
	members_u64(m, "cid", s->facts.unclaimed.cid);
	members_u64(m, "count", s->facts.unclaimed.count);
}

typedef void (*put_facts_fn)(struct members *m, const struct cht_stamped *s);

/* Declarations have none: render_guest.c. */
static const put_facts_fn put_facts[EV_N_KINDS] = {
	[EV_RUN_OPENED] = put_opened,
	[EV_RUN_RESUMED] = put_run_resumed,
	[EV_RUN_CONTINUED] = put_run_continued,
	[EV_RUN_STATED] = put_run_stated,
	[EV_RUN_SEALED] = put_sealed,
	[EV_CHANNEL_OPENED] = put_channel_opened,
	[EV_CHANNEL_CLOSED] = put_channel_closed,
	[EV_FRAMES_REFUSED] = put_refused,
	[EV_GUEST_ATTRIBUTION_FORGED] = put_forged,
	[EV_GUEST_TELEMETRY_DROPPED] = put_dropped,
	[EV_GUEST_AGENT_SILENCED] = put_silenced,
	[EV_GUEST_AGENT_RESUMED] = put_agent_resumed,
	[EV_CELL_STATE_CHANGED] = put_state_changed,
	[EV_GUEST_DECLARATION_UNWITNESSED] = render_unwitnessed,
	[EV_GUEST_TRAFFIC_UNDECLARED] = render_undeclared,
	[EV_CELL_WITNESSED] = render_witnessed,
	[EV_CELL_EVIDENCE_BUNDLE] = render_bundle,
	[EV_HOST_STARTED] = put_host_started,
	[EV_HOST_STOPPED] = put_host_stopped,
	[EV_LOG_OPENED] = put_log_opened,
	[EV_LOG_CLOSED] = put_log_closed,
	[EV_LEDGER_RECOVERED] = put_recovered,
	[EV_LEDGER_ALIVE] = put_alive,
	[EV_LEDGER_PRUNED] = put_pruned,
	[EV_CLOCK_STEPPED] = put_clock_stepped,
	[EV_CHANNEL_UNCLAIMED] = put_unclaimed,
	[EV_HOST_RELOADED] = put_host_reloaded,
};

void render_facts(struct buf *b, const struct cht_stamped *s)
{
	struct members m = members_open(b, s);

	put_facts[s->kind](&m, s);
	members_close(&m);
}
