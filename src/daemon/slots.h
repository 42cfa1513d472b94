/* SPDX-License-Identifier: Apache-2.0
 *
 * slots.h - the places of cells: memory and descriptors.
 */
#ifndef DAEMON_SLOTS_H
#define DAEMON_SLOTS_H

#include "daemon/line.h"

/* Memory for as many cells and connections as there can be. CHT_E_LIMIT, CHT_E_NOMEM. */
int slots_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Safe before slots_open. */
void slots_free(struct line *line);
/* A place for a cell, in SLOT_BINDING; copies reg. CHT_E_LIMIT when all are taken. */
int slot_take(struct line *line, const struct placed *reg, uint32_t *i,
	      struct cht_err *err) CHT_CHECKED;
/* Of a cell without connections: its listener goes, its place is free. */
void slot_drop(struct line *line, uint32_t i);
/* Once its cell is made: each text of it and of its registration stands once, in memory of the
 * place. CHT_E_NOMEM. */
int slot_settle_texts(struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* A view: texts are the conf_cell's. */
struct placed placed_of(const struct conf_cell *cell);
/* Whether both ask for the same channel, made alike, and for the same who may connect. */
bool placed_is_same_place(const struct placed *a, const struct placed *b);
/* What its cell needs once somebody connected to it: zeroed. */
struct slot_met *slot_met(const struct line *line, uint32_t i);
/* Of a place whose cell is made: the cell's part comes first in it. */
static inline struct slot_met *met_of(const struct slot *slot)
{
	return (struct slot_met *)(void *)slot->cell.met;
}
/* Whether it has no run yet. */
static inline bool slot_is_coming(const struct slot *slot)
{
	return slot->state == SLOT_BINDING || slot->state == SLOT_BOUND;
}
/* Whether it is there to be told of: it has a run and is not on its way out. */
static inline bool slot_is_open(const struct slot *slot)
{
	return slot->state == SLOT_OPENING || slot->state == SLOT_OPEN;
}

#endif
