/* SPDX-License-Identifier: Apache-2.0
 *
 * ids.h - which place has a name, an id or a socket's path: a hash table with open addressing over
 * the numbers of places, whose names the caller keeps. Fixed memory, never more than half full.
 */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <cht/err.h>

#define IDS_NONE UINT32_MAX

/* The name of a place, NUL-terminated, as long as it is in the table. */
typedef const char *(*ids_name_fn)(const void *context, uint32_t place);

struct ids {
	uint32_t *places; /* IDS_NONE: empty */
	uint32_t mask;
	ids_name_fn name;
	const void *context;
};

/* Room for n places. CHT_E_NOMEM. */
int ids_open(struct ids *ids, uint32_t n, ids_name_fn name, const void *context,
	     struct cht_err *err) CHT_CHECKED;
/* Safe on a zeroed one. */
void ids_close(struct ids *ids);
/* IDS_NONE when no place has it. */
uint32_t ids_find(const struct ids *ids, const char *name);
/* A place whose name is not in the table yet. */
void ids_add(struct ids *ids, uint32_t place);
/* Nothing when it is not there. */
void ids_remove(struct ids *ids, uint32_t place);

#endif
