/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_line.h - one event as one line for people: when, which cell, what, who and with what.
 */
#ifndef CLI_TAIL_LINE_H
#define CLI_TAIL_LINE_H

#include <cht/types.h>

#include "event/event.h"

/* What a line takes over from those before it. Zero-initialise. */
struct tail_lines {
	char date[11];
	size_t cell_width;
};

/* Takes an entry, in its envelope or not, apart. False: it is no event that event_scan takes. */
bool tail_scan(struct cht_bytes entry, struct event_view *out);

/* Writes the line; before it, one with the date when that is another than before. */
void tail_put_line(struct tail_lines *lines, const struct event_view *event);

/* What an event is called for short, and what is shown of it: visible text, a blank before each
 * thing. */
struct cht_str tail_name(const struct event_view *event);
void tail_put_facts(struct buf *b, const struct event_view *event);

/* The line for an entry that tail_scan does not take. */
void tail_put_unreadable(struct cht_bytes entry, uint64_t index);

#endif
