/* SPDX-License-Identifier: Apache-2.0
 *
 * cells.h - the cells of a configuration while it is read: the next one, and the one of an id. They
 * move when there are more. Of this module alone.
 */
#ifndef CONF_CELLS_H
#define CONF_CELLS_H

#include "conf/conf.h"

/* One more, of an id that is one and is of no cell yet; the rest of it is as if nothing was said.
 * Null: no memory. */
struct conf_cell *conf_new_cell(struct conf *conf, struct cht_str id);
/* The cell of this id, which is one; null: there is none. */
struct conf_cell *conf_find_cell(const struct conf *conf, struct cht_str id);

#endif
