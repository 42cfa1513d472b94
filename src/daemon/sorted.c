/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sorted.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int sorted_open(struct sorted *sorted, uint32_t n, ids_name_fn name, const void *context,
		struct cht_err *err)
{
	*sorted = (struct sorted){ .name = name, .context = context };
	sorted->places = calloc((size_t)n + 1, sizeof(*sorted->places));
	if (sorted->places == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the list of %u cells", n);
	return 0;
}

void sorted_close(struct sorted *sorted)
{
	free(sorted->places);
	*sorted = (struct sorted){ .places = NULL };
}

/* How many have a name below it, or, with itself, at most it. */
static uint32_t count(const struct sorted *sorted, const char *name, bool with_itself)
{
	uint32_t first = 0, n = sorted->n;

	while (n > 0) {
		uint32_t half = n / 2;
		uint32_t place = sorted->places[first + half];
		int differs = strcmp(sorted->name(sorted->context, place), name);

		if (differs < 0 || (differs == 0 && with_itself)) {
			first += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return first;
}

void sorted_add(struct sorted *sorted, uint32_t place)
{
	uint32_t at = count(sorted, sorted->name(sorted->context, place), false);

	memmove(sorted->places + at + 1, sorted->places + at,
		(sorted->n - at) * sizeof(*sorted->places));
	sorted->places[at] = place;
	sorted->n++;
}

void sorted_remove(struct sorted *sorted, uint32_t place)
{
	uint32_t at = count(sorted, sorted->name(sorted->context, place), false);

	if (at == sorted->n || sorted->places[at] != place)
		return;
	sorted->n--;
	memmove(sorted->places + at, sorted->places + at + 1,
		(sorted->n - at) * sizeof(*sorted->places));
}

uint32_t sorted_after(const struct sorted *sorted, const char *name)
{
	uint32_t at = count(sorted, name, true);

	return at < sorted->n ? sorted->places[at] : IDS_NONE;
}
