/* SPDX-License-Identifier: Apache-2.0
 *
 * Of each class those that came first stay, and the least class goes first.
 */
#include "cli/report.h"

#include <stdlib.h>
#include <string.h>

static void leave_out(struct report_picks *p, size_t at)
{
	p->left_out[p->list[at].class]++;
	p->n_of[p->list[at].class]--;
	p->bytes -= p->list[at].cost;
	free(p->list[at].entry);
	p->list[at] = p->list[--p->n];
	p->list[p->n].entry = NULL;
}

static enum report_class least_class(const struct report_picks *p)
{
	unsigned class = CLASS_PLAIN;

	while (class > 0 && p->n_of[class] == 0)
		class --;
	return (enum report_class) class;
}

/* The newest of a class of which there is one. */
static size_t newest_of(const struct report_picks *p, enum report_class class)
{
	size_t found = 0;

	for (size_t i = 1; i < p->n; i++)
		if (p->list[i].class == class &&
		    (p->list[found].class != class || p->list[i].index > p->list[found].index))
			found = i;
	return found;
}

/* What it takes on a page: what is beyond ASCII may have to be there twice, and made visible. */
static size_t cost_of(struct cht_bytes entry)
{
	for (size_t i = 0; i < entry.len; i++)
		if (entry.ptr[i] >= 0x7f)
			return 4 * entry.len;
	return entry.len;
}

int report_pick(struct report_picks *p, const struct verify_event *event, enum report_class class,
		enum report_lane lane)
{
	size_t cost = cost_of(event->entry);
	char *copy;

	while (p->n == REPORT_PICKED_MAX || p->bytes + cost > REPORT_PICKED_BYTES) {
		if (least_class(p) <= class) {
			p->left_out[class]++;
			return 0;
		}
		leave_out(p, newest_of(p, least_class(p)));
	}
	copy = malloc(event->entry.len);
	if (copy == NULL)
		return CHT_E_NOMEM;
	memcpy(copy, event->entry.ptr, event->entry.len);
	p->bytes += cost;
	p->n_of[class]++;
	p->list[p->n++] = (struct report_picked){ .index = event->index,
						  .class = class,
						  .lane = lane,
						  .leaf = *event->leaf,
						  .entry = copy,
						  .len = event->entry.len,
						  .cost = cost };
	return 0;
}

static int by_index(const void *a, const void *b)
{
	const struct report_picked *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

void report_picks_sort(struct report_picks *p)
{
	qsort(p->list, p->n, sizeof(p->list[0]), by_index);
}

void report_picks_free(struct report_picks *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i].entry);
	*p = (struct report_picks){ .n = 0 };
}
