/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/cells.h"

#include <stdlib.h>
#include <string.h>

/* What ids is asked for: the cells are where it has them from. */
static const char *id_of(const void *cells, uint32_t place)
{
	return ((const struct conf_cell *)cells)[place].id;
}

/* Until there is room for both, what was there stays as it is. */
static bool grow(struct conf *conf)
{
	size_t cap = conf->cells_cap == 0 ? 16 : conf->cells_cap * 2;
	struct conf_cell *grown = reallocarray(conf->cells, cap, sizeof(*grown));
	struct ids ids;

	if (grown == NULL)
		return false;
	conf->cells = grown;
	conf->ids.context = grown;
	if (ids_open(&ids, (uint32_t)cap, id_of, grown, NULL) < 0)
		return false;
	for (size_t i = 0; i < conf->n_cells; i++)
		ids_add(&ids, (uint32_t)i);
	ids_close(&conf->ids);
	conf->ids = ids;
	conf->cells_cap = cap;
	return true;
}

struct conf_cell *conf_new_cell(struct conf *conf, struct cht_str id)
{
	struct conf_cell *cell;

	if (conf->n_cells == conf->cells_cap && !grow(conf))
		return NULL;
	cell = &conf->cells[conf->n_cells];
	*cell = (struct conf_cell){ .uid = -1, .owner = -1, .group = -1 };
	memcpy(cell->id, id.ptr, id.len);
	ids_add(&conf->ids, (uint32_t)conf->n_cells++);
	return cell;
}

struct conf_cell *conf_find_cell(const struct conf *conf, struct cht_str id)
{
	char name[CHT_CELL_ID_MAX + 1] = "";
	uint32_t place;

	if (conf->n_cells == 0)
		return NULL;
	memcpy(name, id.ptr, id.len);
	place = ids_find(&conf->ids, name);
	return place != IDS_NONE ? &conf->cells[place] : NULL;
}
