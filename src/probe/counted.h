/* SPDX-License-Identifier: Apache-2.0
 *
 * counted.h - the counters of a table's rules from reading to reading: which began anew, which are
 * gone, and what all have counted since the probe began. Of this module alone.
 */
#ifndef PROBE_COUNTED_H
#define PROBE_COUNTED_H

#include <cht/types.h>

/* Rules of one table that are known again. Of a table that has more, none is. */
enum { COUNTED_MAX = 256 };

struct counted_row {
	uint64_t handle, packets, bytes;
	uint64_t what; /* of its text: a rule that is replaced by another gives it its handle */
};

struct counted {
	struct counted_row rows[2][COUNTED_MAX]; /* of the last reading, and of the one under way */
	uint32_t n, now;                         /* rows[now][0..n) are of the last one */
	bool has_before;
	uint64_t table;          /* its handle; 0: not told */
	uint64_t packets, bytes; /* since the first reading began to count */
};

/* A reading under way: nothing in *of counts before it is taken. */
struct counting {
	struct counted *of;
	struct counted_row *rows;
	uint32_t n; /* COUNTED_MAX + 1: there are more */
};

struct counts {
	uint64_t replaced; /* rules of the reading before that are not there, or are others */
	uint64_t reset;    /* whose counter is smaller than then */
	uint64_t packets, bytes;
};

void counting_begin(struct counting *c, struct counted *of);
void counting_add(struct counting *c, const struct counted_row *row);
/* A number for a text: the same for the same one. */
uint64_t counting_what(struct cht_bytes text);
/* It is whole: what it says beside the one before. Handles are the table's own: in another table of
 * the same name, all are others. False: there are too many rules, and *out is as it was. */
bool counted_take(struct counted *of, const struct counting *c, uint64_t table,
		  struct counts *out) CHT_CHECKED;

#endif
