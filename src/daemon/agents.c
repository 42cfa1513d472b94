/* SPDX-License-Identifier: Apache-2.0 */
/* What agents' numbers said goes from one process to the next by way of the run table. */
#include "daemon/agents.h"
#include "daemon/cells.h"

static bool has_losses(const struct facts_dropped *d)
{
	return d->in_guest > 0 || d->on_the_way > 0 || d->late > 0;
}

void agents_note(struct line *line, const struct slot *slot, const struct cht_declaration *d)
{
	const struct cht_cell *cell = &slot->cell;

	if ((d->extensions & CHT_EXT_AGENT_BOOT) == 0)
		return;
	if (has_losses(&cell->met->dropped))
		cells_note_left(line, slot);
	for (unsigned i = 0; i < CELL_BOOTS && cell->met->boots[i].in_use; i++)
		if (cell->met->boots[i].boot == d->agent_boot) {
			table_note_agent(&line->table, slot->table_slot, &cell->met->boots[i],
					 cell->run.sequence);
			return;
		}
}

_Static_assert((int)TABLE_AGENTS < (int)CELL_BOOTS, "all of them fit a cell");

void agents_take_over(struct line *line, struct slot *slot)
{
	unsigned n = table_agents(&line->table, slot->table_slot, slot->cell.met->boots);

	slot->cell.knows_agents = n < TABLE_AGENTS;
	slot->cell.is_met = slot->cell.is_met || n > 0;
}
