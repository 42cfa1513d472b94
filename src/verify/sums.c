/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums. What a run.sealed says it counted is held against what stands in the ledger. Exactly,
 * unless the receiver was restarted in between: its counts then go on from a table that may be one
 * event behind, and have in them what was declared lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "verify/walk.h"

/* The one or two sums that an event of this run belongs to. */
struct both {
	struct verify_sums *sums[2];
	size_t n;
};

static struct both sums_of(struct walk *walk, const struct run_state *run)
{
	bool asked = run != NULL && walk_is_asked(walk, &run->key);

	return (struct both){ { &walk->report->all, &walk->report->run }, asked ? 2 : 1 };
}

void sums_loss(struct walk *walk, const struct run_state *run, enum verify_loss loss, uint64_t n)
{
	struct both both = sums_of(walk, run);

	for (size_t i = 0; i < both.n; i++)
		both.sums[i]->losses[loss] = u64_sum(both.sums[i]->losses[loss], n);
}

static uint64_t number(const struct event_view *view, const char *path)
{
	uint64_t v = 0;

	return event_data_u64(view->data, path, &v) ? v : 0;
}

static void count_provenance(struct verify_sums *sums, struct cht_str provenance)
{
	static const char *const names[] = { [VERIFY_DECLARED] = "declared",
					     [VERIFY_OBSERVED] = "observed",
					     [VERIFY_DERIVED] = "derived" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(provenance, str_of(names[i]))) {
			sums->provenances[i]++;
			return;
		}
	sums->other_provenance++;
}

/* Of what agents say of themselves in guest.agent_hello. */
static void count_coverage(struct verify_report *report, const struct event_view *view)
{
	static const char *const marks[] = { "\"state\":\"active\"", "\"state\":\"degraded\"",
					     "\"state\":\"absent\"" };
	uint64_t *counters[] = { &report->coverage_active, &report->coverage_degraded,
				 &report->coverage_absent };
	struct cht_str list;

	if (!event_data_find(view->data, "guest.coverage", &list))
		return;
	for (size_t i = 0; i < 3; i++) {
		const char *at = list.ptr, *end = list.ptr + list.len;
		size_t n = strlen(marks[i]);

		while ((at = memmem(at, (size_t)(end - at), marks[i], n)) != NULL) {
			(*counters[i])++;
			at += n;
		}
	}
}

static void sums_dropped(struct walk *walk, struct run_state *run, const struct event_view *view)
{
	struct both both = sums_of(walk, run);
	uint64_t over_quota = number(view, "overQuota"), no_space = number(view, "noSpace");
	uint64_t on_the_way = number(view, "onTheWay"), late = number(view, "late"), good = late;

	sums_loss(walk, run, VERIFY_LOSS_IN_GUEST, number(view, "inGuest"));
	sums_loss(walk, run, VERIFY_LOSS_ON_THE_WAY, on_the_way);
	sums_loss(walk, run, VERIFY_LOSS_OVER_QUOTA, over_quota);
	sums_loss(walk, run, VERIFY_LOSS_NO_SPACE, no_space);
	/* What comes late to one run makes up for no other's loss. */
	run->on_the_way = u64_sum(run->on_the_way, on_the_way);
	if (good > run->on_the_way)
		good = run->on_the_way;
	run->on_the_way -= good;
	for (size_t i = 0; i < both.n; i++) {
		both.sums[i]->late = u64_sum(both.sums[i]->late, late);
		both.sums[i]->made_good = u64_sum(both.sums[i]->made_good, good);
	}
	run->dropped = u64_sum(run->dropped, u64_sum(over_quota, no_space));
}

/* An agent that numbers its events gives each declaration a number. */
static void sums_declared(struct both both, struct run_state *run, const struct event_view *view)
{
	run->declared++;
	if (view->is_numbered)
		return;
	for (size_t i = 0; i < both.n; i++)
		both.sums[i]->uncounted++;
}

static void sums_resumed(struct walk *walk, struct run_state *run, const struct event_view *view)
{
	struct cht_str cause;

	run->n_resumed++;
	/* For the whole ledger an unclean stop is counted once, where the host starts again. */
	if (walk_is_asked(walk, &run->key) && event_data_find(view->data, "cause", &cause) &&
	    str_eq(cause, STR("\"unclean restart\"")))
		walk->report->run.losses[VERIFY_LOSS_UNCLEAN_STOP]++;
}

static void sums_recovered(struct walk *walk, const struct event_view *view)
{
	uint64_t from = number(view, "unprotected.from"), to = number(view, "unprotected.to");

	sums_loss(walk, NULL, VERIFY_LOSS_CUT, number(view, "cutBytes") > 0);
	walk->report->unprotected += to > from ? to - from : 0;
}

static void sums_flag(struct both both, enum event_kind kind)
{
	for (size_t i = 0; i < both.n; i++) {
		both.sums[i]->runs_opened += kind == EV_RUN_OPENED;
		both.sums[i]->runs_sealed += kind == EV_RUN_SEALED;
		both.sums[i]->silences += kind == EV_GUEST_AGENT_SILENCED;
		both.sums[i]->resumed += kind == EV_GUEST_AGENT_RESUMED;
		both.sums[i]->forged += kind == EV_GUEST_ATTRIBUTION_FORGED;
	}
}

/* A reading, or what readings came to. */
static void sums_witnessed(struct both both, enum event_kind kind, const struct event_view *view)
{
	static const char *const claims[] = { "claims.channel.bytes",
					      "claims.net.connect_attempted" };
	static const char *const keys[N_VERDICTS] = { "witnessed", "unwitnessed", "contradicted",
						      "noWitness" };
	struct cht_str error;
	bool is_failed =
		event_is_reading(kind) && event_data_find(view->data, "sampleError", &error);

	for (size_t i = 0; i < both.n; i++) {
		struct verify_sums *sums = both.sums[i];

		sums->connects += kind == EV_GUEST_NET_CONNECT_ATTEMPTED;
		sums->readings += event_is_reading(kind);
		sums->failed_readings += is_failed;
		if (kind != EV_CELL_WITNESSED)
			continue;
		for (size_t c = 0; c < 2; c++)
			for (int k = 0; k < N_VERDICTS; k++) {
				char path[64];

				(void)snprintf(path, sizeof(path), "%s.%s", claims[c], keys[k]);
				sums->verdicts[k] = u64_sum(sums->verdicts[k], number(view, path));
			}
		sums->undeclared_out =
			u64_sum(sums->undeclared_out, number(view, "undeclaredPacketsOut"));
	}
}

static bool is_declaration(const struct event_view *view)
{
	return view->known != NULL && event_is_declaration(view->known->kind);
}

void sums_event(struct walk *walk, struct run_state *run, const struct event_view *view)
{
	struct both both = sums_of(walk, run);
	enum event_kind kind = view->known != NULL ? view->known->kind : EV_N_KINDS;

	for (size_t i = 0; i < both.n; i++) {
		both.sums[i]->events++;
		if (kind == EV_RUN_STATED)
			both.sums[i]->provenances[VERIFY_STATED]++;
		else
			count_provenance(both.sums[i], view->provenance);
	}
	if (run == NULL || kind == EV_N_KINDS)
		return;
	if (kind == EV_RUN_RESUMED)
		sums_resumed(walk, run, view);
	run->counts[kind]++;
	sums_flag(both, kind);
	if (event_is_reading(kind) || kind == EV_CELL_WITNESSED ||
	    kind == EV_GUEST_NET_CONNECT_ATTEMPTED)
		sums_witnessed(both, kind, view);
	if (is_declaration(view))
		sums_declared(both, run, view);
	if (kind == EV_GUEST_AGENT_HELLO)
		count_coverage(walk->report, view);
	if (kind == EV_GUEST_TELEMETRY_DROPPED)
		sums_dropped(walk, run, view);
	if (kind == EV_LEDGER_RECOVERED)
		sums_recovered(walk, view);
	if (kind == EV_FRAMES_REFUSED) {
		run->refused = u64_sum(run->refused, number(view, "count"));
		sums_loss(walk, run, VERIFY_LOSS_REFUSED, number(view, "count"));
	}
}

static void differs(struct walk *walk, const struct run_state *run, const char *what, uint64_t says,
		    uint64_t seen)
{
	walk_fault(walk, VERIFY_CONTRADICTION, 0, &run->key,
		   "the seal says %s %" PRIu64 ", the ledger has %" PRIu64, what, says, seen);
}

/* A run that was sealed at the next start, without a run.resumed, says so itself. */
static bool is_continued(const struct event_view *view)
{
	struct cht_str value;

	return event_data_find(view->data, "continued", &value) && str_eq(value, STR("true"));
}

static void check_counts(struct walk *walk, const struct run_state *run,
			 const struct event_view *view)
{
	uint64_t allowed = u64_sum(run->declared_lost, run->n_resumed + is_continued(view));

	for (unsigned kind = 0; kind < EV_N_KINDS; kind++) {
		uint64_t seen = run->counts[kind], says, apart;
		char path[64];

		(void)snprintf(path, sizeof(path), "counts.%s", event_types[kind].name);
		says = number(view, path);
		apart = says > seen ? says - seen : seen - says;
		if (apart > allowed) {
			differs(walk, run, event_types[kind].name, says, seen);
			return;
		}
		allowed -= apart;
	}
}

/* Each frame is in exactly one of four. */
static void check_frames(struct walk *walk, const struct run_state *run,
			 const struct event_view *view)
{
	uint64_t received = number(view, "frames.received"), stored = number(view, "frames.stored");
	uint64_t refused = number(view, "frames.refused"), dropped = number(view, "frames.dropped");
	uint64_t heartbeats = number(view, "frames.heartbeats");
	struct both both = sums_of(walk, run);

	for (size_t i = 0; i < both.n; i++) {
		both.sums[i]->received += received;
		both.sums[i]->stored += stored;
		both.sums[i]->heartbeats += heartbeats;
		both.sums[i]->refused += refused;
		both.sums[i]->dropped += dropped;
	}
	if (received != stored + heartbeats + refused + dropped)
		differs(walk, run, "frames received", received,
			stored + heartbeats + refused + dropped);
	else if (run->is_faulty || run->is_continued || run->n_resumed > 0 || is_continued(view))
		return;
	else if (stored != run->declared)
		differs(walk, run, "frames stored", stored, run->declared);
	else if (refused != run->refused)
		differs(walk, run, "frames refused", refused, run->refused);
	else if (dropped != run->dropped)
		differs(walk, run, "frames dropped", dropped, run->dropped);
}

void sums_sealed(struct walk *walk, struct run_state *run, const struct event_view *view)
{
	uint64_t index, last;

	/* What is left out before a run's first event here may be its own. */
	bool is_cut = run->is_continued && walk->shown_from > 0;

	if (is_cut && event_data_u64(view->data, "firstIndex", &index))
		walk->cut_first = index;
	if (!is_cut && event_data_u64(view->data, "firstIndex", &index) &&
	    index != run->first_index) {
		walk_fault(walk, VERIFY_MOVED, 0, &run->key,
			   "the run was begun at entry %" PRIu64 ", here it begins at %" PRIu64,
			   index, run->first_index);
		run->is_faulty = true;
	}
	if (event_data_u64(view->data, "lastSequence", &last) && last != run->last &&
	    !run->is_faulty)
		differs(walk, run, "last sequence", last, run->last);
	if (!run->is_faulty && !run->is_continued)
		check_counts(walk, run, view);
	check_frames(walk, run, view);
}
