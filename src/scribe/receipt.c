/* SPDX-License-Identifier: Apache-2.0 */
/* A receipt is made as any reader would make it, from what stands in the ledger's directory: of the
 * newest checkpoint that is there to be seen, whatever is under way. */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "scribe/scribe.h"

static int look(struct scribe *scribe, struct cht_err *err)
{
	int r;

	if (scribe->has_view) {
		r = ledger_view_refresh(&scribe->view, err);
		return r < 0 ? r : 0;
	}
	r = ledger_view_open(&scribe->view, scribe->state, err);
	if (r < 0)
		ledger_view_close(&scribe->view);
	scribe->has_view = r == 0;
	return r;
}

/* Not one that does not hold: where it leads is computed as its reader will. */
static int prove(struct scribe *scribe, uint64_t index, struct buf *b, struct cht_err *err)
{
	struct ledger_view *view = &scribe->view;
	struct tlog_source hashes = ledger_view_hashes(view);
	struct tlog_hash leaf, root;
	struct tlog_proof proof;
	int r = tlog_inclusion_prove(&hashes, index, view->size, &proof);

	if (r == 0)
		r = hashes.read(hashes.context, 0, index, 1, &leaf);
	if (r < 0) {
		*err = view->hashes_err;
		return r;
	}
	r = tlog_inclusion_root(index, view->size, &leaf, &proof, &root);
	if (r < 0 || !tlog_hash_eq(&root, &view->root))
		return cht_fail(err, CHT_E_STATE, 0, "hashes/ gives no proof of it");
	tlog_receipt_put(b, index, &proof, (struct cht_str){ view->note, view->note_len });
	return b->full ? cht_fail(err, CHT_E_RANGE, 0, "it is too long") : 0;
}

int receipt_give(struct scribe *scribe, uint64_t index, struct cht_err *err)
{
	struct handoff_msg msg = { .kind = HANDOFF_RECEIPT, .receipt = { .index = index } };
	struct buf b = buf_init(msg.receipt.text, HANDOFF_RECEIPT_MAX);
	struct cht_err why = { 0 };
	int r;

	if (index >= scribe->ledger.state.tree.size)
		return cht_fail(err, CHT_E_PEER, 0,
				"the line asked for a receipt of what is not stored");
	r = look(scribe, &why);
	if (r == 0 && index >= scribe->view.size)
		r = cht_fail(&why, CHT_E_STATE, 0, "the checkpoint does not cover it");
	if (r == 0)
		r = prove(scribe, index, &b, &why);
	if (r < 0) {
		diag(DIAG_WARNING, "no receipt of entry %" PRIu64 ": %s", index, why.text);
		b = buf_init(msg.receipt.text, HANDOFF_RECEIPT_MAX);
	}
	*b.at = '\0';
	r = handoff_send(scribe->line_fd, &msg, NULL, 0, &why);
	if (r == CHT_E_PEER)
		return 0; /* that it is gone is heard elsewhere */
	return r < 0 ? cht_fail(err, CHT_E_PEER, 0, "the line does not take its receipts") : 0;
}
