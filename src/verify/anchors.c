/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/anchors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "verify/kept.h"
#include "verify/walk.h"

void anchors_fault(struct verify_report *report, enum verify_fault fault, uint64_t index,
		   const char *detail)
{
	struct verify_finding f = { .fault = fault,
				    .at = { .part = VERIFY_IN_CHECKPOINT, .index = index } };

	(void)snprintf(f.detail, sizeof(f.detail), "%s", detail);
	finding_add(report, &f);
}

static void name_key(struct verify_report *report, const struct tlog_vkey *key,
		     enum verify_authority by)
{
	char *out = report->checkpoint.key;

	report->checkpoint.by = by;
	(void)snprintf(out, sizeof(report->checkpoint.key), "%s+%02x%02x%02x%02x", key->name,
		       key->id[0], key->id[1], key->id[2], key->id[3]);
}

/* Tries the caller's keys. How many are of this origin, in *n. */
static enum verify_note by_keys(struct anchors *a, const struct verify_checkpoint *c, size_t *n)
{
	enum verify_note answer = VERIFY_NOTE_ABSENT;
	const struct tlog_vkey *key;

	*n = 0;
	for (size_t i = 0; (key = trust_log(a->trust, i)) != NULL; i++) {
		enum verify_note one;
		bool is_own = str_eq(c->at.origin, str_of(key->name));

		*n += is_own;
		one = verify_note_signature(&c->note, key, NULL);
		if (one == VERIFY_NOTE_BROKEN)
			return one;
		if (one != VERIFY_NOTE_HOLDS || !is_own)
			continue;
		answer = one;
		a->key = *key;
		a->has_key = true;
	}
	return answer;
}

static enum verify_note by_hint(struct anchors *a, const struct source *source,
				const struct verify_checkpoint *c)
{
	struct tlog_vkey key;
	enum verify_note answer;

	if (source->hint.len == 0 || verify_vkey_read(source->hint, &key, NULL) < 0 ||
	    key.type != TLOG_ED25519)
		return VERIFY_NOTE_ABSENT;
	answer = verify_note_signature(&c->note, &key, NULL);
	if (answer == VERIFY_NOTE_HOLDS && !str_eq(c->at.origin, str_of(key.name)))
		answer = VERIFY_NOTE_ABSENT;
	if (answer == VERIFY_NOTE_HOLDS) {
		a->key = key;
		a->has_key = true;
	}
	return answer;
}

/* Whether the signature is to be believed, and on whose word. */
static bool judge_signature(struct anchors *a, const struct source *source,
			    const struct verify_checkpoint *c)
{
	struct verify_report *report = a->report;
	size_t n_keys;
	enum verify_note answer = by_keys(a, c, &n_keys);

	if (answer == VERIFY_NOTE_HOLDS) {
		name_key(report, &a->key, VERIFY_BY_KEY);
		return true;
	}
	if (answer == VERIFY_NOTE_ABSENT && n_keys > 0) {
		anchors_fault(report, VERIFY_OTHER_KEY, 0,
			      "the checkpoint bears no signature of the key that is trusted");
		return false;
	}
	if (answer == VERIFY_NOTE_ABSENT) {
		answer = by_hint(a, source, c);
		report->checkpoint.by = VERIFY_NO_KEY;
		if (answer == VERIFY_NOTE_HOLDS)
			name_key(report, &a->key, VERIFY_BY_HINT);
	}
	if (answer != VERIFY_NOTE_BROKEN)
		return true;
	report->checkpoint.by = VERIFY_NOT_SIGNED;
	anchors_fault(report, VERIFY_CHECKPOINT, 0, "the checkpoint's signature does not hold");
	return false;
}

void anchors_open(struct anchors *anchors, struct source *source, const struct verify_trust *trust,
		  struct verify_report *report)
{
	struct verify_signed *out = &report->checkpoint;
	struct verify_checkpoint c;
	struct cht_err why = { 0 };
	bool is_sound;

	*anchors = (struct anchors){ .trust = trust,
				     .report = report,
				     .kept = { .fd = -1 },
				     .good = UINT64_MAX,
				     .bad = UINT64_MAX };
	/* A ledger is read as far as it goes; the other forms are laid out by the size. */
	source->size = source->form == VERIFY_OF_LEDGER ? UINT64_MAX : 0;
	anchors->has_note = source->note.len > 0;
	if (!anchors->has_note)
		return;
	if (verify_checkpoint_read(source->note, NULL, &c, &why) < 0) {
		anchors_fault(report, VERIFY_CHECKPOINT, 0, why.text);
		return;
	}
	is_sound = judge_signature(anchors, source, &c);
	out->size = c.at.size;
	out->root = c.at.root;
	(void)snprintf(out->origin, sizeof(out->origin), "%.*s", (int)c.at.origin.len,
		       c.at.origin.ptr);
	if (is_sound || source->form != VERIFY_OF_LEDGER)
		source->size = c.at.size;
}

void anchors_close(struct anchors *anchors)
{
	free(anchors->list);
	kept_close(&anchors->kept);
}

/* Notes whether a signed root is that of the tree at its size. */
static void settle(struct anchors *a, uint64_t size, bool agrees, enum verify_part part,
		   uint64_t place)
{
	if (agrees) {
		a->report->anchors.compared++;
		if (a->good == UINT64_MAX || size > a->good)
			a->good = size;
	} else if (a->bad == UINT64_MAX || size < a->bad) {
		a->bad = size;
		a->bad_part = part;
		a->bad_at = place;
	}
}

static void compare(struct anchors *a, const struct fold *fold, const struct block *block,
		    struct anchor *one)
{
	struct tlog_hash root;

	if (!fold_root_at(fold, block, one->size, &root))
		return;
	one->is_compared = true;
	one->agrees = tlog_hash_eq(&root, &one->root);
	if (one->from != ANCHOR_NEWEST)
		settle(a, one->size, one->agrees, VERIFY_IN_CHECKPOINT, 0);
}

int anchors_pass(struct anchors *anchors, const struct fold *fold, const struct block *block,
		 struct cht_err *err)
{
	uint64_t last =
		block->first + (block->kind == BLOCK_SUBTREE ? UINT64_C(1) << block->k : block->n);
	struct kept *kept = &anchors->kept;
	int r = 0;

	if (anchors->has_receipt && block->kind != BLOCK_SUBTREE &&
	    anchors->receipt_index >= block->first && anchors->receipt_index < last) {
		anchors->leaf = block->leaf[anchors->receipt_index - block->first];
		anchors->leaf_is_seen = true;
	}
	/* What is due at the block's very end may wait for the next one, or for the end. */
	for (; anchors->next < anchors->n && anchors->list[anchors->next].size < last;
	     anchors->next++)
		compare(anchors, fold, block, &anchors->list[anchors->next]);
	while (r == 0 && kept->has_next && kept->size < last) {
		struct tlog_hash root;

		if (fold_root_at(fold, block, kept->size, &root))
			settle(anchors, kept->size, tlog_hash_eq(&root, &kept->root),
			       VERIFY_IN_HISTORY, kept->offset);
		r = kept_next(anchors, err);
	}
	return r;
}

static void check_receipt(struct anchors *a)
{
	struct tlog_hash root;

	if (!a->has_receipt || !a->leaf_is_seen)
		return;
	if (tlog_inclusion_root(a->receipt_index, a->receipt_size, &a->leaf, &a->proof, &root) ==
		    0 &&
	    tlog_hash_eq(&root, &a->receipt_root))
		return;
	anchors_fault(a->report, VERIFY_RECEIPT, a->receipt_index,
		      "the remembered proof does not lead from this entry to its root");
}

/* A tree larger than the present one was signed. What stands beside the ledger may be newer than
 * the checkpoint that was taken first. */
static void check_above(struct anchors *a, uint64_t size, bool may_grow)
{
	struct verify_report *report = a->report;
	uint64_t largest = 0;
	char detail[120];

	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].size > largest && (a->list[i].from == ANCHOR_SINCE || !may_grow))
			largest = a->list[i].size;
	if (largest <= size)
		return;
	if (report->form == VERIFY_OF_BUNDLE) {
		report->anchors.is_incomparable = true;
		return;
	}
	if (a->has_note)
		(void)snprintf(detail, sizeof(detail),
			       "a checkpoint of %" PRIu64
			       " entries is remembered, this one is of %" PRIu64,
			       largest, size);
	else
		(void)snprintf(detail, sizeof(detail),
			       "a checkpoint of %" PRIu64
			       " entries is remembered, and there is none any more",
			       largest);
	anchors_fault(report, VERIFY_ROLLED_BACK, size, detail);
}

/* What one tree that agrees is worth. One without entries agrees with every log. */
static void count_anchor(struct verify_anchors *out, const struct anchor *one)
{
	bool by_witness = one->n_witnesses > 0 && (!out->is_quorum_asked || one->is_met);

	if (one->size == 0)
		return;
	if (one->is_met && one->size >= out->quorum_size) {
		out->is_quorum_met = true;
		out->quorum_size = one->size;
	}
	if (one->from != ANCHOR_SINCE && !by_witness)
		return;
	out->is_anchored = true;
	if (one->size > out->size)
		out->size = one->size;
	if (by_witness && one->time_s > out->time_s)
		out->time_s = one->time_s;
	if (one->n_witnesses > out->n_witnesses)
		out->n_witnesses = one->n_witnesses;
}

static void sum_up(struct anchors *a)
{
	struct verify_anchors *out = &a->report->anchors;

	out->is_quorum_asked = a->trust->policy != NULL && a->trust->policy->quorum >= 0;
	for (size_t i = 0; i < a->n; i++) {
		const struct anchor *one = &a->list[i];

		if (!one->is_compared && one->from == ANCHOR_SINCE &&
		    one->size <= a->report->checkpoint.size)
			out->is_incomparable = true;
		if (one->is_compared && one->agrees)
			count_anchor(out, one);
	}
}

int anchors_end(struct anchors *anchors, const struct fold *fold, bool is_root_signed,
		bool may_grow, struct cht_err *err)
{
	struct block none = { .kind = BLOCK_HASHES, .first = fold->whole.size };
	int r = 0;

	for (; anchors->next < anchors->n && anchors->list[anchors->next].size <= fold->whole.size;
	     anchors->next++)
		compare(anchors, fold, &none, &anchors->list[anchors->next]);
	while (r == 0 && anchors->kept.has_next && anchors->kept.size <= fold->whole.size) {
		struct tlog_hash root;

		(void)fold_root_at(fold, &none, anchors->kept.size, &root);
		settle(anchors, anchors->kept.size, tlog_hash_eq(&root, &anchors->kept.root),
		       VERIFY_IN_HISTORY, anchors->kept.offset);
		r = kept_next(anchors, err);
	}
	if (r < 0)
		return r;
	/* Where the tree is not the signed one, what else does not agree follows from that. */
	if (is_root_signed && anchors->bad != UINT64_MAX)
		anchors_fault(anchors->report, VERIFY_FORKED, anchors->bad,
			      "another tree of this size was signed by the same key");
	if (is_root_signed)
		check_receipt(anchors);
	if (!anchors->has_note || anchors->report->checkpoint.by >= VERIFY_NO_KEY)
		check_above(anchors, anchors->report->checkpoint.size, may_grow);
	if (anchors->kept.has_next && is_root_signed && !may_grow &&
	    anchors->kept.size > anchors->report->above.state_size)
		kept_is_larger(anchors);
	sum_up(anchors);
	return 0;
}
