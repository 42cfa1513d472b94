/* SPDX-License-Identifier: Apache-2.0
 *
 * walk.h - what is kept on the way through a ledger; private to src/verify.
 */
#ifndef VERIFY_WALK_H
#define VERIFY_WALK_H

#include <string.h>

#include "verify/runs.h"
#include "verify/trust.h"

struct walk {
	const struct verify_trust *trust;
	const struct verify_options *options;
	struct verify_report *report;
	struct run_table runs;
	struct verify_place at; /* of the present entry */
	struct verify_place first_unsigned;
	struct run_key host;         /* the host's run that was started last */
	struct run_state *first_run; /* whose hole report->first is, while it may turn out a swap */
	const char *only_run; /* all that a bundle shows whole; null: nothing but its head is left
				 out */
	uint64_t shown_from;  /* entries below are left out, without a gap */
	uint64_t cut_first; /* where the seal says that only_run began, if its beginning is not here
			     */
	bool has_closed;    /* log.closed was seen, and what may follow it was not yet */
};

/* Whether this is the run that the caller asks for. */
static inline bool walk_is_asked(const struct walk *walk, const struct run_key *run)
{
	return walk->options->run_id != NULL && strcmp(run->id, walk->options->run_id) == 0;
}

/* Counts a finding; it becomes the report's first when it stands before that one, or at the same
 * entry and is of the tree. */
void finding_add(struct verify_report *report, const struct verify_finding *finding);

/* Counts a finding, and keeps it if it is the first. at_byte: offset in the entry. run may be
 * null. */
void walk_fault(struct walk *walk, enum verify_fault fault, size_t at_byte,
		const struct run_key *run, const char *fmt, ...) CHT_PRINTF(5, 6);

/* Takes one event into account: numbers, sums, lists. CHT_E_NOMEM, CHT_E_LIMIT. */
int walk_event(struct walk *walk, const struct event_view *view, struct cht_err *err) CHT_CHECKED;

/* log.c: what the log says of itself: its beginning, its end, what it may have removed. */
void log_event(struct walk *walk, const struct event_view *view);
/* Where no event is read: what this entry says was removed, if it says so. */
void log_pruned(struct walk *walk, struct cht_bytes entry);

/* At the end of the ledger: runs that are still open. */
void walk_end(struct walk *walk);

/* sums.c: what one event adds, to the whole ledger and, when the run is the one asked for, to it.
 */
void sums_event(struct walk *walk, struct run_state *run, const struct event_view *view);
/* A loss of n by this cause, that run's where it is of one. */
void sums_loss(struct walk *walk, const struct run_state *run, enum verify_loss loss, uint64_t n);
/* Holds what a run.sealed says against what was seen. */
void sums_sealed(struct walk *walk, struct run_state *run, const struct event_view *view);

#endif
