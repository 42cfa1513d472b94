/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/report_html.h"
#include "cli/say.h"
#include "cli/verify_report.h"

enum { SPAN_WIDTH = 10, LANE_HEIGHT = 40, BAR_MAX = 34 };

static void text(struct newfile *f, const char *s)
{
	html_text(f, str_of(s));
}

/* "2026-11-22 16:44:45.123 UTC" */
static void time_of(struct newfile *f, const char *time)
{
	html_put(f, "<time>");
	html_text(f, (struct cht_str){ time, strlen(time) < 10 ? strlen(time) : 10 });
	if (strlen(time) > 23) {
		html_put(f, " ");
		html_text(f, (struct cht_str){ time + 11, 12 });
	}
	html_put(f, " UTC</time>");
}

/* ---- summary */

static void card(struct newfile *f, const char *class, const char *what, const char *answer)
{
	html_format(f, "<li class=\"%s\"><span class=\"faint\">%s</span><strong>%s</strong>", class,
		    what, answer);
}

static const char *class_of(enum verify_verdict v)
{
	return v == VERIFY_CLEAN ? "ok" : v == VERIFY_DAMAGED ? "bad" : "doubt";
}

static void integrity(struct newfile *f, const struct verify_report *v)
{
	char file[VERIFY_PLACE_MAX];

	card(f, class_of(v->integrity), "Integrity",
	     v->integrity == VERIFY_DAMAGED       ? "Damaged: not what was signed"
	     : v->integrity == VERIFY_CANNOT_TELL ? "Cannot tell"
						  : "Sound: as it was signed");
	if (v->n_findings > 0) {
		verify_place_name(v->form, &v->first.at, file);
		html_format(f, "<p>%s: ", verify_fault_name(v->first.fault));
		text(f, v->first.detail);
		html_format(f, "; entry %" PRIu64 ", %s. Looks like: %s.</p>", v->first.at.index,
			    file, verify_fault_meaning(v->first.fault));
	}
	if (v->why_cannot_tell != NULL)
		html_format(f, "<p>%s</p>", v->why_cannot_tell);
	html_put(f, "</li>");
}

static void completeness(struct newfile *f, const struct verify_report *v)
{
	const struct verify_sums *sums = &v->run;
	bool any = false;

	card(f, class_of(v->completeness), "Completeness",
	     v->completeness == VERIFY_CLEAN        ? "Complete: nothing is missing"
	     : v->completeness == VERIFY_INCOMPLETE ? "Incomplete, and it says so"
						    : "Cannot tell");
	html_put(f, "<p>");
	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++) {
		if (sums->losses[i] == 0)
			continue;
		html_format(f, "%s%s %s", any ? ", " : "", say_number(sums->losses[i]),
			    verify_loss_text((enum verify_loss)i));
		any = true;
	}
	if (sums->uncounted > 0) {
		html_format(f, "%s%s of agents that do not count theirs", any ? ", " : "",
			    say_number(sums->uncounted));
		any = true;
	}
	if (sums->runs_unsealed > 0)
		html_format(f, "%sthe run is not sealed", any ? ", " : "");
	html_put(f, "</p></li>");
}

static void vantage(struct newfile *f, const struct verify_report *v)
{
	const struct verify_sums *sums = &v->run;

	card(f, v->anchors.is_anchored ? "ok" : "doubt", "Vantage",
	     v->anchors.is_anchored ? "Anchored" : "Not anchored");
	if (v->anchors.is_anchored)
		html_format(f, "<p>Up to %s entries", say_number(v->anchors.size));
	else
		html_put(f, "<p>Rollback cannot be excluded");
	html_format(f, ". %s events declared by the guest, %s observed, %s derived by the host",
		    say_number(sums->provenances[VERIFY_DECLARED]),
		    say_number(sums->provenances[VERIFY_OBSERVED]),
		    say_number(sums->provenances[VERIFY_DERIVED]));
	if (sums->provenances[VERIFY_STATED] > 0)
		html_format(f, ", %s stated by the orchestrator",
			    say_number(sums->provenances[VERIFY_STATED]));
	html_put(f, ".</p></li>");
}

static void row(struct newfile *f, const char *name)
{
	html_format(f, "<dt>%s</dt><dd>", name);
}

static void row_json(struct newfile *f, const char *name, const char *json)
{
	if (json[0] == '\0')
		return;
	row(f, name);
	html_put(f, "<code>");
	html_json(f, json);
	html_put(f, "</code></dd>");
}

static void registered(struct newfile *f, const struct report *r)
{
	row(f, "Registered");
	if (!r->is_opened) {
		html_put(f, "before what is here</dd>");
		return;
	}
	time_of(f, r->opened_time);
	html_put(f, ", ");
	html_entry(f, r->opened_index);
	if (r->has_by)
		html_format(f, ", by user %" PRIu64 ", group %" PRIu64 ", process %" PRIu64 "</dd>",
			    r->by_uid, r->by_gid, r->by_pid);
	else
		html_put(f, ", by chtd's configuration</dd>");
	row_json(f, "Channel", r->socket);
	row_json(f, "Correlation", r->correlation);
}

static void ended(struct newfile *f, const struct report *r)
{
	row(f, "Ended");
	time_of(f, r->is_sealed ? r->sealed_time : r->last_time);
	if (!r->is_sealed) {
		html_put(f, ": <b>not sealed</b>, this is its last event</dd>");
	} else {
		html_put(f, ", ");
		html_entry(f, r->sealed_index);
		html_put(f, ": ");
		html_json(f, r->reason);
		html_put(f, "</dd>");
	}
	row(f, "Lasted");
	html_duration(f, (uint64_t)(r->timeline.to_ns - r->timeline.from_ns));
	html_put(f, "</dd>");
}

void report_put_summary(struct newfile *f, const struct report *r)
{
	html_put(f, "<header><h1>Run ");
	text(f, r->run_id);
	html_put(f, "</h1><p class=\"faint\">of cell ");
	text(f, r->cell);
	html_put(f, "</p></header><ul class=\"cards\" aria-label=\"Verdict\">");
	integrity(f, &r->verdict);
	completeness(f, &r->verdict);
	vantage(f, &r->verdict);
	html_put(f, "</ul><dl>");
	if (r->n_runs > 1) {
		row(f, "Attention");
		html_format(f, "%s runs have this id; this is of all of them</dd>",
			    say_number(r->n_runs));
	}
	row(f, "Spec");
	html_put(f, "<code>");
	text(f, r->spec);
	html_put(f, "</code></dd>");
	registered(f, r);
	ended(f, r);
	row(f, "Events");
	html_format(f, "%s: %s of the guest, %s of the host, %s of the channel</dd>",
		    say_number(r->events), say_number(r->lanes[LANE_GUEST]),
		    say_number(r->lanes[LANE_HOST]), say_number(r->lanes[LANE_CHANNEL]));
	row_json(f, "Exit code", r->exit_code);
	row_json(f, "Residue", r->residue);
	if (r->has_bundle) {
		row(f, "Evidence bundle");
		html_entry(f, r->bundle_index);
		html_put(f, "; destroyed: <code>");
		html_json(f, r->destroyed);
		html_put(f, "</code></dd>");
	}
	html_put(f, "</dl>");
}

/* ---- timeline */

/* Ten times as many are one step higher. */
static unsigned bar_height(uint64_t n)
{
	unsigned steps = 1;

	for (; n >= 10 && steps < 5; n /= 10)
		steps++;
	return BAR_MAX * steps / 5;
}

static void put_span(struct newfile *f, const struct report_span *s, unsigned i)
{
	static const char *const bars[N_LANES] = { "bg", "bh", "bc" };
	unsigned x = i * SPAN_WIDTH;

	if (s->is_hole)
		html_format(f, "<rect class=\"hole\" x=\"%u\" y=\"0\" width=\"%d\" height=\"%d\"/>",
			    x, SPAN_WIDTH, N_LANES * LANE_HEIGHT);
	if (s->is_silent)
		html_format(f, "<rect class=\"gap\" x=\"%u\" y=\"1\" width=\"%d\" height=\"%d\"/>",
			    x, SPAN_WIDTH, LANE_HEIGHT - 2);
	if (s->lost > 0)
		html_format(f,
			    "<rect class=\"lost\" x=\"%u\" y=\"%d\" width=\"%d\" height=\"%d\"/>",
			    x, LANE_CHANNEL * LANE_HEIGHT + 1, SPAN_WIDTH, LANE_HEIGHT - 2);
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		unsigned h = bar_height(s->events[lane]);

		if (s->events[lane] > 0)
			html_format(f,
				    "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%d\" "
				    "height=\"%u\"/>",
				    bars[lane], x + 1, (lane + 1) * LANE_HEIGHT - 1 - h,
				    SPAN_WIDTH - 2, h);
	}
}

static void span_time(struct newfile *f, int64_t ns)
{
	char mem[RFC3339_NS_LEN + 1] = { 0 };
	struct buf b = buf_init(mem, RFC3339_NS_LEN);
	struct rfc3339_cache cache = { .valid = false };

	put_rfc3339_ns(&b, &cache, ns);
	html_format(f, "%.12s", mem + 11);
}

static void put_table(struct newfile *f, const struct report_timeline *t, unsigned used)
{
	html_put(f, "<details class=\"screen\"><summary>The same as a table</summary>"
		    "<div class=\"scroll\"><table><thead><tr><th>From (UTC)</th><th "
		    "class=\"num\">Guest</th><th class=\"num\">Host</th><th "
		    "class=\"num\">Channel</th><th class=\"num\">Lost</th><th>Gaps</th></tr>"
		    "</thead><tbody>");
	for (unsigned i = 0; i < used; i++) {
		const struct report_span *s = &t->span[i];

		html_put(f, "<tr><td>");
		span_time(f, t->from_ns + (int64_t)(i * t->width_ns));
		for (unsigned lane = 0; lane < N_LANES; lane++)
			html_format(f, "</td><td class=\"num\">%s", say_number(s->events[lane]));
		html_format(f, "</td><td class=\"num\">%s</td><td>%s%s</td></tr>",
			    say_number(s->lost), s->is_silent ? "silent " : "",
			    s->is_hole ? "numbers lost in a restart" : "");
	}
	html_put(f, "</tbody></table></div></details>");
}

void report_put_timeline(struct newfile *f, const struct report *r)
{
	const struct report_timeline *t = &r->timeline;
	unsigned used = report_spans_used(t);
	int64_t end = t->from_ns + (int64_t)(used * t->width_ns);

	html_put(f, "<section aria-labelledby=\"h-line\"><h2 id=\"h-line\">Timeline</h2>"
		    "<div class=\"line\"><div class=\"names\" aria-hidden=\"true\"><span "
		    "class=\"g\">guest</span><span class=\"h\">host</span><span "
		    "class=\"c\">channel</span></div>");
	html_format(f,
		    "<svg viewBox=\"0 0 %u %d\" preserveAspectRatio=\"none\" role=\"img\" "
		    "aria-label=\"Events of guest, host and channel over time\"><defs><pattern "
		    "id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
		    "patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" "
		    "x2=\"0\" y2=\"6\"/></pattern></defs>",
		    used * SPAN_WIDTH, N_LANES * LANE_HEIGHT);
	for (unsigned i = 0; i < used; i++)
		put_span(f, &t->span[i], i);
	for (unsigned lane = 1; lane < N_LANES; lane++)
		html_format(f, "<line class=\"rule\" x1=\"0\" x2=\"%u\" y1=\"%u\" y2=\"%u\"/>",
			    used * SPAN_WIDTH, lane * LANE_HEIGHT, lane * LANE_HEIGHT);
	html_put(f, "</svg><div class=\"times\"><span>");
	span_time(f, t->from_ns);
	html_put(f, " UTC</span><span>a bar is ");
	html_duration(f, t->width_ns);
	html_put(f, "</span><span>");
	span_time(f, end);
	html_put(f, " UTC</span></div></div><ul class=\"key\"><li><i class=\"kg\"></i>guest</li>"
		    "<li><i class=\"kh\"></i>host</li><li><i class=\"kc\"></i>channel</li>"
		    "<li><i class=\"ks\"></i>silent: no sign of life</li><li><i class=\"kl\"></i>"
		    "events lost</li><li><i class=\"ko\"></i>numbers lost in a restart</li>"
		    "<li>each step up is ten times as many</li></ul>");
	put_table(f, t, used);
	html_put(f, "</section>");
}
