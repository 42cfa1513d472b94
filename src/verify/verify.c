/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass. Blocks of entries are looked at by several threads (crew.c, look.c), then, in order,
 * folded into the tree (fold.c), held against what was signed before (anchors.c), and taken as
 * events of runs (walk.c). What cannot be read as an event shows again as the hole that it leaves.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "verify/anchors.h"
#include "verify/crew.h"
#include "verify/judge.h"

enum { PROGRESS_BLOCKS = 16, TRIES = 3 };

struct pass {
	struct source *source;
	struct crew *crew;
	struct fold fold;
	struct anchors anchors;
	struct walk walk;
	struct verify_report *report;
	uint64_t n_blocks;
	bool is_shown; /* an entry came: what is left out from here on is no head */
	int end;       /* how the source ended, and why */
	struct cht_err why;
};

static void count_signer(struct verify_report *report, const struct envelope_view *envelope,
			 bool is_known)
{
	bool is_hmac = str_eq(envelope->algorithm, STR("hmac-sha256"));
	struct verify_signer *s = report->signers;
	size_t i = 0, listed = report->n_signers;

	if (listed > VERIFY_LISTED_MAX)
		listed = VERIFY_LISTED_MAX;
	while (i < listed && !(s[i].is_hmac == is_hmac && s[i].is_known == is_known &&
			       str_eq(str_of(s[i].kid), envelope->kid)))
		i++;
	if (i == listed) {
		if (listed == VERIFY_LISTED_MAX || envelope->kid.len > VERIFY_KID_MAX) {
			report->n_signers = VERIFY_LISTED_MAX + 1;
			return;
		}
		s[i] = (struct verify_signer){ .is_hmac = is_hmac, .is_known = is_known };
		memcpy(s[i].kid, envelope->kid.ptr, envelope->kid.len);
		report->n_signers++;
	}
	s[i].entries++;
}

static void check_signature(struct walk *walk, const struct seen *seen, struct cht_bytes entry)
{
	const struct envelope_view *envelope = &seen->envelope;
	struct verify_report *report = walk->report;
	enum trust_answer answer = (enum trust_answer)seen->answer;
	size_t signature_end = (size_t)(envelope->signature.ptr + envelope->signature.len -
					(const char *)entry.ptr);

	switch (answer) {
	case TRUST_HOLDS: report->authenticated++; break;
	case TRUST_UNKNOWN_KEY: report->unknown_key++; break;
	case TRUST_WRONG_ALGORITHM:
		walk_fault(walk, VERIFY_WRONG_ALGORITHM,
			   (size_t)(envelope->algorithm.ptr - (const char *)entry.ptr), NULL,
			   "key %.*s is not for %.*s", (int)envelope->kid.len, envelope->kid.ptr,
			   (int)envelope->algorithm.len, envelope->algorithm.ptr);
		break;
	case TRUST_BROKEN:
		walk_fault(walk, VERIFY_BAD_SIGNATURE, 0, NULL,
			   "the signature of key %.*s does not hold", (int)envelope->kid.len,
			   envelope->kid.ptr);
		break;
	}
	if (seen->is_extended)
		walk_fault(walk, VERIFY_UNCOVERED, signature_end + 1, NULL,
			   "members after the signature");
	if (answer == TRUST_HOLDS || answer == TRUST_UNKNOWN_KEY)
		count_signer(report, envelope, answer == TRUST_HOLDS);
}

static void note_times(struct verify_report *report, struct cht_str time)
{
	if (time.len == 0 || time.len > RFC3339_NS_LEN)
		return;
	if (report->first_time[0] == '\0')
		memcpy(report->first_time, time.ptr, time.len);
	memset(report->last_time, 0, sizeof(report->last_time));
	memcpy(report->last_time, time.ptr, time.len);
}

static int walk_entry(struct walk *walk, struct cht_bytes entry, const struct seen *seen,
		      struct cht_err *err)
{
	if (!seen->is_envelope) {
		if (walk->report->unsigned_entries++ == 0)
			walk->first_unsigned = walk->at;
	} else if (seen->envelope.signature.ptr != NULL) {
		check_signature(walk, seen, entry);
	}
	if (!seen->is_event) {
		walk_fault(walk, VERIFY_NOT_AN_EVENT, seen->bad_at, NULL,
			   seen->is_envelope && seen->envelope.signature.ptr == NULL
				   ? "no envelope as we write it"
				   : "no event as we write it");
		return 0;
	}
	note_times(walk->report, seen->event.time);
	return walk_event(walk, &seen->event, err);
}

/* Entries of which only hashes are there. */
static void leave_out(struct pass *p, const struct block *block)
{
	uint64_t n = block->kind == BLOCK_SUBTREE ? UINT64_C(1) << block->k : block->n;
	struct verify_finding f = {
		.fault = VERIFY_MISSING,
		.at = { .part = p->source->place.part, .index = block->first, .n = n },
		.detail = "only their hash is there"
	};

	p->report->left_out += n;
	if (!p->is_shown)
		p->walk.shown_from = block->first + n;
	else if (p->walk.only_run == NULL)
		finding_add(p->report, &f);
}

static void give_out(const struct verify_options *options, const struct block *block, unsigned i,
		     struct cht_bytes entry)
{
	const struct verify_event event = { .index = block->first + i,
					    .entry = entry,
					    .leaf = &block->leaf[i],
					    .event = &block->seen[i].event };

	if (options->on_event != NULL)
		options->on_event(options->on_event_context, &event);
}

static int walk_block(struct pass *p, const struct block *block, struct cht_err *err)
{
	struct verify_report *report = p->report;
	int r = 0;

	if (!p->is_shown)
		report->first_index = block->first;
	p->is_shown = true;
	for (unsigned i = 0; r == 0 && i < block->n; i++) {
		const struct block_item *item = &block->item[i];
		struct cht_bytes entry = { block->bytes + item->at, item->len };

		report->entries++;
		report->bytes += item->len;
		p->walk.at = (struct verify_place){ .part = p->source->place.part,
						    .index = block->first + i,
						    .file_first = block->file_first,
						    .file_offset = item->offset };
		if (!report->by_hash_alone)
			r = walk_entry(&p->walk, entry, &block->seen[i], err);
		if (r == 0 && !report->by_hash_alone && block->seen[i].is_event)
			give_out(p->walk.options, block, i, entry);
		else if (p->walk.shown_from > 0)
			log_pruned(&p->walk, entry);
	}
	return r;
}

static int take_block(struct pass *p, const struct block *block, struct cht_err *err)
{
	const struct verify_options *options = p->walk.options;
	uint64_t size = p->source->size;
	int r = anchors_pass(&p->anchors, &p->fold, block, err);

	if (r == 0)
		r = fold_block(&p->fold, block, err);
	if (r < 0)
		return r;
	if (block->kind != BLOCK_ENTRIES)
		leave_out(p, block);
	else
		r = walk_block(p, block, err);
	if (options->progress != NULL && ++p->n_blocks % PROGRESS_BLOCKS == 0)
		options->progress(options->context, p->fold.whole.size,
				  size == UINT64_MAX ? 0 : size);
	return r;
}

/* All that the source gives, in order. */
static int take_all(struct pass *p, struct cht_err *err)
{
	bool more = true;

	for (;;) {
		struct block *block;
		int r;

		while (more && (block = crew_vacant(p->crew)) != NULL) {
			p->end = p->source->ops->next(p->source, block, &p->why);
			more = p->end == 1;
			if (more)
				crew_submit(p->crew);
		}
		block = crew_take(p->crew);
		if (block == NULL)
			break;
		r = take_block(p, block, err);
		crew_release(p->crew);
		if (r < 0)
			return r;
	}
	if (p->end < 0 && p->end != CHT_E_STATE && err != NULL)
		*err = p->why;
	return p->end == CHT_E_STATE ? 0 : p->end;
}

/* What the source itself could not read on from. */
static void add_broken(struct pass *p)
{
	struct verify_finding f = { .fault = p->source->fault, .at = p->source->place };

	(void)snprintf(f.detail, sizeof(f.detail), "%s", p->why.text);
	finding_add(p->report, &f);
}

/* Entries are as they were signed, and some stored hash is not theirs. */
static void add_hashes(struct pass *p)
{
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		const struct fold_diff *diff = &p->fold.diff[level];
		unsigned shift = level * TLOG_TILE_BITS;
		struct verify_finding f = { .fault = VERIFY_HASHES,
					    .at = { .part = VERIFY_IN_HASHES,
						    .index = diff->index << shift,
						    .n = UINT64_C(1) << shift,
						    .file_first = level,
						    .file_offset =
							    diff->index * TLOG_HASH_BYTES } };

		if (!diff->any)
			continue;
		if (p->source->form == VERIFY_OF_TILES)
			f.at.file_offset %= (uint64_t)TLOG_TILE_WIDTH * TLOG_HASH_BYTES;
		(void)snprintf(f.detail, sizeof(f.detail), "hash %" PRIu64 " of level %u %s%s",
			       diff->index, level,
			       diff->is_missing ? "is not there" : "is not that of its entries",
			       diff->is_missing && p->source->form == VERIFY_OF_TILES
				       ? ", or its tile is not as long as it must be"
				       : "");
		finding_add(p->report, &f);
	}
}

/* Holds the tree against the root that is signed. *is_signed: they agree. */
static int check_root(struct pass *p, bool *is_signed, struct cht_err *err)
{
	const struct verify_signed *own = &p->report->checkpoint;
	struct verify_finding f;
	struct tlog_hash root;
	int r;

	*is_signed = false;
	if (own->by == VERIFY_NOT_SIGNED || p->source->size == UINT64_MAX) {
		if (p->end == CHT_E_STATE)
			add_broken(p);
		else
			add_hashes(p);
		return 0;
	}
	tlog_tree_root(&p->fold.whole, &root);
	*is_signed = p->fold.whole.size == own->size && tlog_hash_eq(&root, &own->root);
	if (*is_signed) {
		add_hashes(p);
		if (p->end == CHT_E_STATE) /* behind the last entry, in a bundle */
			add_broken(p);
		return 0;
	}
	/* Where entries stop without one that is wrong, the source knows best what ends there. */
	if (p->end == CHT_E_STATE && !p->fold.diff[0].any) {
		add_broken(p);
		return 0;
	}
	r = blame_root(&p->fold, own, p->anchors.good, p->anchors.bad, &f, err);
	if (r == 0)
		finding_add(p->report, &f);
	return r;
}

static int end(struct pass *p, struct cht_err *err)
{
	struct verify_report *report = p->report;
	const struct verify_above *above = &report->above;
	bool is_signed;
	int r = 0;

	walk_end(&p->walk);
	if (p->end == 0 && p->source->ops->above != NULL && p->source->size != UINT64_MAX)
		r = p->source->ops->above(p->source, &report->above, err);
	if (r == 0)
		r = check_root(p, &is_signed, err);
	if (r == 0)
		r = anchors_end(&p->anchors, &p->fold, is_signed,
				above->is_in_use || above->has_newer, err);
	if (r < 0)
		return r;
	judge(&p->walk, p->walk.options->run_id);
	return 0;
}

/* 1: entries were pruned as we read, so that it must be begun anew. */
static int verify_source(struct pass *p, const struct verify_trust *trust,
			 const struct verify_options *options, struct cht_err *err)
{
	int r;

	p->fold.source = p->source;
	p->report->form = p->source->form;
	p->report->by_hash_alone = options->by_hash_alone;
	anchors_open(&p->anchors, p->source, trust, p->report);
	r = anchors_load(&p->anchors, p->source, options->since, err);
	if (r == 0)
		r = crew_open(&p->crew, options->jobs, trust, options->by_hash_alone, err);
	if (r == 0)
		r = take_all(p, err);
	if (r == 0 && p->source->is_pruned_meanwhile)
		r = 1;
	if (r == 0)
		r = end(p, err);
	crew_close(p->crew);
	anchors_close(&p->anchors);
	return r;
}

static int try_once(const char *path, const struct verify_trust *trust,
		    const struct verify_options *options, struct verify_report *report,
		    struct cht_err *err)
{
	struct verify_options own = *options;
	struct pass p = { .report = report };
	int r = source_open(&p.source, path, err);

	if (r < 0)
		return r;
	*report = (struct verify_report){ 0 };
	if (p.source->run_id != NULL) {
		memcpy(report->bundle_run, p.source->run_id, strlen(p.source->run_id));
		p.walk.only_run = report->bundle_run;
		if (own.run_id == NULL)
			own.run_id = report->bundle_run;
	}
	p.walk.trust = trust;
	p.walk.options = &own;
	p.walk.report = report;
	r = run_table_init(&p.walk.runs, err);
	if (r == 0)
		r = verify_source(&p, trust, &own, err);
	run_table_fini(&p.walk.runs);
	source_close(p.source);
	return r;
}

int verify_path(const char *path, const struct verify_trust *trust,
		const struct verify_options *options, struct verify_report *report,
		struct cht_err *err)
{
	int r = 1;

	for (int i = 0; r == 1 && i < TRIES; i++)
		r = try_once(path, trust, options, report, err);
	return r == 1 ? cht_fail(err, CHT_E_IO, 0, "%s is pruned faster than it can be read", path)
		      : r;
}
