/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage comes before doubt, doubt before loss.
 */
#include "verify/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

/* Unsigned entries are doubt where all are so and nobody signed the tree, and damage where others
 * are signed. */
static void judge_unsigned(struct walk *walk)
{
	struct verify_report *report = walk->report;
	uint64_t n = report->unsigned_entries;
	bool is_mixed = n < report->entries;
	struct verify_finding f = { .fault = is_mixed ? VERIFY_STRIPPED : VERIFY_UNSIGNED,
				    .at = walk->first_unsigned,
				    .detail = "no envelope" };

	if (report->by_hash_alone || n == 0 || (!is_mixed && !walk->options->require_signed))
		return;
	finding_add(report, &f);
	report->n_findings += n - 1;
}

/* Entries may be missing below what was declared pruned, and from a bundle of one run. */
static void judge_left_out(struct walk *walk)
{
	struct verify_report *report = walk->report;
	bool is_declared = walk->shown_from <= report->pruned_below;
	struct verify_finding f = { .fault = VERIFY_HEAD_MISSING, .at.n = walk->shown_from };

	if (walk->shown_from == 0 || is_declared)
		return;
	if (walk->only_run != NULL &&
	    (report->run.losses[VERIFY_LOSS_PRUNED] == 0 || walk->cut_first < report->pruned_below))
		return;
	f.at.part = report->form == VERIFY_OF_BUNDLE ? VERIFY_IN_BUNDLE : VERIFY_IN_ENTRIES;
	(void)snprintf(f.detail, sizeof(f.detail), "the first entry is number %" PRIu64,
		       walk->shown_from);
	finding_add(report, &f);
}

/* What stands above the checkpoint of a ledger that nobody writes to. Null, or why nobody can
 * tell. */
static const char *judge_above(struct verify_report *report)
{
	const struct verify_above *above = &report->above;
	bool had_stopped = above->end == VERIFY_END_CLEAN ||
			   (above->end == VERIFY_END_UNKNOWN && report->host_starts > 0 &&
			    !report->host_runs_on);
	struct verify_finding f = { .fault = VERIFY_APPENDED,
				    .at = { .part = VERIFY_IN_CHECKPOINT,
					    .index = report->checkpoint.size,
					    .n = above->entries } };

	if (report->checkpoint.by == VERIFY_NOT_SIGNED || above->is_in_use || above->has_newer ||
	    (above->bytes == 0 && !above->has_hashes))
		return NULL;
	if (!had_stopped)
		return "entries stand above the checkpoint, left by an unclean stop or put there "
		       "since: nothing vouches for them";
	(void)snprintf(f.detail, sizeof(f.detail),
		       "%" PRIu64
		       " bytes of entries%s above the checkpoint, and the host had stopped",
		       above->bytes, above->has_hashes ? " and some of hashes" : "");
	finding_add(report, &f);
	return NULL;
}

static const char *why_not_authentic(const struct verify_report *report)
{
	switch (report->checkpoint.by) {
	case VERIFY_NOT_SIGNED: return "there is no signed checkpoint";
	case VERIFY_NO_KEY:
	case VERIFY_BY_HINT:
		return "consistent, signer not authenticated: no verifier key of this log was "
		       "given "
		       "(--vkey, --policy)";
	case VERIFY_BY_KEY: break;
	}
	if (report->anchors.is_quorum_asked && !report->anchors.is_quorum_met)
		return "the policy's quorum of witnesses is not met by any checkpoint";
	if (report->anchors.is_incomparable)
		return "the remembered checkpoint cannot be compared with a bundle that leaves so "
		       "much out, or is older";
	if (report->anchors.is_fresh_asked && !report->anchors.is_fresh)
		return "it is older than was asked for, or of a time to come: what came since may "
		       "have been cut off";
	return NULL;
}

/* Of other runs than its own a bundle may leave out what it likes. */
static bool is_of_other_run(const struct walk *walk, const char *run_id)
{
	return walk->only_run != NULL && run_id != NULL && strcmp(walk->only_run, run_id) != 0;
}

static const char *why_unknown(struct walk *walk, const char *run_id, size_t n_keys)
{
	const struct verify_report *report = walk->report;
	bool by_key = report->checkpoint.by == VERIFY_BY_KEY;

	if (report->entries == 0)
		return "there are no entries";
	if (report->by_hash_alone)
		return NULL;
	if (report->unsigned_entries > 0 && !by_key)
		return "the entries are not signed: anybody could have written them";
	if (report->unknown_key > 0 && n_keys > 0)
		return "there is no key for some signatures";
	if (report->unknown_key > 0 && !by_key)
		return "no key was given to check the signatures with";
	if (report->unnumbered > 0)
		return "some events have no sequence: what is missing cannot be seen";
	if (is_of_other_run(walk, run_id))
		return "the bundle is of another run: of this one anything may be left out";
	if (run_id != NULL && report->run.events == 0)
		return "no entry is of this run";
	return NULL;
}

/* The newest witness's time, or else the newest event's. */
static void judge_fresh(struct walk *walk)
{
	const struct verify_options *options = walk->options;
	struct verify_report *report = walk->report;
	uint64_t newest = report->anchors.time_s, apart;
	int64_t ns;

	report->anchors.is_fresh_asked = options->fresh_s > 0;
	if (newest == 0 && read_rfc3339(str_of(report->last_time), &ns) && ns > 0)
		newest = (uint64_t)ns / 1000000000;
	/* A time to come is no sign of life: a clock that went ahead would vouch for ever. */
	apart = newest > options->now_s ? newest - options->now_s : options->now_s - newest;
	report->anchors.is_fresh = newest > 0 && apart <= options->fresh_s;
}

static void judge_integrity(struct walk *walk, const char *run_id)
{
	struct verify_report *report = walk->report;
	size_t n_keys = verify_trust_count(walk->trust);
	const char *why = why_unknown(walk, run_id, n_keys), *above = judge_above(report);

	report->envelopes_unchecked = n_keys == 0 && report->unknown_key > 0;
	if (why == NULL || report->entries > 0)
		why = why_not_authentic(report) != NULL ? why_not_authentic(report) : why;
	if (why == NULL)
		why = above;
	report->why_cannot_tell = why;
	report->integrity = report->n_findings > 0 ? VERIFY_DAMAGED
			    : why != NULL          ? VERIFY_CANNOT_TELL
						   : VERIFY_CLEAN;
}

static void judge_completeness(const struct walk *walk, const char *run_id)
{
	const struct verify_options *options = walk->options;
	struct verify_report *report = walk->report;
	const struct verify_sums *sums = run_id != NULL ? &report->run : &report->all;
	uint64_t lost = 0;

	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++)
		if (i != VERIFY_LOSS_ON_THE_WAY || sums->made_good < sums->losses[i])
			lost = u64_sum(lost, sums->losses[i]);
	if (!options->allow_unbounded)
		lost = u64_sum(lost, sums->uncounted);
	if (run_id != NULL)
		lost = u64_sum(lost, sums->runs_unsealed);
	report->completeness = lost > 0 ? VERIFY_INCOMPLETE : VERIFY_CLEAN;
	if (report->by_hash_alone || report->unnumbered > 0 || sums->events == 0 ||
	    is_of_other_run(walk, run_id))
		report->completeness = VERIFY_CANNOT_TELL;
}

void judge(struct walk *walk, const char *run_id)
{
	struct verify_report *report = walk->report;

	judge_unsigned(walk);
	judge_left_out(walk);
	judge_fresh(walk);
	judge_integrity(walk, run_id);
	judge_completeness(walk, run_id);
	report->verdict = report->integrity;
	if (report->verdict == VERIFY_CLEAN && !report->by_hash_alone)
		report->verdict = report->completeness;
}
