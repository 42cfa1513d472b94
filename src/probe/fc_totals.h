/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_totals.h - sums of what Firecracker's lines say was added, and what a last line says of the
 * VMM's end. Of this module alone.
 */
#ifndef PROBE_FC_TOTALS_H
#define PROBE_FC_TOTALS_H

#include "probe/fc_doc.h"

enum fc_total {
#define TOTAL(group, name, is_done) FC_TOTAL_##group##_##name,
#include "probe/fc_totals.def"
#undef TOTAL
	FC_N_TOTALS
};

struct fc_totals {
	uint64_t sum[FC_N_TOTALS]; /* of all lines; it stops at 2^64-1 */
};

/* What one line said besides. */
struct fc_line_facts {
	bool has_exits; /* it counts vCPU exits */
	bool is_done;   /* and they, or a queue's work, grew */
	uint32_t fatal; /* bits, for fc_fatal_put: why the VMM is about to end */
};

/* Adds all of a line. CHT_E_PARSE: one of the counters is no whole number, or its group no object:
 * then nothing was added, and *which names it ("vsock.tx_bytes_count"; static). What a line does
 * not have is 0. */
int fc_totals_add(struct fc_totals *totals, const struct fc_doc *doc, struct fc_line_facts *facts,
		  const char **which) CHT_CHECKED;
/* Writes the sums that are above 0, as one object. */
void fc_totals_put(struct buf *b, const struct fc_totals *totals);
/* Writes the names of what ended the VMM, as an array. */
void fc_fatal_put(struct buf *b, uint32_t fatal);
/* "vsock.tx_bytes_count"; static. For tests too. */
const char *fc_total_name(enum fc_total total);

#endif
