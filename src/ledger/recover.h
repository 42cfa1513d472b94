/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.h - internal: what stands above the state (docs/PROTOCOL.ledger section 6).
 */
#ifndef LEDGER_RECOVER_H
#define LEDGER_RECOVER_H

#include "ledger/ledger.h"
#include "ledger/segment.h"

/* Where the entries to keep end, and what stands behind. */
struct recover_end {
	struct tlog_tree tree; /* with every entry that is kept */
	uint64_t first, bytes; /* segment of the end, and how far into it */
	uint64_t cut_bytes;    /* of entries behind it, in all segments */
	bool has_extra;        /* a segment, or any byte of an entry or hash, above the state */
};

/* Looks, and touches nothing: walks from the covered end as far as entries are whole and hashed.
 * The descriptors of ledger are open. list: the segments there are. CHT_E_NOMEM, CHT_E_IO. */
int recover_look(struct ledger *ledger, const struct segment_list *list, struct recover_end *out,
		 struct cht_err *err) CHT_CHECKED;

/* Cuts everything behind *end, brings the upper levels up to it, and makes durable what is kept.
 * CHT_E_FULL, CHT_E_IO. */
int recover_settle(struct ledger *ledger, const struct segment_list *list,
		   const struct recover_end *end, struct cht_err *err) CHT_CHECKED;

#endif
