/* SPDX-License-Identifier: Apache-2.0
 *
 * The first and the last reading of a probe stand for all of them: what lies between is in rows.
 * Numbers are told apart by their paths; rows of a list by what names them, or by their place.
 */
#include "cli/report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { PATH_BYTES = 192, DEPTH_MAX = 8 };

static int keep(char **to, struct cht_str json)
{
	char *copy = malloc(json.len + 1);

	if (copy == NULL)
		return CHT_E_NOMEM;
	memcpy(copy, json.ptr, json.len);
	copy[json.len] = '\0';
	free(*to);
	*to = copy;
	return 0;
}

static void keep_time(char out[RFC3339_NS_LEN + 1], struct cht_str time)
{
	size_t n = time.len < RFC3339_NS_LEN ? time.len : RFC3339_NS_LEN;

	memcpy(out, time.ptr, n);
	out[n] = '\0';
}

int report_take_reading(struct report_probe *p, const struct verify_event *event)
{
	struct cht_str data = event->event->data, json;
	int r = 0;

	p->n++;
	if (event_data_find(data, "sampleError", &json) && json.len > 2) {
		p->failed++;
		json = (struct cht_str){ json.ptr + 1, json.len - 2 };
		(void)snprintf(p->error, sizeof(p->error), "%.*s",
			       (int)report_cut(json, sizeof(p->error) - 1), json.ptr);
	}
	if (p->inputs == NULL && event_data_find(data, "inputs", &json))
		r = keep(&p->inputs, json);
	if (!event_data_find(data, "output", &json))
		return r;
	if (r == 0 && p->first == NULL) {
		r = keep(&p->first, json);
		p->first_index = event->index;
		keep_time(p->first_time, event->event->time);
	}
	if (r == 0)
		r = keep(&p->last, json);
	p->last_index = event->index;
	keep_time(p->last_time, event->event->time);
	return r;
}

struct deltas {
	const json_t *last;
	bool unchanged;
	uint64_t left_out;
	void (*each)(void *context, const struct report_delta *delta);
	void *context;
};

/* A row's name among its siblings. */
static void row_name(const json_t *row, size_t at, char *out, size_t cap)
{
	const char *chain = json_string_value(json_object_get(row, "chain"));
	const json_t *handle = json_object_get(row, "handle");

	if (chain != NULL && json_is_integer(handle))
		(void)snprintf(out, cap, "%s/%lld", chain, (long long)json_integer_value(handle));
	else
		(void)snprintf(out, cap, "%zu", at);
}

/* What stands under the same name in the last reading's list. */
static const json_t *same_row(const json_t *list, const char *name)
{
	char other[PATH_BYTES];
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		row_name(row, i, other, sizeof(other));
		if (strcmp(other, name) == 0)
			return row;
	}
	return NULL;
}

static void walk(struct deltas *d, const json_t *first, const json_t *last, const char *path,
		 unsigned depth);

static void walk_object(struct deltas *d, const json_t *first, const json_t *last, const char *path,
			unsigned depth)
{
	bool has_totals = json_object_get(first, "totals") != NULL;
	char below[PATH_BYTES];
	const char *key;
	void *at;

	for (at = json_object_iter((json_t *)(uintptr_t)first); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)first, at)) {
		key = json_object_iter_key(at);
		/* A document of counts since the one before says less than their sums. */
		if (has_totals && strcmp(key, "metrics") == 0)
			continue;
		(void)snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "." : "",
			       key);
		walk(d, json_object_iter_value(at), json_object_get(last, key), below, depth + 1);
	}
}

static void walk_list(struct deltas *d, const json_t *first, const json_t *last, const char *path,
		      unsigned depth)
{
	char name[PATH_BYTES / 2], below[PATH_BYTES];
	const json_t *row;
	size_t i;

	json_array_foreach(first, i, row)
	{
		row_name(row, i, name, sizeof(name));
		(void)snprintf(below, sizeof(below), "%.90s[%s]", path, name);
		walk(d, row, same_row(last, name), below, depth + 1);
	}
}

static void walk(struct deltas *d, const json_t *first, const json_t *last, const char *path,
		 unsigned depth)
{
	struct report_delta delta = { .path = path };

	if (last == NULL || depth > DEPTH_MAX)
		return;
	if (json_is_object(first)) {
		walk_object(d, first, last, path, depth);
	} else if (json_is_array(first)) {
		walk_list(d, first, last, path, depth);
	} else if (json_is_integer(first) && json_is_integer(last)) {
		delta.first = json_integer_value(first);
		delta.last = json_integer_value(last);
		if (delta.first == delta.last && !d->unchanged)
			d->left_out++;
		else
			d->each(d->context, &delta);
	}
}

uint64_t report_deltas(const struct report_probe *p, bool unchanged,
		       void (*each)(void *context, const struct report_delta *delta), void *context)
{
	struct deltas d = { .unchanged = unchanged, .each = each, .context = context };
	json_t *first, *last;

	if (p->first == NULL)
		return 0;
	first = json_loads(p->first, 0, NULL);
	last = json_loads(p->last, 0, NULL);
	if (first != NULL && last != NULL)
		walk(&d, first, last, "", 0);
	json_decref(first);
	json_decref(last);
	return d.left_out;
}

void report_probe_free(struct report_probe *p)
{
	free(p->inputs);
	free(p->first);
	free(p->last);
	*p = (struct report_probe){ .n = 0 };
}
