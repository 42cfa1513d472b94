/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent numbers what it sees (agent_seq, per agent_boot) and counts what it did not send
 * (agent_dropped). Numbers that are passed over were dropped in the guest as far as that counter
 * grew, and otherwise lost on the way. The counter may run ahead of the numbers, because frames
 * that were queued before a drop are sent after it: the surplus is kept until its numbers pass.
 * All of this is what a guest says; sums saturate, so that no claim can wrap one.
 */
#include "cell/cell.h"

#include "base/bytes.h"

enum { WINDOW = 64 }; /* bits of .arrived */

/* The boot's entry; a new one takes a free place or that of the one unheard for longest. */
static struct boot *find_boot(struct boot boots[CELL_BOOTS], uint64_t id, bool *is_new)
{
	struct boot *place = &boots[0];

	*is_new = false;
	for (size_t i = 0; i < CELL_BOOTS; i++) {
		if (!boots[i].in_use) {
			place = &boots[i];
			break; /* places are never freed: none behind this one is used */
		}
		if (boots[i].boot == id)
			return &boots[i];
		if (boots[i].used_ns < place->used_ns)
			place = &boots[i];
	}
	*place = (struct boot){ .boot = id, .in_use = true };
	*is_new = true;
	return place;
}

/* A number at or below the highest: not new; perhaps one that was given up too early. */
static void note_late(struct boot *boot, uint64_t seq, struct gap *out)
{
	uint64_t back = boot->seq - seq;

	if (back < WINDOW && (boot->arrived >> back & 1) != 0)
		return; /* twice */
	if (back < WINDOW)
		boot->arrived |= UINT64_C(1) << back;
	if (boot->missing > 0) {
		boot->missing--;
		out->late++;
	} else if (back < WINDOW) {
		boot->ahead = u64_sum(boot->ahead, 1); /* it was taken for one of the drops */
	}
}

/* Goes up to seq; returns how many numbers were passed over. */
static uint64_t pass(struct boot *boot, uint64_t seq, bool carries_it, struct gap *out)
{
	uint64_t step = seq - boot->seq, skipped = carries_it ? step - 1 : step;

	if (skipped > 0) {
		out->from_seq = boot->seq + 1;
		out->to_seq = boot->seq + skipped;
	}
	boot->arrived = (step < WINDOW ? boot->arrived << step : 0) | (carries_it ? 1 : 0);
	boot->seq = seq;
	return skipped;
}

/* What the agent says of itself has no number of its own: it carries the current one. */
static bool is_of_agent(enum cht_source source)
{
	return source == CHT_SOURCE_AGENT_HELLO || source == CHT_SOURCE_AGENT_HEARTBEAT ||
	       source == CHT_SOURCE_AGENT_BYE;
}

static void account(struct boot *boot, const struct cht_declaration *d, struct gap *out)
{
	bool carries_it = !is_of_agent(d->source);
	uint64_t skipped = 0, told = 0;

	if ((d->extensions & CHT_EXT_AGENT_DROPPED) != 0 && d->agent_dropped > boot->dropped) {
		out->in_guest = d->agent_dropped - boot->dropped;
		boot->dropped = d->agent_dropped;
		boot->ahead = u64_sum(boot->ahead, out->in_guest);
	}
	if ((d->extensions & CHT_EXT_AGENT_SEQ) != 0) {
		if (d->agent_seq > boot->seq)
			skipped = pass(boot, d->agent_seq, carries_it, out);
		else if (carries_it && d->agent_seq > 0)
			note_late(boot, d->agent_seq, out);
	}
	told = skipped < boot->ahead ? skipped : boot->ahead;
	boot->ahead -= told;
	out->on_the_way = skipped - told;
	boot->missing = u64_sum(boot->missing, out->on_the_way);
}

bool gap_account(struct boot boots[CELL_BOOTS], const struct cht_declaration *declaration,
		 bool is_continued, uint64_t now_ns, struct gap *out)
{
	struct boot *boot;
	bool is_new;

	*out = (struct gap){ .in_guest = 0 };
	if ((declaration->extensions & CHT_EXT_AGENT_BOOT) == 0)
		return false;
	boot = find_boot(boots, declaration->agent_boot, &is_new);
	boot->used_ns = now_ns;
	account(boot, declaration, out);
	if (is_new && is_continued) {
		boot->missing = 0;
		boot->ahead = 0;
		*out = (struct gap){ .in_guest = 0 };
	}
	return out->in_guest > 0 || out->on_the_way > 0 || out->late > 0;
}
