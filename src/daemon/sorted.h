/* SPDX-License-Identifier: Apache-2.0
 *
 * sorted.h - places in the order of their names: sorted numbers, whose names the caller keeps. A
 * list of all can be read in parts, each from the name where the one before ended, whatever comes
 * and goes in between. Fixed memory.
 */
#ifndef DAEMON_SORTED_H
#define DAEMON_SORTED_H

#include "base/ids.h"

struct sorted {
	uint32_t *places; /* by name, as strcmp has it */
	uint32_t n;
	ids_name_fn name;
	const void *context;
};

/* Room for n places. CHT_E_NOMEM. */
int sorted_open(struct sorted *sorted, uint32_t n, ids_name_fn name, const void *context,
		struct cht_err *err) CHT_CHECKED;
/* Safe on a zeroed one. */
void sorted_close(struct sorted *sorted);
/* A place whose name is not there yet. */
void sorted_add(struct sorted *sorted, uint32_t place);
/* Nothing when it is not there. */
void sorted_remove(struct sorted *sorted, uint32_t place);
/* The place whose name comes next behind that text; IDS_NONE when there is none. */
uint32_t sorted_after(const struct sorted *sorted, const char *name);

#endif
