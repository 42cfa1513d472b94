/* SPDX-License-Identifier: Apache-2.0
 *
 * kept_old.h - what the process before us kept, as it lies in memory: kept_cells.c and
 * kept_conns.c read it. Bounds of its parts were checked when it was found; nothing in them was.
 */
#ifndef DAEMON_KEPT_OLD_H
#define DAEMON_KEPT_OLD_H

#include "daemon/kept.h"
#include "daemon/line.h"

#define KEPT_MAGIC UINT64_C(0x3174706b746863) /* "chtkpt1" */

static inline const struct kept_head *kept_old_head(const struct line *line)
{
	return line->kept.old != NULL ? &line->kept.was : NULL;
}

static inline const struct conn *kept_old_conn(const struct line *line, uint64_t at)
{
	const struct kept_head *h = kept_old_head(line);

	return (const struct conn *)(const void *)(line->kept.old + h->conns_at) + at;
}

static inline const struct kept_cell *kept_old_cell(const struct line *line, uint64_t at)
{
	const struct kept_head *h = kept_old_head(line);

	return (const struct kept_cell *)(const void *)(line->kept.old + h->cells_at) + at;
}

/* Those of a cell; null: nothing is kept of it. */
const struct kept_cell *kept_find_cell(const struct line *line, const char *id);

#endif
