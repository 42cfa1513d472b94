/* SPDX-License-Identifier: Apache-2.0
 *
 * report.h - what there is to say of one run: its events go by, once and in order, and what a
 * person asks first is kept, in memory that does not grow with them.
 *
 * report_gather.c   takes the events
 * report_time.c     the timeline: a fixed number of spans that become wider
 * report_pick.c     the events that are shown whole
 * report_delta.c    readings: what the numbers of a probe did
 * report_text.c, report_json.c, report_html.c   say it
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "base/text.h"
#include "verify/verify.h"

enum {
	REPORT_PICKED_MAX = 500,
	REPORT_PICKED_BYTES = 2 << 20, /* that they take on a page, all together */
	REPORT_SPANS = 60,
	REPORT_RUNS_MAX = 16,
	REPORT_SILENCES_MAX = 64,
	REPORT_WITNESSED_MAX = 64,
	REPORT_TALLY_MAX = 32,
	REPORT_FACTS_MAX = 200,
	REPORT_JSON_MAX = 2048,
};

/* ---- report_time.c */

enum report_lane { LANE_GUEST, LANE_HOST, LANE_CHANNEL, N_LANES };
const char *report_lane_name(enum report_lane lane);

struct report_span {
	uint64_t events[N_LANES];
	uint64_t lost; /* events that are not there, as a gap event says */
	bool is_hole;  /* the receiver lost numbers of the run */
	bool is_silent;
};

/* Zero-initialise. Times are the host's claim: what is earlier than the first event stands with it.
 */
struct report_timeline {
	bool is_begun;
	int64_t from_ns, to_ns;
	uint64_t width_ns; /* of a span */
	struct report_span span[REPORT_SPANS];
};

/* The span of a time, which the timeline makes room for. */
struct report_span *report_span_at(struct report_timeline *timeline, int64_t at_ns);
/* At the end: the agent was silent from then to then. */
void report_mark_silent(struct report_timeline *timeline, int64_t from_ns, int64_t to_ns);
/* Spans up to the one of the last event. */
unsigned report_spans_used(const struct report_timeline *timeline);

/* ---- report_pick.c */

/* What is shown whole, in the order of what goes first when there is no room. */
enum report_class {
	CLASS_LIFE,
	CLASS_GAP,
	CLASS_CHANGE,
	CLASS_CHANNEL,
	CLASS_READING,
	CLASS_PLAIN
};

struct report_picked {
	uint64_t index;
	enum report_class class;
	enum report_lane lane;
	struct tlog_hash leaf;
	char *entry;
	size_t len, cost;
};

struct report_picks {
	size_t n, bytes;
	size_t n_of[CLASS_PLAIN + 1]; /* by class: those that are there, and those that are not */
	uint64_t left_out[CLASS_PLAIN + 1];
	struct report_picked list[REPORT_PICKED_MAX];
};

/* Takes an event, or leaves it or a lesser one out. CHT_E_NOMEM. */
int report_pick(struct report_picks *picks, const struct verify_event *event,
		enum report_class class, enum report_lane lane);
/* At the end: by index. */
void report_picks_sort(struct report_picks *picks);
void report_picks_free(struct report_picks *picks);

/* ---- report_delta.c */

/* Readings of one probe: counts, and the first and last that have an output. */
struct report_probe {
	uint64_t n, failed;
	char error[32], first_time[RFC3339_NS_LEN + 1], last_time[RFC3339_NS_LEN + 1];
	uint64_t first_index, last_index;
	char *inputs, *first, *last; /* JSON; null: none */
};

struct report_delta {
	const char *path;
	int64_t first, last;
};

/* CHT_E_NOMEM. */
int report_take_reading(struct report_probe *probe, const struct verify_event *event);
/* Calls each for every number that the last reading has too; those that did not change only with
 * unchanged. Returns how many were left out for that. */
uint64_t report_deltas(const struct report_probe *probe, bool unchanged,
		       void (*each)(void *context, const struct report_delta *delta),
		       void *context);
void report_probe_free(struct report_probe *probe);

/* ---- report_gather.c */

/* How often each of some names came; those that find no room are counted as one. */
struct report_tally {
	size_t n;
	uint64_t others;
	struct {
		char name[64];
		uint64_t count;
	} list[REPORT_TALLY_MAX];
};

struct report_silence {
	uint64_t index, end_index; /* of guest.agent_silenced, and of what ended it */
	int64_t from_ns, end_ns;
	uint64_t elapsed_ms, silent_ms;
	bool has_ended;
	char basis[24], witnesses[320]; /* JSON */
};

/* A claim that was held against what was seen. */
struct report_witnessed {
	uint64_t index;
	char time[RFC3339_NS_LEN + 1], name[64], facts[REPORT_FACTS_MAX + 1];
};

struct report {
	const char *path, *run_id;
	struct verify_report verdict;
	uint64_t events, n_runs, last_seen; /* runs with this id; index gone through last */
	uint64_t first_index, last_index;
	struct run_bits bits[REPORT_RUNS_MAX]; /* by which they are told apart */
	char cell[VERIFY_CELL_MAX + 1], spec[CHT_ATTRIBUTION_MAX + 1];
	char first_time[RFC3339_NS_LEN + 1], last_time[RFC3339_NS_LEN + 1];
	uint64_t lanes[N_LANES];
	struct report_tally types;

	bool is_opened, is_sealed, has_by, is_continued;
	uint64_t opened_index, sealed_index, by_uid, by_gid, by_pid;
	char opened_time[RFC3339_NS_LEN + 1], sealed_time[RFC3339_NS_LEN + 1];
	char socket[REPORT_JSON_MAX], correlation[3 * REPORT_JSON_MAX], reason[64]; /* JSON */
	uint64_t received, stored, heartbeats, refused, dropped;
	uint64_t paused_ms;

	uint64_t resumed, holes; /* restarts of the receiver; numbers that they lost */
	bool has_bundle;
	uint64_t bundle_index;
	char destroyed[600], residue[64], exit_code[16]; /* JSON */

	uint64_t lost_in_guest, lost_on_the_way, late, over_quota, no_space, gaps;
	struct report_tally faults, forged, turned_away; /* refusals */
	uint64_t n_silences, n_witnessed;
	struct report_silence silence[REPORT_SILENCES_MAX];
	struct report_witnessed witnessed[REPORT_WITNESSED_MAX];
	struct report_tally said,
		judged;               /* "vmmProcess runs"; "net.connect_attempted unwitnessed" */
	char claims[REPORT_JSON_MAX]; /* all verdicts, at the end: JSON */
	uint64_t undeclared_out;
	char state[24];
	uint64_t state_changes;

	struct report_probe probes[CHT_N_PROBES];
	struct report_timeline timeline;
	struct report_picks picks;
	int status; /* below 0: memory failed while events went by */

	/* Each event of the run, after it was taken; may be null. */
	void (*on_row)(void *context, const struct verify_event *event, enum report_lane lane);
	void *row_context;
	void (*on_again)(void *context); /* what was told is void: it begins anew */
};

/* How much of a JSON string's text fits so many bytes, without a part of an escape or character. */
size_t report_cut(struct cht_str json, size_t most);
/* A verify_options.on_event; context is a struct report with .run_id set. */
void report_on_event(void *context, const struct verify_event *event);
/* After the last one. */
void report_end(struct report *report);
void report_free(struct report *report);

/* Its members that are known, for people; JSON of one object on one line; both on standard output.
 */
void report_print_text(const struct report *report);
void report_print_json(const struct report *report);

/* "0.000 s", "12 s", "3 min 5 s" from out. */
void report_put_duration(struct buf *b, uint64_t ns);
/* What a shell takes as one word. */
void report_put_quoted(struct buf *b, const char *word);
/* The command that judges this run. vkey "": the caller's is to be put there. */
void report_put_command(struct buf *b, const struct report *report, const char *vkey);

#endif
