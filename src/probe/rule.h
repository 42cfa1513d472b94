/* SPDX-License-Identifier: Apache-2.0
 *
 * rule.h - a rule of nf_tables as the kernel tells of it: its counter, and its expressions as text
 * (docs/EVENTS.md, host.nftables). Of this module alone.
 */
#ifndef PROBE_RULE_H
#define PROBE_RULE_H

#include "base/buf.h"
#include "probe/nl.h"

enum { RULE_REPR_MAX = 1024 };

struct rule {
	struct cht_str table, chain;
	uint64_t handle, packets, bytes;
	struct cht_bytes expressions;
};

enum rule_told {
	RULE_NOT,      /* it is no rule of this table */
	RULE_COUNTS,   /* *out is it */
	RULE_NO_COUNT, /* it has no counter of its own */
	RULE_STRANGE   /* it is a rule, and cannot be read */
};

/* Whether a message is a table's, and its handle; 0: the kernel does not tell. */
bool table_read(const struct nl_message *m, struct cht_str table, uint64_t *handle);
/* Views in *out are into m. The family is that of what was asked for. */
enum rule_told rule_read(const struct nl_message *m, struct cht_str table, struct rule *out);
/* Its expressions in their order: what fits RULE_REPR_MAX bytes, then "...". Plain ASCII. */
void rule_put_repr(struct buf *b, const struct rule *rule);

#endif
