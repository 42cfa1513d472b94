/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/claims.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"

/* Where a hello does not say: docs/PROTOCOL.wire, section 5. */
enum { HEARTBEAT_MS = 3000, LENGTH_BYTES = 4 /* before each body */ };

/* Something was counted. cell_next looks at the clock again; when its turn is, it knows. */
static void mark(struct cht_cell *cell, struct pending *p)
{
	cell->is_met = true;
	if (p->due)
		return;
	p->due = true;
	cell->next_ns = 0;
}

int cell_init(struct cht_cell *cell, const struct cell_options *options, const struct cht_now *now,
	      struct cht_err *err)
{
	struct run run;
	int r = run_init(&run, options->names, options->cell_id, options->run_id, options->spec,
			 err);

	if (r < 0)
		return r;
	if (options->channel.len > CELL_CHANNEL_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "channel: longer than %d bytes",
				CELL_CHANNEL_MAX);
	if (options->channel.len > 0 &&
	    (!utf8_is_valid((const uint8_t *)options->channel.ptr, options->channel.len) ||
	     memchr(options->channel.ptr, '\0', options->channel.len) != NULL))
		return cht_fail(err, CHT_E_RANGE, 0, "channel: not UTF-8 text");
	*cell = (struct cht_cell){
		.run = run,
		.channel = options->channel,
		.met = options->met,
		.expected_uid = options->expected_uid,
		.keepalive_window_ns = options->keepalive_window_ns,
		.boot_window_ns = options->boot_window_ns,
		.ledger_quota = options->ledger_quota,
		.silence_once = options->silence_once,
	};
	if (cell->keepalive_window_ns == 0)
		cell->keepalive_window_ns = CHT_SILENCE_DEFAULT_WINDOW_NS;
	if (cell->boot_window_ns == 0)
		cell->boot_window_ns = LIMIT_BOOT_WINDOW_NS;
	cht_silence_init(&cell->silence, cell->boot_window_ns, now->monotonic_ns);
	return 0;
}

size_t cell_texts_bytes(const struct cht_cell *cell)
{
	return strlen(cell->run.cell_id) + strlen(cell->run.run_id) + strlen(cell->run.spec) +
	       cell->channel.len + 4;
}

static const char *move(char **to, struct cht_str text)
{
	char *at = *to;

	if (text.len > 0)
		memcpy(at, text.ptr, text.len);
	at[text.len] = '\0';
	*to += text.len + 1;
	return at;
}

void cell_move_texts(struct cht_cell *cell, char *to)
{
	struct run *run = &cell->run;

	run->cell_id = move(&to, str_of(run->cell_id));
	run->run_id = move(&to, str_of(run->run_id));
	run->spec = move(&to, str_of(run->spec));
	cell->channel.ptr = move(&to, cell->channel);
}

uint64_t cell_note_opened(struct cht_cell *cell, uint32_t pid, uint32_t uid, uint32_t gid)
{
	cell->connections++;
	cell->open++;
	cell->met->opened.count++;
	cell->met->opened.connection = cell->connections;
	cell->met->opened.peer_pid = pid;
	cell->met->opened.peer_uid = uid;
	cell->met->opened.peer_gid = gid;
	mark(cell, &cell->met->opened_p);
	return cell->connections;
}

void cell_note_closed(struct cht_cell *cell, uint64_t connection, enum close_reason reason,
		      bool opened, uint64_t frames, uint64_t bytes)
{
	if (opened && cell->open > 0)
		cell->open--;
	cell->met->closed.count++;
	cell->met->closed.connection = connection;
	cell->met->closed.reasons[reason]++;
	cell->met->closed.frames = u64_sum(cell->met->closed.frames, frames);
	cell->met->closed.bytes = u64_sum(cell->met->closed.bytes, bytes);
	mark(cell, &cell->met->closed_p);
}

void cell_note_refused(struct cht_cell *cell, const struct cht_frame_facts *facts,
		       const struct cht_wire_fault *why)
{
	struct facts_refused *f = &cell->met->refused;

	cell->received_bytes += LENGTH_BYTES + facts->frame_bytes;
	cell->frames.received++;
	cell->frames.refused++;
	if (f->count == 0) {
		f->connection = facts->connection;
		f->first = why->fault;
		f->first_at = why->at;
		f->first_bytes = facts->frame_bytes;
	}
	f->count++;
	f->faults[why->fault]++;
	mark(cell, &cell->met->refused_p);
}

/* A hello promises heartbeats unless it says that none are sent, or not within the window. */
static void note_hello(struct cht_cell *cell, const struct cht_declaration *d)
{
	uint64_t interval_ms = HEARTBEAT_MS;

	if ((d->details & 1u << CHT_DETAIL_HEARTBEAT_INTERVAL_MS) != 0)
		interval_ms = d->detail[CHT_DETAIL_HEARTBEAT_INTERVAL_MS].num;
	cell->has_heartbeat =
		interval_ms > 0 && interval_ms < cell->keepalive_window_ns / NS_PER_MS;
}

static void note_gap(struct cht_cell *cell, const struct cht_declaration *d, const struct gap *gap)
{
	struct facts_dropped *f = &cell->met->dropped;

	f->in_guest = u64_sum(f->in_guest, gap->in_guest);
	f->on_the_way = u64_sum(f->on_the_way, gap->on_the_way);
	f->late = u64_sum(f->late, gap->late);
	f->agent_boot = d->agent_boot;
	if (gap->to_seq > 0) {
		f->from_seq = gap->from_seq;
		f->to_seq = gap->to_seq;
	}
	mark(cell, &cell->met->dropped_p);
}

void cell_note_frame(struct cht_cell *cell, const struct cht_declaration *declaration,
		     const struct cht_frame_facts *facts, const struct cht_now *now)
{
	struct gap gap;

	cell->is_met = true;
	cell->received_bytes += LENGTH_BYTES + facts->frame_bytes;
	if (cell->state == CELL_LIVE && facts->epoch >= cell->epoch)
		cht_silence_heard(&cell->silence, now->monotonic_ns);
	else
		cell_come_to_life(cell, facts, now->monotonic_ns);
	if (declaration->source == CHT_SOURCE_AGENT_HELLO)
		note_hello(cell, declaration);
	if (gap_account(cell->met->boots, declaration,
			cell->run.is_continued && !cell->knows_agents, now->monotonic_ns, &gap))
		note_gap(cell, declaration, &gap);
	if (declaration->forged == 0)
		return;
	if (cell->met->forged.count == 0)
		cell->met->forged.connection = facts->connection;
	cell->met->forged.count++;
	cell->met->forged.keys |= declaration->forged;
	mark(cell, &cell->met->forged_p);
}

void cell_note_paused(struct cht_cell *cell, bool paused, const struct cht_now *now)
{
	uint64_t at = now->monotonic_ns;

	if (paused) {
		if (cell->unread_ns == 0)
			cell->unread_ns = at != 0 ? at : 1;
		cell_hold(cell, HELD_UNREAD, at);
		return;
	}
	cell->pauses = cell_pauses(cell, now);
	cell->unread_ns = 0;
	cell_release(cell, HELD_UNREAD, at);
}

void cell_note_late(struct cht_cell *cell, uint64_t since_ns, const struct cht_now *now)
{
	uint64_t at = now->monotonic_ns, late = at > since_ns ? at - since_ns : 0;

	if (late == 0 || (cell->held & HELD_UNREAD) != 0)
		return;
	cell->pauses.n++;
	cell->pauses.ns = u64_sum(cell->pauses.ns, late);
	cell_hold(cell, HELD_UNREAD, since_ns);
	cell_release(cell, HELD_UNREAD, u64_sum(at, late));
}

struct pauses cell_pauses(const struct cht_cell *cell, const struct cht_now *now)
{
	struct pauses pauses = cell->pauses;
	uint64_t since = cell->unread_ns;

	if (since == 0)
		return pauses;
	pauses.n++;
	if (now->monotonic_ns > since)
		pauses.ns = u64_sum(pauses.ns, now->monotonic_ns - since);
	return pauses;
}

void cell_note_stored(struct cht_cell *cell, size_t n)
{
	cell->ledger_bytes = u64_sum(cell->ledger_bytes, n);
}

static enum event_kind kind_of(enum cht_source source)
{
	switch (source) {
	case CHT_SOURCE_PROCESS_SPAWNED: return EV_GUEST_PROCESS_SPAWNED;
	case CHT_SOURCE_PROCESS_EXITED: return EV_GUEST_PROCESS_EXITED;
	case CHT_SOURCE_CAPABILITY_DENIED: return EV_GUEST_CAPABILITY_DENIED;
	case CHT_SOURCE_FS_INOTIFY_FIRED: return EV_GUEST_FS_INOTIFY_FIRED;
	case CHT_SOURCE_NET_CONNECT_ATTEMPTED: return EV_GUEST_NET_CONNECT_ATTEMPTED;
	case CHT_SOURCE_AGENT_HELLO: return EV_GUEST_AGENT_HELLO;
	case CHT_SOURCE_AGENT_BYE: return EV_GUEST_AGENT_BYE;
	case CHT_SOURCE_AGENT_HEARTBEAT:
	case CHT_SOURCE_OTHER:
	case CHT_N_SOURCES: break;
	}
	return EV_GUEST_DECLARATION;
}

static void stamp_frame(struct cht_cell *cell, const struct cht_declaration *declaration,
			const struct cht_frame_facts *facts, const struct cht_now *now,
			struct cht_stamped *out)
{
	cell->frames.stored++;
	run_stamp(&cell->run, kind_of(declaration->source), now, out);
	out->guest = declaration;
	out->frame = *facts;
	out->stale = facts->epoch < cell->epoch;
	if (cell->claims != NULL && !out->stale)
		claims_note_declared(cell->claims, declaration, out->sequence);
}

bool cell_stamp(struct cht_cell *cell, const struct cht_declaration *declaration,
		const struct cht_frame_facts *facts, const struct cht_now *now,
		struct cht_stamped *out)
{
	cell->frames.received++;
	if (declaration->source == CHT_SOURCE_AGENT_HEARTBEAT) {
		cell->frames.heartbeats++;
		return false;
	}
	if (cell->ledger_quota != 0 && cell->ledger_bytes >= cell->ledger_quota) {
		cell->frames.dropped++;
		cell->met->dropped.over_quota++;
		mark(cell, &cell->met->dropped_p);
		return false;
	}
	stamp_frame(cell, declaration, facts, now, out);
	return true;
}

void cell_note_untold(struct cht_cell *cell, uint64_t over_quota, uint64_t no_space)
{
	if (over_quota == 0 && no_space == 0)
		return;
	cell->met->dropped.over_quota = u64_sum(cell->met->dropped.over_quota, over_quota);
	cell->met->dropped.no_space = u64_sum(cell->met->dropped.no_space, no_space);
	mark(cell, &cell->met->dropped_p);
	cell->next_ns = 0;
}

void cell_note_gaps(struct cht_cell *cell, uint64_t in_guest, uint64_t on_the_way, uint64_t late)
{
	if (in_guest == 0 && on_the_way == 0 && late == 0)
		return;
	cell->met->dropped.in_guest = u64_sum(cell->met->dropped.in_guest, in_guest);
	cell->met->dropped.on_the_way = u64_sum(cell->met->dropped.on_the_way, on_the_way);
	cell->met->dropped.late = u64_sum(cell->met->dropped.late, late);
	mark(cell, &cell->met->dropped_p);
	cell->next_ns = 0;
}

void cell_drop(struct cht_cell *cell, const struct cht_declaration *declaration)
{
	cell->frames.received++;
	if (declaration->source == CHT_SOURCE_AGENT_HEARTBEAT) {
		cell->frames.heartbeats++;
		return;
	}
	cell->frames.dropped++;
	cell_note_untold(cell, 0, 1);
}

const struct cht_stamped *cht_stamp(struct cht_cell *cell,
				    const struct cht_declaration *declaration,
				    const struct cht_frame_facts *facts, const struct cht_now *now)
{
	cell_note_frame(cell, declaration, facts, now);
	cell->frames.received++;
	stamp_frame(cell, declaration, facts, now, cell->last);
	return cell->last;
}

void cell_stamp_opened(struct cht_cell *cell, const struct facts_stated *stated,
		       const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_RUN_OPENED, now, out);
	out->facts.opened = (struct facts_opened){ .socket = cell->channel,
						   .expected_uid = cell->expected_uid,
						   .keepalive_window_ns = cell->keepalive_window_ns,
						   .boot_window_ns = cell->boot_window_ns,
						   .is_stated = stated != NULL };
	if (stated != NULL)
		out->facts.opened.stated = *stated;
}

void cell_stamp_resumed(struct cht_cell *cell, const struct facts_run_resumed *facts,
			const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_RUN_RESUMED, now, out);
	out->facts.run_resumed = *facts;
	out->facts.run_resumed.socket = cell->channel;
}

void cell_stamp_continued(struct cht_cell *cell, const struct facts_run_continued *facts,
			  const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_RUN_CONTINUED, now, out);
	out->facts.run_continued = *facts;
	out->facts.run_continued.socket = cell->channel;
}

void cell_stamp_stated(struct cht_cell *cell, const struct facts_stated *facts,
		       const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_RUN_STATED, now, out);
	out->facts.stated = *facts;
}

void cell_stamp_sealed(struct cht_cell *cell, struct cht_str reason, const struct cht_now *now,
		       struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_RUN_SEALED, now, out);
	out->facts.sealed = (struct facts_sealed){ .reason = reason,
						   .frames = cell->frames,
						   .pauses = cell_pauses(cell, now) };
}

struct cht_str cht_stamped_cell_id(const struct cht_stamped *stamped)
{
	return str_of(stamped->run->cell_id);
}

struct cht_str cht_stamped_run_id(const struct cht_stamped *stamped)
{
	return str_of(stamped->run->run_id);
}

struct cht_str cht_stamped_spec_signature_hash(const struct cht_stamped *stamped)
{
	return str_of(stamped->run->spec);
}

uint64_t cht_stamped_sequence(const struct cht_stamped *stamped)
{
	return stamped->sequence;
}

int64_t cht_stamped_received_realtime_ns(const struct cht_stamped *stamped)
{
	return stamped->at.realtime_ns;
}

const struct cht_declaration *cht_stamped_declaration(const struct cht_stamped *stamped)
{
	return stamped->guest;
}
