/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/deadlines.h"

#include <stdlib.h>

#include "base/err.h"

int deadlines_open(struct deadlines *d, uint32_t n, struct cht_err *err)
{
	size_t room = n > 0 ? n : 1;

	d->n = n;
	d->at_ns = calloc(room, sizeof(*d->at_ns));
	d->heap = calloc(room, sizeof(*d->heap));
	d->place = calloc(room, sizeof(*d->place));
	if (d->at_ns == NULL || d->heap == NULL || d->place == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the deadlines of %u cells", n);
	for (uint32_t i = 0; i < n; i++) {
		d->at_ns[i] = UINT64_MAX;
		d->heap[i] = d->place[i] = i;
	}
	return 0;
}

void deadlines_close(struct deadlines *d)
{
	free(d->at_ns);
	free(d->heap);
	free(d->place);
	*d = (struct deadlines){ .n = 0 };
}

static void put(struct deadlines *d, uint32_t place, uint32_t cell)
{
	d->heap[place] = cell;
	d->place[cell] = place;
}

static uint64_t time_at(const struct deadlines *d, uint32_t place)
{
	return d->at_ns[d->heap[place]];
}

static void rise(struct deadlines *d, uint32_t place)
{
	uint32_t cell = d->heap[place];

	while (place > 0 && time_at(d, (place - 1) / 2) > d->at_ns[cell]) {
		put(d, place, d->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(d, place, cell);
}

static void sink(struct deadlines *d, uint32_t place)
{
	uint32_t cell = d->heap[place];

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= d->n)
			break;
		if (child + 1 < d->n && time_at(d, child + 1) < time_at(d, child))
			child++;
		if (time_at(d, child) >= d->at_ns[cell])
			break;
		put(d, place, d->heap[child]);
		place = child;
	}
	put(d, place, cell);
}

void deadlines_set(struct deadlines *d, uint32_t cell, uint64_t at_ns)
{
	uint64_t before = d->at_ns[cell];

	if (at_ns == before)
		return;
	d->at_ns[cell] = at_ns;
	if (at_ns < before)
		rise(d, d->place[cell]);
	else
		sink(d, d->place[cell]);
}

uint32_t deadlines_first(const struct deadlines *d)
{
	return d->heap[0];
}
