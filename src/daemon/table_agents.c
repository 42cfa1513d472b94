/* SPDX-License-Identifier: Apache-2.0 */
/* What agents' numbers said, in the run table: by it the next process knows of a frame that was
 * lost between the two. It changes with each frame, before the event of that is noted, and holds
 * from that event's number on: a kill between the two leaves neither or both. */

#include "cell/cell.h"
#include "daemon/table_file.h"

static uint64_t agent_sum(const struct agent_mark *m, uint64_t tenant)
{
	const struct boot *b = &m->boot;
	const uint64_t words[] = { b->boot,  b->seq,     b->dropped, b->arrived, b->missing,
				   b->ahead, b->used_ns, m->from,    m->turn,    tenant };

	return table_sum(words, sizeof(words) / sizeof(words[0]));
}

/* The newest of the two that holds for what is noted of the run; null: neither. */
static struct agent_mark *newest(struct agent_mark both[2], uint64_t sequence, uint64_t tenant)
{
	struct agent_mark *best = NULL;

	for (int i = 0; i < 2; i++)
		if (both[i].check == agent_sum(&both[i], tenant) && both[i].from <= sequence &&
		    (best == NULL || both[i].turn > best->turn))
			best = &both[i];
	return best;
}

void table_note_agent(struct table *t, int slot, const struct boot *boot, uint64_t from)
{
	struct agent_mark(*all)[2] = table_group(t, slot)->agents[slot % TABLE_GROUP];
	uint64_t tenant = table_slot(t, slot)->tenant, turn = 1, oldest = UINT64_MAX;
	struct agent_mark *to = NULL;

	for (int i = 0; i < TABLE_AGENTS; i++) {
		struct agent_mark *m = newest(all[i], UINT64_MAX, tenant);
		uint64_t used_ns = m != NULL ? m->boot.used_ns : 0;

		if (m != NULL && m->boot.boot == boot->boot) {
			to = &all[i][m == &all[i][0]];
			turn = m->turn + 1;
			break;
		}
		if (used_ns >= oldest)
			continue;
		oldest = used_ns;
		to = &all[i][m == &all[i][0]];
		turn = m != NULL ? m->turn + 1 : 1;
	}
	if (to == NULL)
		return; /* all are of the end of time */
	to->check = 0;
	in_this_order();
	to->boot = *boot;
	to->from = from;
	to->turn = turn;
	in_this_order();
	to->check = agent_sum(to, tenant);
	in_this_order();
}

/* What did not come to hold never will: the number that it waits for is another event's now. */
static void forget_unheld(struct agent_mark both[2], uint64_t sequence)
{
	for (int i = 0; i < 2; i++)
		if (both[i].from > sequence)
			both[i].check = 0;
}

unsigned table_agents(struct table *t, int slot, struct boot *out)
{
	struct agent_mark(*all)[2] = table_group(t, slot)->agents[slot % TABLE_GROUP];
	const struct mark *newest_event = table_newest_mark(table_slot(t, slot));
	unsigned n = 0;

	for (int i = 0; newest_event != NULL && i < TABLE_AGENTS; i++) {
		const struct agent_mark *m;

		forget_unheld(all[i], newest_event->sequence);
		m = newest(all[i], newest_event->sequence, table_slot(t, slot)->tenant);

		if (m == NULL)
			continue;
		out[n] = m->boot;
		out[n++].in_use = true;
	}
	return n;
}
