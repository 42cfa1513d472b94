/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a receipt: refused within the input, or written again byte for byte (an extra line
 * is not ours to write). A proof of any length for any index and size is judged and no more.
 */
#include "tlog_text.h"

enum { RECEIPT_MAX = 1 << 20 };

static uint8_t mem[RECEIPT_MAX];

/* Index and proof of a receipt against sizes near it. */
static void check_proof(const struct tlog_receipt *receipt)
{
	const struct tlog_hash *leaf = &receipt->proof.hash[0];
	struct tlog_hash root;
	uint64_t size = receipt->index;

	for (unsigned i = 0; i < 3; i++, size++) {
		int r = tlog_inclusion_root(receipt->index, size, leaf, &receipt->proof, &root);

		HOLDS(r == CHT_E_VERIFY || (r == 0 && receipt->index < size));
		r = tlog_consistency_check(receipt->index, size, leaf, leaf, &receipt->proof);
		HOLDS(r == CHT_E_VERIFY || (r == 0 && receipt->proof.n == 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cht_str all = { (const char *)bytes, len };
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_receipt receipt = { 0 };
	size_t at = SIZE_MAX;

	if (len > sizeof(mem))
		return 0;
	if (tlog_receipt_read(all, &receipt, &at) < 0) {
		HOLDS(at <= len);
		return 0;
	}
	within(all, receipt.extra);
	within(all, receipt.note);
	HOLDS(receipt.proof.n <= TLOG_PROOF_MAX && receipt.index < TLOG_SIZE_MAX);
	HOLDS(receipt.note.len > 0);
	if (receipt.proof.n > 0)
		check_proof(&receipt);
	if (receipt.extra.len > 0)
		return 0;
	tlog_receipt_put(&b, receipt.index, &receipt.proof, receipt.note);
	same_text(&b, all);
	return 0;
}
