/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* FNV-1a. Whoever may register cells may also make them collide: it costs him time, and a scan of
 * all places at worst. */
static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

int ids_open(struct ids *ids, uint32_t n, ids_name_fn name, const void *context,
	     struct cht_err *err)
{
	uint32_t size = 2;

	while (size < 2 * n)
		size *= 2;
	*ids = (struct ids){ .mask = size - 1, .name = name, .context = context };
	ids->places = malloc(size * sizeof(*ids->places));
	if (ids->places == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the ids of %u cells", n);
	memset(ids->places, 0xff, size * sizeof(*ids->places));
	return 0;
}

void ids_close(struct ids *ids)
{
	free(ids->places);
	*ids = (struct ids){ .places = NULL };
}

static uint32_t home(const struct ids *ids, uint32_t place)
{
	return hash(ids->name(ids->context, place)) & ids->mask;
}

uint32_t ids_find(const struct ids *ids, const char *name)
{
	for (uint32_t at = hash(name) & ids->mask; ids->places[at] != IDS_NONE;
	     at = (at + 1) & ids->mask)
		if (strcmp(ids->name(ids->context, ids->places[at]), name) == 0)
			return ids->places[at];
	return IDS_NONE;
}

void ids_add(struct ids *ids, uint32_t place)
{
	uint32_t at = home(ids, place);

	while (ids->places[at] != IDS_NONE)
		at = (at + 1) & ids->mask;
	ids->places[at] = place;
}

/* Those behind it that a search from their home would not reach over the hole move into it (Knuth,
 * TAOCP 6.4, algorithm R). */
void ids_remove(struct ids *ids, uint32_t place)
{
	uint32_t hole = home(ids, place), at;

	while (ids->places[hole] != place) {
		if (ids->places[hole] == IDS_NONE)
			return;
		hole = (hole + 1) & ids->mask;
	}
	ids->places[hole] = IDS_NONE;
	for (at = (hole + 1) & ids->mask; ids->places[at] != IDS_NONE; at = (at + 1) & ids->mask) {
		uint32_t from = home(ids, ids->places[at]);

		if (((at - from) & ids->mask) < ((at - hole) & ids->mask))
			continue;
		ids->places[hole] = ids->places[at];
		ids->places[at] = IDS_NONE;
		hole = at;
	}
}
