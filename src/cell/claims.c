/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/claims.h"

#include "base/bytes.h"
#include "base/limits.h"

/* Bytes that the VMM has counted and that lie in its buffer and the socket's, when the two counts
 * are compared for the first time in the middle of a run. */
enum { ON_THE_WAY_BYTES = 256 * 1024 };

static bool is_traffic(enum cht_probe_kind kind)
{
	return kind == CHT_PROBE_TAP_LINK || kind == CHT_PROBE_NFTABLES;
}

void claims_expect(struct claims *claims, enum cht_probe_kind kind)
{
	if (is_traffic(kind))
		claims->sources[kind].is_there = true;
}

/* Such a connect leaves the guest never. */
static bool stays_inside(const struct cht_declaration *d)
{
	struct cht_str to;

	if ((d->details & 1u << CHT_DETAIL_DEST_ADDR) == 0)
		return false;
	to = d->detail[CHT_DETAIL_DEST_ADDR].text;
	return str_starts(to, STR("127.")) || str_eq(to, STR("::1")) ||
	       str_starts(to, STR("::ffff:127."));
}

void claims_note_declared(struct claims *claims, const struct cht_declaration *declaration,
			  uint64_t sequence)
{
	struct claim_round *round = &claims->now;

	if (declaration->source != CHT_SOURCE_NET_CONNECT_ATTEMPTED || stays_inside(declaration))
		return;
	if (round->declared == 0)
		round->first = sequence;
	round->declared++;
	round->last = sequence;
	claims->connects++;
}

static void tell(struct claims *claims, enum claim claim, enum verdict verdict,
		 const struct facts_unwitnessed *facts)
{
	unsigned which = 2 * (unsigned)claim + (verdict == VERDICT_CONTRADICTED);
	struct facts_unwitnessed *f = &claims->unwitnessed[which];

	if (verdict != VERDICT_UNWITNESSED && verdict != VERDICT_CONTRADICTED)
		return;
	claims->unwitnessed_p[which].due = true;
	if (f->count == 0) {
		*f = *facts;
		f->claim = (uint8_t)claim;
		f->verdict = (uint8_t)verdict;
		return;
	}
	/* Its window is not over: one event for both. */
	f->count = u64_sum(f->count, facts->count);
	f->last = facts->last;
	f->reading_to = facts->reading_to;
	f->received = facts->received;
	f->sent = facts->sent;
}

static void count(struct claims *claims, enum claim claim, enum verdict verdict, uint64_t n)
{
	claims->counts.n[claim][verdict] = u64_sum(claims->counts.n[claim][verdict], n);
}

static enum verdict judge(const struct claim_round *a, const struct claim_round *b)
{
	if (!a->is_seen && !b->is_seen)
		return VERDICT_NO_WITNESS;
	if (a->out > 0 || b->out > 0)
		return VERDICT_WITNESSED;
	return a->was_up || b->was_up ? VERDICT_UNWITNESSED : VERDICT_CONTRADICTED;
}

/* What the round before declared, by it and by this one. */
static void judge_connects(struct claims *claims)
{
	const struct claim_round *was = &claims->before, *is = &claims->now;
	const struct facts_unwitnessed facts = { .count = was->declared,
						 .first = was->first,
						 .last = was->last,
						 .reading_from =
							 was->from != 0 ? was->from : is->from,
						 .reading_to = is->to };
	enum verdict verdict = judge(was, is);

	if (was->declared == 0)
		return;
	count(claims, CLAIM_CONNECT, verdict, was->declared);
	tell(claims, CLAIM_CONNECT, verdict, &facts);
}

static void note_undeclared(struct claims *claims)
{
	const struct claim_round *is = &claims->now;
	struct facts_undeclared *f = &claims->undeclared;

	if (is->out == 0 || claims->connects > 0)
		return;
	if (f->packets_out == 0)
		f->reading_from = is->from;
	f->packets_out = u64_sum(f->packets_out, is->out);
	f->packets_in = u64_sum(f->packets_in, is->in);
	f->reading_to = is->to;
	claims->counts.undeclared_out = u64_sum(claims->counts.undeclared_out, is->out);
	claims->undeclared_p.due = true;
}

static void end_round(struct claims *claims)
{
	judge_connects(claims);
	note_undeclared(claims);
	claims->before = claims->now;
	claims->now = (struct claim_round){ .from = claims->before.to };
	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
		claims->sources[kind].is_read = false;
}

static bool all_are_read(const struct claims *claims)
{
	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
		if (claims->sources[kind].is_there && !claims->sources[kind].is_read)
			return false;
	return true;
}

static void note_packets(struct claims *claims, const struct cht_reading *reading,
			 uint64_t sequence)
{
	const struct cht_probe_traffic *t = &reading->traffic;
	struct claim_source *source = &claims->sources[reading->kind];
	struct claim_round *round = &claims->now;

	source->is_there = source->is_read = true;
	if (round->from == 0)
		round->from = sequence;
	round->to = sequence;
	if (!t->has_packets) {
		/* There is nothing to count; what counted before was another, should one come. */
		round->is_seen = round->is_seen || (t->is_down && source->has_before);
		source->has_before = t->is_down;
		source->out = source->in = 0;
		return;
	}
	if (source->has_before) {
		round->is_seen = true;
		round->was_up = round->was_up || !t->is_down;
		/* A counter that was set back counts from 0. */
		round->out += t->packets_out >= source->out ? t->packets_out - source->out
							    : t->packets_out;
		round->in +=
			t->packets_in >= source->in ? t->packets_in - source->in : t->packets_in;
	}
	source->has_before = true;
	source->out = t->packets_out;
	source->in = t->packets_in;
}

static void note_vsock(struct claims *claims, const struct cht_reading *reading, uint64_t sequence,
		       uint64_t received)
{
	uint64_t sent = reading->traffic.vsock_bytes_out, got, slack;
	const bool from_begin = claims->vsock_first == 0 && claims->received_first == 0;
	enum verdict verdict = VERDICT_WITNESSED;

	if (!claims->has_vsock) {
		claims->has_vsock = true;
		claims->vsock_first = sent;
		claims->received_first = claims->received_before = received;
		return;
	}
	got = claims->received_before - claims->received_first;
	slack = from_begin ? 0 : ON_THE_WAY_BYTES;
	if (sent < claims->vsock_first || u64_sum(sent - claims->vsock_first, slack) < got)
		verdict = VERDICT_CONTRADICTED;
	if (got > 0) {
		const struct facts_unwitnessed facts = { .count = 1,
							 .reading_from = sequence,
							 .reading_to = sequence,
							 .received = got,
							 .sent = sent - claims->vsock_first };

		count(claims, CLAIM_BYTES, verdict, 1);
		tell(claims, CLAIM_BYTES, verdict, &facts);
	}
	claims->received_before = received;
}

void claims_note_reading(struct claims *claims, const struct cht_reading *reading,
			 uint64_t sequence, uint64_t received)
{
	if (is_traffic(reading->kind)) {
		note_packets(claims, reading, sequence);
		if (all_are_read(claims))
			end_round(claims);
	} else if (reading->traffic.has_vsock) {
		note_vsock(claims, reading, sequence, received);
	}
}

void claims_restart(struct claims *claims)
{
	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
		claims->sources[kind].has_before = claims->sources[kind].is_read = false;
	claims->connects = 0;
	claims->has_vsock = false;
}

void claims_finish(struct claims *claims)
{
	end_round(claims);
	end_round(claims);
}

/* ---- of a cell */

bool cell_take_claim(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
		     struct cht_stamped *out)
{
	struct claims *claims = cell->claims;
	uint64_t at = now->monotonic_ns;

	if (claims == NULL)
		return false;
	for (unsigned i = 0; i < CLAIMS_TOLD; i++) {
		if (!pending_take(&claims->unwitnessed_p[i], LIMIT_PROVOKED_EVENT_NS, is_flush, at))
			continue;
		run_stamp(&cell->run, EV_GUEST_DECLARATION_UNWITNESSED, now, out);
		out->facts.unwitnessed = claims->unwitnessed[i];
		claims->unwitnessed[i] = (struct facts_unwitnessed){ .count = 0 };
		return true;
	}
	if (pending_take(&claims->undeclared_p, LIMIT_UNDECLARED_EVENT_NS, is_flush, at)) {
		run_stamp(&cell->run, EV_GUEST_TRAFFIC_UNDECLARED, now, out);
		out->facts.undeclared = claims->undeclared;
		out->facts.undeclared.is_heard = cell->heard;
		claims->undeclared = (struct facts_undeclared){ .packets_out = 0 };
		return true;
	}
	return false;
}

uint64_t cell_claim_deadline(const struct cht_cell *cell)
{
	const struct claims *claims = cell->claims;
	uint64_t at = UINT64_MAX;

	if (claims == NULL)
		return UINT64_MAX;
	at = pending_due_ns(&claims->undeclared_p, LIMIT_UNDECLARED_EVENT_NS);
	for (unsigned i = 0; i < CLAIMS_TOLD; i++) {
		uint64_t due = pending_due_ns(&claims->unwitnessed_p[i], LIMIT_PROVOKED_EVENT_NS);

		at = due < at ? due : at;
	}
	return at;
}

void cell_stamp_witnessed(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out)
{
	run_stamp(&cell->run, EV_CELL_WITNESSED, now, out);
	out->facts.witnessed = cell->claims->counts;
}
