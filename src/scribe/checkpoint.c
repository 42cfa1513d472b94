/* SPDX-License-Identifier: Apache-2.0
 *
 * The only thing beside events that is ever signed: a checkpoint over the scribe's own origin, size
 * and root. Ed25519 signatures of one text by one key are all the same, so that signing once more
 * and comparing tells whether a note is ours, and nothing here needs to verify.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "scribe/scribe.h"

/* text, blank line, our signature line. */
static int sign_text(const struct scribe *scribe, struct buf *note, struct cht_str text,
		     struct cht_err *err)
{
	uint8_t signature[SIGN_LOG_SIGNATURE_BYTES];
	int r = sign_log_key_sign(scribe->log_key,
				  (struct cht_bytes){ (const uint8_t *)text.ptr, text.len },
				  signature);

	if (r < 0)
		return cht_fail(err, r, 0, "sign a checkpoint");
	buf_put_str(note, text);
	buf_put_byte(note, '\n');
	tlog_note_put_signature(note, &scribe->ledger.key, signature, sizeof(signature));
	if (note->full)
		return cht_fail(err, CHT_E_RANGE, 0, "a checkpoint is too long");
	return 0;
}

int checkpoint_compose(const struct scribe *scribe, char out[LEDGER_NOTE_MAX + 1],
		       struct cht_err *err)
{
	uint8_t mem[LEDGER_NOTE_MAX];
	struct buf text = buf_init(mem, sizeof(mem)), note = buf_init(out, LEDGER_NOTE_MAX);
	const struct tlog_tree *tree = &scribe->ledger.extent.tree;
	struct tlog_hash root;
	int r;

	tlog_tree_root(tree, &root);
	tlog_checkpoint_put(&text, str_of(scribe->ledger.origin), tree->size, &root);
	r = sign_text(scribe, &note, (struct cht_str){ (const char *)mem, buf_len(&text) }, err);
	if (r < 0)
		return r;
	out[buf_len(&note)] = '\0';
	return 0;
}

bool checkpoint_is_ours(void *context, struct cht_str note)
{
	const struct scribe *scribe = context;
	uint8_t mem[LEDGER_NOTE_MAX];
	struct buf again = buf_init(mem, sizeof(mem));
	struct tlog_note parts;

	if (tlog_note_read(note, &parts, NULL) < 0 ||
	    sign_text(scribe, &again, parts.text, NULL) < 0)
		return false;
	return str_eq((struct cht_str){ (const char *)mem, buf_len(&again) }, note);
}
