/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/visible.h"

const char *const top_sorts[TOP_N_SORTS] = {
	[TOP_TROUBLE] = "trouble", [TOP_FRAMES] = "frames",   [TOP_LOST] = "lost",
	[TOP_REFUSED] = "refused", [TOP_SILENCE] = "silence", [TOP_CONNECTIONS] = "connections",
	[TOP_CELL] = "name",
};

/* ---- order */

/* The larger one first; what is not known last. */
static int larger(uint64_t a, uint64_t b)
{
	a = a == SAMPLE_NONE ? 0 : a + 1;
	b = b == SAMPLE_NONE ? 0 : b + 1;
	return (a < b) - (a > b);
}

static int by_name(const struct sample_cell *a, const struct sample_cell *b)
{
	return strcmp(a->id, b->id);
}

static int by_frames(const struct sample_cell *a, const struct sample_cell *b)
{
	int r = larger(a->received_rate, b->received_rate);

	return r != 0 ? r : larger(a->frames.received, b->frames.received);
}

static int by_lost(const struct sample_cell *a, const struct sample_cell *b)
{
	int r = larger(a->dropped_rate, b->dropped_rate);

	return r != 0 ? r : larger(a->frames.dropped, b->frames.dropped);
}

static int by_refused(const struct sample_cell *a, const struct sample_cell *b)
{
	int r = larger(a->refused_rate, b->refused_rate);

	return r != 0 ? r : larger(a->frames.refused, b->frames.refused);
}

/* Who is silent for longest. */
static int by_silence(const struct sample_cell *a, const struct sample_cell *b)
{
	int r = b->is_silent - a->is_silent;

	return r != 0 ? r : larger(a->silent_ns, b->silent_ns);
}

static int by_connections(const struct sample_cell *a, const struct sample_cell *b)
{
	return larger(a->connections, b->connections);
}

static int by_trouble(const struct sample_cell *a, const struct sample_cell *b)
{
	int r = b->is_amiss - a->is_amiss;

	r = r != 0 ? r : by_lost(a, b);
	r = r != 0 ? r : by_refused(a, b);
	return r != 0 ? r : by_frames(a, b);
}

static int compare(const void *x, const void *y, void *context)
{
	static int (*const by[TOP_N_SORTS])(const struct sample_cell *,
					    const struct sample_cell *) = {
		[TOP_TROUBLE] = by_trouble, [TOP_FRAMES] = by_frames,
		[TOP_LOST] = by_lost,       [TOP_REFUSED] = by_refused,
		[TOP_SILENCE] = by_silence, [TOP_CONNECTIONS] = by_connections,
		[TOP_CELL] = by_name,
	};
	const struct sample_cell *a = *(const struct sample_cell *const *)x;
	const struct sample_cell *b = *(const struct sample_cell *const *)y;
	int r = by[*(const enum top_sort *)context](a, b);

	return r != 0 ? r : by_name(a, b);
}

void top_order(const struct sample *s, enum top_sort by, const struct sample_cell **order)
{
	for (size_t i = 0; i < s->n; i++)
		order[i] = &s->cells[i];
	qsort_r(order, s->n, sizeof(struct sample_cell *), compare, &by);
}

/* ---- numbers */

/* v tenths of a unit. */
static void put_tenths(struct buf *b, uint64_t v, const char *unit)
{
	put_u64(b, v / 10);
	if (v < 1000 && v % 10 != 0) {
		buf_put_byte(b, '.');
		buf_put_byte(b, (uint8_t)('0' + v % 10));
	}
	buf_put_str(b, str_of(unit));
}

void top_put_count(struct buf *b, uint64_t n)
{
	static const char *const units[] = { "k", "M", "G", "T", "P", "E" };
	uint64_t size = 1000;

	if (n == SAMPLE_NONE) {
		buf_put_byte(b, '-');
		return;
	}
	if (n < 100000) {
		put_u64(b, n);
		return;
	}
	for (size_t i = 0; i < 6; i++, size *= 1000)
		if (i == 5 || n / size < 1000) {
			put_tenths(b, n / (size / 10), units[i]);
			return;
		}
}

void top_put_rate(struct buf *b, uint64_t tenths)
{
	if (tenths == SAMPLE_NONE || tenths >= 1000)
		top_put_count(b, tenths == SAMPLE_NONE ? tenths : (tenths + 5) / 10);
	else
		put_tenths(b, tenths, "");
}

static void put_two(struct buf *b, uint64_t v)
{
	buf_put_byte(b, (uint8_t)('0' + v / 10 % 10));
	buf_put_byte(b, (uint8_t)('0' + v % 10));
}

void top_put_time(struct buf *b, uint64_t ns)
{
	enum { MINUTE = 60, HOUR = 3600, DAY = 24 * 3600 };
	uint64_t s = ns / NS_PER_S;

	if (s >= DAY) {
		put_u64(b, s / DAY);
		buf_put_byte(b, 'd');
	} else if (s >= HOUR) {
		put_u64(b, s / HOUR);
		buf_put_byte(b, 'h');
		put_two(b, s % HOUR / MINUTE);
		buf_put_byte(b, 'm');
	} else if (s >= MINUTE) {
		put_u64(b, s / MINUTE);
		buf_put_byte(b, 'm');
		put_two(b, s % MINUTE);
		buf_put_byte(b, 's');
	} else {
		put_u64(b, s);
		buf_put_byte(b, 's');
	}
}

/* ---- lines */

enum {
	STATE_WIDTH = 8,
	RATE_WIDTH = 8,
	LOST_WIDTH = 7,
	REFUSED_WIDTH = 7,
	SILENCE_WIDTH = 7,
	CONNS_WIDTH = 5,
	CELL_WIDTH_MIN = 8,
	CELL_WIDTH_MAX = 24,
	RUN_WIDTH_MIN = 6,
	/* All but CELL and RUN, and the blanks between. */
	OTHER_WIDTH = STATE_WIDTH + RATE_WIDTH + LOST_WIDTH + REFUSED_WIDTH + SILENCE_WIDTH +
		      CONNS_WIDTH + 6,
};

struct top_layout top_layout(const struct sample *s, int width)
{
	struct top_layout l = { .width = width, .cell = CELL_WIDTH_MIN };
	int left;

	for (size_t i = 0; i < s->n && l.cell < CELL_WIDTH_MAX; i++) {
		size_t n = strlen(s->cells[i].id);

		if (n > (size_t)l.cell)
			l.cell = n < CELL_WIDTH_MAX ? (int)n : CELL_WIDTH_MAX;
	}
	left = width - OTHER_WIDTH - l.cell - 1;
	l.run = left >= RUN_WIDTH_MIN ? left : 0;
	return l;
}

/* Of so many characters, at the left or the right; a text that is too long ends with '+'. */
static void put_field(struct buf *b, struct cht_str s, int width, bool is_right)
{
	uint8_t mem[4 * CHT_ATTRIBUTION_MAX + 4];
	struct buf text = buf_init(mem, sizeof(mem));
	size_t n, w = (size_t)width;

	put_visible(&text, s);
	n = buf_len(&text);
	if (n > w) {
		buf_put(b, mem, w - 1);
		buf_put_byte(b, '+');
		return;
	}
	for (size_t i = n; is_right && i < w; i++)
		buf_put_byte(b, ' ');
	buf_put(b, mem, n);
	for (size_t i = n; !is_right && i < w; i++)
		buf_put_byte(b, ' ');
}

static void put_right(struct buf *b, const char *text, int width)
{
	buf_put_byte(b, ' ');
	put_field(b, str_of(text), width, true);
}

static void put_number(struct buf *b, void (*put)(struct buf *, uint64_t), uint64_t v, int width)
{
	char mem[24];
	struct buf text = buf_init(mem, sizeof(mem));

	put(&text, v);
	buf_put_byte(b, ' ');
	put_field(b, (struct cht_str){ mem, buf_len(&text) }, width, true);
}

static void cut(struct buf *b, const uint8_t *start, int width)
{
	if (b->at - start > width)
		b->at = b->start + (start - b->start) + width;
}

void top_put_columns(struct buf *b, const struct top_layout *l)
{
	const uint8_t *start = b->at;

	put_field(b, STR("CELL"), l->cell, false);
	buf_put_byte(b, ' ');
	put_field(b, STR("STATE"), STATE_WIDTH, false);
	put_right(b, "FRAMES/S", RATE_WIDTH);
	put_right(b, "LOST", LOST_WIDTH);
	put_right(b, "REFUSED", REFUSED_WIDTH);
	put_right(b, "SILENCE", SILENCE_WIDTH);
	put_right(b, "CONNS", CONNS_WIDTH);
	if (l->run > 0)
		buf_put_lit(b, " RUN");
	cut(b, start, l->width);
}

void top_put_cell(struct buf *b, const struct top_layout *l, const struct sample_cell *c)
{
	const uint8_t *start = b->at;

	put_field(b, str_of(c->id), l->cell, false);
	buf_put_byte(b, ' ');
	put_field(b, str_of(c->state), STATE_WIDTH, false);
	put_number(b, top_put_rate, c->received_rate, RATE_WIDTH);
	put_number(b, top_put_count, c->frames.dropped, LOST_WIDTH);
	put_number(b, top_put_count, c->frames.refused, REFUSED_WIDTH);
	if (c->is_silent)
		put_number(b, top_put_time, c->silent_ns, SILENCE_WIDTH);
	else
		put_right(b, "-", SILENCE_WIDTH);
	put_number(b, top_put_count, c->connections, CONNS_WIDTH);
	if (l->run > 0) {
		buf_put_byte(b, ' ');
		put_field(b, str_of(c->run), l->run, false);
	}
	cut(b, start, l->width);
}

static void put_labelled(struct buf *b, void (*put)(struct buf *, uint64_t), uint64_t v,
			 const char *label)
{
	put(b, v);
	buf_put_str(b, str_of(label));
}

static void put_head_cells(struct buf *b, const struct sample *s)
{
	uint64_t silent = 0, losing = 0;

	for (size_t i = 0; i < s->n; i++) {
		silent += s->cells[i].is_silent;
		losing += s->cells[i].frames.dropped > 0;
	}
	put_labelled(b, put_u64, s->n, s->n == 1 ? " cell: " : " cells: ");
	put_labelled(b, put_u64, silent, " silent, ");
	put_labelled(b, put_u64, losing, " with losses; ");
	put_labelled(b, put_u64, s->connections,
		     s->connections == 1 ? " connection" : " connections");
}

void top_put_head(struct buf *b, const struct sample *s, unsigned line, int width)
{
	const uint8_t *start = b->at;

	if (line == 0) {
		buf_put_lit(b, "chtd ");
		put_visible(b, str_of(s->version));
		buf_put_str(b, s->is_ready ? STR(", ready") : STR(", not ready"));
		buf_put_str(b, s->is_written ? STR("; ledger: ")
					     : STR("; the ledger is NOT WRITTEN: "));
		put_labelled(b, top_put_count, s->entries, " entries, ");
		put_labelled(b, top_put_rate, s->entries_rate, "/s");
	} else if (line == 1) {
		put_head_cells(b, s);
	} else {
		buf_put_lit(b, "frames ");
		put_labelled(b, top_put_rate, s->rates.received, "/s = ");
		put_labelled(b, top_put_rate, s->rates.stored, " stored + ");
		put_labelled(b, top_put_rate, s->rates.heartbeats, " heartbeats + ");
		put_labelled(b, top_put_rate, s->rates.refused, " refused + ");
		put_labelled(b, top_put_rate, s->rates.dropped, " lost");
	}
	cut(b, start, width);
}
