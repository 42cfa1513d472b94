/* SPDX-License-Identifier: Apache-2.0
 *
 * A proof that does not hold is not given out: the root that entry and proof lead to is computed as
 * a verifier does it, and the checkpoint's signature was looked at when the ledger was opened.
 */
#include <inttypes.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/newfile.h"

enum { OPT_OUT };

static int prove(struct follow *f, const char *what, struct buf *receipt, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	struct tlog_proof proof;
	struct cht_bytes entry;
	struct tlog_hash leaf, root;
	uint64_t index;
	int r = locate(f, what, &entry, err);

	if (r < 0)
		return r;
	index = f->reader.next - 1;
	if (f->is_faulty)
		return cht_fail(err, CHT_E_STATE, 0, "no proof");
	tlog_leaf(entry, &leaf);
	r = tlog_inclusion_prove(&hashes, index, f->view.size, &proof);
	if (r < 0) {
		*err = f->view.hashes_err;
		return r;
	}
	r = tlog_inclusion_root(index, f->view.size, &leaf, &proof, &root);
	if (r < 0 || !tlog_hash_eq(&root, &f->view.root))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: hashes/ gives no proof of entry %" PRIu64, index);
	tlog_receipt_put(receipt, index, &proof,
			 (struct cht_str){ f->view.note, f->view.note_len });
	return receipt->full ? cht_fail(err, CHT_E_RANGE, 0, "the proof is too long") : 0;
}

static int give_out(struct cht_bytes receipt, const char *out, struct cht_err *err)
{
	static struct newfile file;
	int r;

	if (out == NULL) {
		cli_put(receipt.ptr, receipt.len);
		return 0;
	}
	r = newfile_begin(&file, out, err);
	if (r == 0)
		newfile_put(&file, receipt.ptr, receipt.len);
	return newfile_end(&file, r, err);
}

static int run(const char *dir, const char *what, const char *out)
{
	static uint8_t mem[2 * TLOG_NOTE_MAX_BYTES];
	struct buf receipt = buf_init(mem, sizeof(mem));
	static struct follow f;
	struct cht_err err = { 0 };
	int r = follow_open(&f, dir, false, &err);

	if (r == 0)
		r = prove(&f, what, &receipt, &err);
	if (r == 0)
		r = give_out(buf_bytes(&receipt), out, &err);
	follow_close(&f);
	return follow_status(&f, r, &err);
}

int cmd_prove(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_OUT] = { "out", 'o', true },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	const char *operands[2] = { NULL, NULL }, *out = NULL;
	unsigned n = 0;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		if (o == OPT_OUT) {
			out = args.value;
		} else {
			if (n < 2)
				operands[n] = args.value;
			n++;
		}
	if (args.status < 0 && n != 2)
		(void)cli_usage_error(&args, "it needs a directory, and an index or an event's id");
	if (args.status >= 0)
		return args.status;
	return run(operands[0], operands[1], out);
}
