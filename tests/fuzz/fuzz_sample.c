/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the answers of a control socket to cht top: each line that is made of them fits the
 * terminal and has nothing in it that moves a cursor; each cell stands in the order once.
 */
#include <string.h>

#include "base/bytes.h"
#include "cli/top_view.h"
#include "fuzz.h"

static void check_line(const struct buf *b, int width)
{
	HOLDS(!b->full && buf_len(b) <= (size_t)width);
	for (const uint8_t *p = b->start; p < b->at; p++)
		HOLDS(*p >= 0x20 && *p != 0x7f);
}

static void check_lines(const struct sample *s, int width)
{
	struct top_layout layout = top_layout(s, width);
	char mem[TOP_LINE_MAX];
	struct buf b;

	for (unsigned i = 0; i < TOP_HEAD_LINES; i++) {
		b = buf_init(mem, sizeof(mem));
		top_put_head(&b, s, i, width);
		check_line(&b, width);
	}
	for (size_t i = 0; i < s->n; i++) {
		b = buf_init(mem, sizeof(mem));
		top_put_cell(&b, &layout, &s->cells[i]);
		check_line(&b, width);
	}
}

static void check_order(const struct sample *s)
{
	const struct sample_cell **order = calloc(s->n + 1, sizeof(struct sample_cell *));
	unsigned char *seen = calloc(s->n + 1, 1);

	for (int by = 0; by < TOP_N_SORTS; by++) {
		memset(seen, 0, s->n);
		top_order(s, (enum top_sort)by, order);
		for (size_t i = 0; i < s->n; i++)
			seen[order[i] - s->cells]++;
		for (size_t i = 0; i < s->n; i++)
			HOLDS(seen[i] == 1);
	}
	free(seen);
	free(order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cht_str text = { (const char *)data, size };
	struct sample now = { .at_ns = 2, .totals_at_ns = 2 };
	struct sample before = { .at_ns = 1, .totals_at_ns = 1 };
	json_t *json;

	if (size > 65536)
		return 0;
	sample_read_metrics(&now, text);
	json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (sample_read_cells(&now, json, NULL) == 0 && sample_read_cells(&before, json, NULL) == 0)
		sample_compare(&now, &before);
	check_lines(&now, 20 + (int)(size % 200));
	check_order(&now);
	json_decref(json);
	sample_free(&now);
	sample_free(&before);
	return 0;
}
