/* SPDX-License-Identifier: Apache-2.0
 *
 * anchors.h - the checkpoint that is verified, on whose word it is believed, and what else was
 * signed of the same log: kept, remembered and cosigned checkpoints, each held against the tree as
 * it grows past its size; private to src/verify.
 */
#ifndef VERIFY_ANCHORS_H
#define VERIFY_ANCHORS_H

#include "verify/fold.h"
#include "verify/trust.h"

enum {
	ANCHORS_SINCE_MAX = 1024, /* checkpoints in one file */
	ANCHORS_COSIGNED_MAX = 64,
	ANCHORS_TEXT_MAX = 1 << 20,
};

enum anchor_from { ANCHOR_NEWEST, ANCHOR_SINCE, ANCHOR_COSIGNED };

/* One signed tree. */
struct anchor {
	enum anchor_from from;
	bool is_compared, agrees;
	bool is_met;          /* the policy's quorum, by its cosignatures */
	unsigned n_witnesses; /* whose cosignatures hold */
	uint64_t size, time_s;
	struct tlog_hash root;
};

/* The kept checkpoints, read one by one as they grow. */
struct kept {
	char *text; /* a window of the file */
	size_t at, len;
	int fd;
	uint64_t offset; /* in the file, of text[at] */
	bool has_next, is_over;
	size_t whole;  /* bytes of the next one, with the empty line behind it */
	uint64_t size; /* of the next one, or the last */
	struct tlog_hash root;
};

struct anchors {
	const struct verify_trust *trust;
	struct verify_report *report;
	bool has_note;        /* there is a newest checkpoint, or something in its place */
	struct tlog_vkey key; /* that signed it */
	bool has_key;
	struct anchor *list; /* by size */
	size_t n, next;
	struct kept kept;
	uint64_t good, bad,
		bad_at; /* largest size that agrees; smallest that does not, its place */
	enum verify_part bad_part;
	/* A remembered proof of one entry. */
	bool has_receipt, leaf_is_seen;
	struct tlog_hash leaf, receipt_root;
	struct tlog_proof proof;
	uint64_t receipt_index, receipt_size;
};

/* Fills report->checkpoint, adds what is wrong with it to the findings, and sets source->size. */
void anchors_open(struct anchors *anchors, struct source *source, const struct verify_trust *trust,
		  struct verify_report *report);
/* remembered.c: takes the remembered checkpoints from a file (null: none), and those that stand
 * beside the ledger. CHT_E_VERIFY, CHT_E_PARSE: the file's are not of this log; CHT_E_IO,
 * CHT_E_NOMEM. */
int anchors_load(struct anchors *anchors, const struct source *source, const char *since,
		 struct cht_err *err) CHT_CHECKED;
void anchors_close(struct anchors *anchors);

/* Before fold_block of the same block: compares what is due within it. CHT_E_IO. */
int anchors_pass(struct anchors *anchors, const struct fold *fold, const struct block *block,
		 struct cht_err *err) CHT_CHECKED;
/* At the end: fills report->anchors, adds findings. is_root_signed: the tree is the one that the
 * newest checkpoint signs; may_grow: the log goes on as we read. CHT_E_IO. */
int anchors_end(struct anchors *anchors, const struct fold *fold, bool is_root_signed,
		bool may_grow, struct cht_err *err) CHT_CHECKED;

/* A finding about the log as a whole. */
void anchors_fault(struct verify_report *report, enum verify_fault fault, uint64_t index,
		   const char *detail);

/* The first note of *rest, which moves on behind it and the empty line that parts it from the next.
 * False: no whole note is left. */
bool notes_next(struct cht_str *rest, struct cht_str *note);

#endif
