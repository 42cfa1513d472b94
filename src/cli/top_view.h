/* SPDX-License-Identifier: Apache-2.0
 *
 * top_view.h - a sample in, the lines of a table out: which cells come first, and how wide each
 * column is. Pure.
 */
#ifndef CLI_TOP_VIEW_H
#define CLI_TOP_VIEW_H

#include "base/buf.h"
#include "cli/sample.h"

enum top_sort {
	TOP_TROUBLE, /* silent without reason, then losing, then refusing, then busy */
	TOP_FRAMES,
	TOP_LOST,
	TOP_REFUSED,
	TOP_SILENCE,
	TOP_CONNECTIONS,
	TOP_CELL,
	TOP_N_SORTS
};
/* "trouble", "frames", ...: its first letter is its key. */
extern const char *const top_sorts[TOP_N_SORTS];

/* Puts pointers to the cells of s, in this order, into order, which has room for s->n. */
void top_order(const struct sample *s, enum top_sort by, const struct sample_cell **order);

/* Columns of a line of so many. */
struct top_layout {
	int width, cell, run; /* run 0: there is no room for it */
};
struct top_layout top_layout(const struct sample *s, int width);

/* Lines without their ends, cut to the width; b->full never where it has TOP_LINE_MAX. What chtd
 * says is made visible. */
enum { TOP_LINE_MAX = 2048, TOP_HEAD_LINES = 3 };
void top_put_head(struct buf *b, const struct sample *s, unsigned line, int width);
void top_put_columns(struct buf *b, const struct top_layout *l);
void top_put_cell(struct buf *b, const struct top_layout *l, const struct sample_cell *c);

/* "950", "12.3k", "4.5M": at most 5 characters; "-" for SAMPLE_NONE. */
void top_put_count(struct buf *b, uint64_t n);
/* Of tenths a second: "0.3", "950", "12.3k". */
void top_put_rate(struct buf *b, uint64_t tenths);
/* "12s", "5m10s", "3h02m", "9d": at most 6 characters. */
void top_put_time(struct buf *b, uint64_t ns);

#endif
