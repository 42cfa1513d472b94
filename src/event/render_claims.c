/* SPDX-License-Identifier: Apache-2.0
 *
 * What came of guests' declarations that were held against what the host counted.
 */
#include "event/members.h"
#include "event/render.h"

#include "base/bytes.h"

static void put_readings(struct members *m, uint64_t from, uint64_t to)
{
	struct members inner;

	members_key(m, "readings");
	inner = members_open(m->b, NULL);
	members_u64(&inner, "from", from);
	members_u64(&inner, "to", to);
	members_close(&inner);
}

static struct cht_str claim_name(unsigned claim)
{
	return claim == CLAIM_BYTES ? STR("channel.bytes") : STR("net.connect_attempted");
}

void render_unwitnessed(struct members *m, const struct cht_stamped *s)
{
	const struct facts_unwitnessed *f = &s->facts.unwitnessed;
	bool is_bytes = f->claim == CLAIM_BYTES;

	if (is_bytes) {
		members_u64(m, "bytesReceived", f->received);
		members_u64(m, "bytesSent", f->sent);
	}
	members_text(m, "claim", claim_name(f->claim));
	members_u64(m, "count", f->count);
	if (!is_bytes)
		members_u64(m, "from", f->first);
	put_readings(m, f->reading_from, f->reading_to);
	if (!is_bytes)
		members_u64(m, "to", f->last);
	members_text(m, "verdict",
		     f->verdict == VERDICT_CONTRADICTED ? STR("contradicted") : STR("unwitnessed"));
}

void render_undeclared(struct members *m, const struct cht_stamped *s)
{
	const struct facts_undeclared *f = &s->facts.undeclared;

	members_bool(m, "agentHeard", f->is_heard);
	members_u64(m, "packetsIn", f->packets_in);
	members_u64(m, "packetsOut", f->packets_out);
	put_readings(m, f->reading_from, f->reading_to);
}

void render_witnessed(struct members *m, const struct cht_stamped *s)
{
	static const enum claim by_name[N_CLAIMS] = { CLAIM_BYTES, CLAIM_CONNECT };
	const struct claim_counts *f = &s->facts.witnessed;
	struct members claims, one;

	members_key(m, "claims");
	claims = members_open(m->b, NULL);
	for (unsigned i = 0; i < N_CLAIMS; i++) {
		const uint64_t *n = f->n[by_name[i]];

		members_key(&claims, claim_name(by_name[i]).ptr);
		one = members_open(m->b, NULL);
		members_u64(&one, "contradicted", n[VERDICT_CONTRADICTED]);
		members_u64(&one, "noWitness", n[VERDICT_NO_WITNESS]);
		members_u64(&one, "unwitnessed", n[VERDICT_UNWITNESSED]);
		members_u64(&one, "witnessed", n[VERDICT_WITNESSED]);
		members_close(&one);
	}
	members_close(&claims);
	members_u64(m, "undeclaredPacketsOut", f->undeclared_out);
}
