/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a VM beside its frames: what an orchestrator states. */
#include "daemon/line.h"

void witness_told(struct line *line, uint32_t i, enum cell_told what)
{
	cell_note_told(&line->slots[i].cell, what, &line->now);
	cells_hurry(line, i);
}
