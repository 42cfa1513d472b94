/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers. Every event of a run has the next one; run.resumed alone may leave some out, and says
 * which. What is wrong is told once and the run goes on from there, so that one removed entry is
 * one finding.
 */
#include "verify/walk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

void walk_fault(struct walk *walk, enum verify_fault fault, size_t at_byte,
		const struct run_key *run, const char *fmt, ...)
{
	struct verify_finding *first = &walk->report->first;
	va_list args;

	if (walk->report->n_findings++ > 0)
		return;
	first->fault = fault;
	first->at = walk->at;
	first->at.entry_offset = at_byte;
	if (run != NULL)
		memcpy(first->run_id, run->id, sizeof(first->run_id));
	va_start(args, fmt);
	(void)vsnprintf(first->detail, sizeof(first->detail), fmt, args);
	va_end(args);
}

static bool is_within(const struct verify_finding *one, const struct verify_finding *range)
{
	return one->at.index >= range->at.index && one->at.index - range->at.index < range->at.n;
}

/* Whether a finding takes the place of the first one so far. */
static bool comes_first(const struct verify_finding *first, const struct verify_finding *finding)
{
	bool of_entry = first->at.part == VERIFY_IN_ENTRIES || first->at.part == VERIFY_IN_BUNDLE;
	bool of_tree = first->fault <= VERIFY_APPENDED;

	/* A range in which something is wrong says less than an entry in it that is. */
	if (finding->fault == VERIFY_ROOT && of_entry && is_within(first, finding))
		return false;
	if (first->fault == VERIFY_ROOT && is_within(finding, first))
		return true;
	if (!of_entry || finding->at.index != first->at.index)
		return of_entry && finding->at.index < first->at.index;
	return !of_tree || (first->fault == VERIFY_CHANGED && finding->fault == VERIFY_STRIPPED);
}

void finding_add(struct verify_report *report, const struct verify_finding *finding)
{
	struct verify_finding *first = &report->first;
	uint64_t entry_offset = 0;

	if (report->n_findings++ == 0) {
		*first = *finding;
		return;
	}
	if (!comes_first(first, finding))
		return;
	/* The form of an entry tells which byte, the tree only that it was changed. */
	if (finding->at.index == first->at.index && first->fault == VERIFY_NOT_AN_EVENT)
		entry_offset = first->at.entry_offset;
	*first = *finding;
	if (entry_offset > 0)
		first->at.entry_offset = entry_offset;
}

static bool copy_text(char *out, size_t cap, struct cht_str s)
{
	if (s.len >= cap)
		return false;
	if (s.len > 0)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return true;
}

/* Whose event it is and its number in *sequence, 0 when it has none. */
static bool identify(struct walk *walk, const struct event_view *view, struct run_key *key,
		     uint64_t *sequence)
{
	uint64_t in_id = 0;

	*key = (struct run_key){ 0 };
	*sequence = view->sequence;
	if (view->run_id.len == 0 || !copy_text(key->id, sizeof(key->id), view->run_id)) {
		walk_fault(walk, VERIFY_NO_RUN, 0, NULL, "no runId, or one that is too long");
		return false;
	}
	key->has_bits = event_id_read(view->id, &key->bits, &in_id);
	if (!key->has_bits)
		return true;
	if (*sequence == 0)
		*sequence = in_id;
	if (in_id == *sequence)
		return true;
	walk_fault(walk, VERIFY_BAD_ID, 0, key, "sequence %" PRIu64 ", but %" PRIu64 " in the id",
		   *sequence, in_id);
	return false;
}

static bool is_kind(const struct event_view *view, enum event_kind kind)
{
	return view->known != NULL && view->known->kind == kind;
}

/* A run that began in the log before this one, and goes on here. */
static bool is_continued(struct walk *walk, struct run_state *run, const struct event_view *view,
			 uint64_t sequence)
{
	uint64_t last, from, to;

	if (run->last != 0 || !is_kind(view, EV_RUN_CONTINUED) ||
	    !event_data_u64(view->data, "from.lastSequence", &last))
		return false;
	run->is_continued = true;
	if (event_data_u64(view->data, "lostFrom", &from) &&
	    event_data_u64(view->data, "lostTo", &to)) {
		if (from != last + 1 || to < from)
			return false;
		run->declared_lost = u64_sum(run->declared_lost, to - from + 1);
		sums_loss(walk, run, VERIFY_LOSS_HOLES, to - from + 1);
		last = to;
	}
	return sequence == last + 1;
}

/* Entries before the first that is there are left out, and this run's may be among them. Of the
 * host's own run it is no loss, unless one asks for it: it goes on for as long as the host does. */
static bool is_left_out(struct walk *walk, struct run_state *run, uint64_t sequence)
{
	if (run->last != 0 || walk->shown_from == 0)
		return false;
	run->is_continued = true; /* and so its counts cannot be held against it */
	if (!run->is_host || walk_is_asked(walk, &run->key))
		sums_loss(walk, run, VERIFY_LOSS_PRUNED, sequence - 1);
	return true;
}

/* Kinds that only the host's own run has. */
static bool is_of_host(const struct event_view *view)
{
	return is_kind(view, EV_HOST_STARTED) || is_kind(view, EV_HOST_STOPPED) ||
	       is_kind(view, EV_LOG_OPENED) || is_kind(view, EV_LOG_CLOSED) ||
	       is_kind(view, EV_LEDGER_ALIVE) || is_kind(view, EV_LEDGER_PRUNED) ||
	       is_kind(view, EV_LEDGER_RECOVERED) || is_kind(view, EV_CLOCK_STEPPED) ||
	       is_kind(view, EV_CHANNEL_UNCLAIMED) || is_kind(view, EV_HOST_RELOADED);
}

/* Numbers that a run.resumed says were accepted and are not stored. */
static bool is_declared(struct walk *walk, struct run_state *run, const struct event_view *view,
			uint64_t sequence)
{
	uint64_t from, to;

	if (!is_kind(view, EV_RUN_RESUMED) || !event_data_u64(view->data, "from", &from) ||
	    !event_data_u64(view->data, "to", &to))
		return false;
	if (from != run->last + 1 || to < from || sequence != to + 1)
		return false;
	run->declared_lost = u64_sum(run->declared_lost, to - from + 1);
	sums_loss(walk, run, VERIFY_LOSS_HOLES, to - from + 1);
	return true;
}

static void missing(struct walk *walk, struct run_state *run, uint64_t sequence)
{
	bool is_first = walk->report->n_findings == 0;

	run->hole_from = run->last + 1;
	run->hole_to = sequence - 1;
	if (run->last == 0)
		walk_fault(walk, VERIFY_HOLE, 0, &run->key, "the run begins with sequence %" PRIu64,
			   sequence);
	else
		walk_fault(walk, VERIFY_HOLE, 0, &run->key, "sequence %" PRIu64 " follows %" PRIu64,
			   sequence, run->last);
	if (is_first)
		walk->first_run = run;
}

/* A number that is not above the last: one that was missed before, or one seen already. */
static void backwards(struct walk *walk, struct run_state *run, uint64_t sequence)
{
	bool was_missed = sequence >= run->hole_from && sequence <= run->hole_to;

	if (was_missed && walk->first_run == run) {
		walk->report->first.fault = VERIFY_SWAPPED;
		walk->first_run = NULL;
	}
	walk_fault(walk, was_missed ? VERIFY_SWAPPED : VERIFY_REPEAT, 0, &run->key,
		   "sequence %" PRIu64 " follows %" PRIu64, sequence, run->last);
}

static void check_sequence(struct walk *walk, struct run_state *run, const struct event_view *view,
			   uint64_t sequence)
{
	if (sequence <= run->last) {
		backwards(walk, run, sequence);
		run->is_faulty = true;
		return;
	}
	if (sequence != run->last + 1 && !is_declared(walk, run, view, sequence) &&
	    !is_continued(walk, run, view, sequence) && !is_left_out(walk, run, sequence)) {
		missing(walk, run, sequence);
		run->is_faulty = true;
	}
	run->last = sequence;
}

static void leave(struct walk *walk, struct run_state *run)
{
	if (walk->first_run == run)
		walk->first_run = NULL;
	run_table_remove(&walk->runs, run);
}

/* host.started and host.stopped: one run of the host after the other. */
static void check_host(struct walk *walk, struct run_state *run, const struct event_view *view)
{
	struct verify_report *report = walk->report;
	uint64_t index;

	if (is_kind(view, EV_HOST_STARTED)) {
		struct run_state *before =
			report->host_runs_on ? run_table_find(&walk->runs, &walk->host) : NULL;

		if (event_data_u64(view->data, "nextIndex", &index) && index != walk->at.index)
			walk_fault(walk, VERIFY_MOVED, 0, &run->key,
				   "written as entry %" PRIu64 ", stands at %" PRIu64, index,
				   walk->at.index);
		if (report->host_runs_on)
			sums_loss(walk, before, VERIFY_LOSS_UNCLEAN_STOP, 1);
		if (before != NULL && before != run)
			leave(walk, before);
		walk->host = run->key;
		report->host_runs_on = true;
		report->host_starts++;
	} else if (is_kind(view, EV_HOST_STOPPED) && run->is_host) {
		report->host_runs_on = false;
		leave(walk, run);
	}
}

static struct run_state *find_or_add(struct walk *walk, const struct run_key *key,
				     const struct event_view *view, struct cht_err *err)
{
	struct run_state *run = run_table_find(&walk->runs, key);

	if (run != NULL)
		return run;
	run = run_table_add(&walk->runs, key, err);
	if (run == NULL)
		return NULL;
	run->first_index = walk->at.index;
	(void)copy_text(run->cell_id, sizeof(run->cell_id), view->cell_id);
	return run;
}

int walk_event(struct walk *walk, const struct event_view *view, struct cht_err *err)
{
	struct run_state *run;
	struct run_key key;
	uint64_t sequence;

	if (!identify(walk, view, &key, &sequence)) {
		sums_event(walk, NULL, view);
		return 0;
	}
	run = find_or_add(walk, &key, view, err);
	if (run == NULL)
		return err != NULL ? err->code : CHT_E_NOMEM;
	run->is_host = run->is_host || is_of_host(view);
	if (sequence == 0)
		walk->report->unnumbered++;
	else if (walk->only_run == NULL || strcmp(walk->only_run, key.id) == 0)
		check_sequence(walk, run, view, sequence);
	sums_event(walk, run, view);
	log_event(walk, view);
	if (is_kind(view, EV_RUN_SEALED)) {
		if (walk->only_run == NULL || strcmp(walk->only_run, key.id) == 0)
			sums_sealed(walk, run, view);
		leave(walk, run);
		return 0;
	}
	check_host(walk, run, view);
	return 0;
}

static int by_first_index(const void *a, const void *b)
{
	const struct run_state *const *x = a, *const *y = b;

	return ((*x)->first_index > (*y)->first_index) - ((*x)->first_index < (*y)->first_index);
}

void walk_end(struct walk *walk)
{
	struct run_table *table = &walk->runs;
	struct verify_report *report = walk->report;
	size_t n = 0;

	/* The table is not looked into any more: its runs are packed and sorted in place. */
	for (size_t i = 0; i < table->n_slots; i++)
		if (table->slots[i] != NULL)
			table->slots[n++] = table->slots[i];
	memset(table->slots + n, 0, (table->n_slots - n) * sizeof(struct run_state *));
	qsort(table->slots, n, sizeof(struct run_state *), by_first_index);
	for (size_t i = 0; i < n; i++) {
		const struct run_state *run = table->slots[i];

		report->run.runs_unsealed += walk_is_asked(walk, &run->key);
		if (run->is_host)
			continue;
		if (report->all.runs_unsealed < VERIFY_LISTED_MAX) {
			struct verify_open_run *out = &report->unsealed[report->all.runs_unsealed];

			memcpy(out->run_id, run->key.id, sizeof(out->run_id));
			memcpy(out->cell_id, run->cell_id, sizeof(out->cell_id));
			out->first_index = run->first_index;
			out->last_sequence = run->last;
		}
		report->all.runs_unsealed++;
	}
}
