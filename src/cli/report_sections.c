/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/report_html.h"
#include "cli/say.h"

enum { LISTED_DELTAS = 40 };

static void text(struct newfile *f, const char *s)
{
	html_text(f, str_of(s));
}

static void begin(struct newfile *f, const char *title)
{
	html_format(f, "<section><h2>%s</h2>", title);
}

static void put_losses(struct newfile *f, const struct report *r)
{
	begin(f, "Losses");
	if (r->is_sealed)
		html_format(f,
			    "<p>Frames: %s received = %s stored + %s heartbeats + %s refused + %s "
			    "dropped.</p>",
			    say_number(r->received), say_number(r->stored),
			    say_number(r->heartbeats), say_number(r->refused),
			    say_number(r->dropped));
	else
		html_put(f, "<p>Frames are counted when the run is sealed.</p>");
	html_format(
		f,
		"<p>Events lost: %s in the guest, %s on the way (%s of them came late), %s over "
		"the quota, %s for want of space.</p>",
		say_number(r->lost_in_guest), say_number(r->lost_on_the_way), say_number(r->late),
		say_number(r->over_quota), say_number(r->no_space));
	if (r->resumed > 0)
		html_format(f, "<p>The receiver was restarted %s %s; %s %s lost in it.</p>",
			    say_number(r->resumed), say_plural(r->resumed, "time", "times"),
			    say_number(r->holes), say_plural(r->holes, "number", "numbers"));
	if (r->paused_ms > 0)
		html_format(f, "<p>For %s ms the host did not read the cell.</p>",
			    say_number(r->paused_ms));
	html_put(f, "</section>");
}

static void put_silences(struct newfile *f, const struct report *r)
{
	uint64_t n = r->n_silences < REPORT_SILENCES_MAX ? r->n_silences : REPORT_SILENCES_MAX;

	begin(f, "Silences");
	html_put(f,
		 n == 0 ? "<p>None.</p>"
			: "<div class=\"scroll\"><table><thead><tr><th>Noticed</th><th>Basis"
			  "</th><th class=\"num\">After</th><th>Ended</th><th>Who was asked, and "
			  "what each said</th></tr></thead><tbody>");
	for (uint64_t i = 0; i < n; i++) {
		const struct report_silence *s = &r->silence[i];

		html_put(f, "<tr><td>");
		html_entry(f, s->index);
		html_put(f, "</td><td>");
		text(f, s->basis);
		html_format(f, "</td><td class=\"num\">%s ms</td><td>", say_number(s->elapsed_ms));
		if (s->has_ended) {
			html_entry(f, s->end_index);
			html_format(f, ", %s ms", say_number(s->silent_ms));
		} else {
			html_put(f, "no");
		}
		html_put(f, "</td><td>");
		html_json(f, s->witnesses);
		html_put(f, "</td></tr>");
	}
	if (n > 0)
		html_put(f, "</tbody></table></div>");
	if (r->n_silences > n)
		html_format(f, "<p>And %s more.</p>", say_number(r->n_silences - n));
	html_put(f, "</section>");
}

static void put_tally(struct newfile *f, const char *what, const struct report_tally *t)
{
	if (t->n == 0 && t->others == 0)
		return;
	html_format(f, "<p>%s: ", what);
	for (size_t i = 0; i < t->n; i++) {
		html_format(f, "%s%s ", i > 0 ? ", " : "", say_number(t->list[i].count));
		text(f, t->list[i].name);
	}
	if (t->others > 0)
		html_format(f, ", %s others", say_number(t->others));
	html_put(f, ".</p>");
}

static void put_witnesses(struct newfile *f, const struct report *r)
{
	uint64_t n = r->n_witnessed < REPORT_WITNESSED_MAX ? r->n_witnessed : REPORT_WITNESSED_MAX;

	begin(f, "Witnesses");
	html_put(f, "<p>The cell's state at the end: <b>");
	text(f, r->state[0] != '\0' ? r->state : "expected");
	html_format(f, "</b>, after %s %s.</p>", say_number(r->state_changes),
		    say_plural(r->state_changes, "change", "changes"));
	put_tally(f, "Asked when it changed, they said", &r->said);
	put_tally(f, "Claims that nobody saw, or that what was seen contradicts", &r->judged);
	if (r->claims[0] != '\0') {
		html_put(f, "<p>All verdicts at the end: <code>");
		html_json(f, r->claims);
		html_put(f, "</code></p>");
	}
	if (r->undeclared_out > 0)
		html_format(f, "<p>%s packets left the VM while no connect had been declared.</p>",
			    say_number(r->undeclared_out));
	if (n > 0)
		html_put(f,
			 "<div class=\"scroll\"><table><thead><tr><th>Entry</th><th>What was held "
			 "against what was seen</th><th></th></tr></thead><tbody>");
	for (uint64_t i = 0; i < n; i++) {
		html_put(f, "<tr><td>");
		html_entry(f, r->witnessed[i].index);
		html_put(f, "</td><td>");
		text(f, r->witnessed[i].name);
		html_put(f, "</td><td>");
		html_exact(f, str_of(r->witnessed[i].facts));
		html_put(f, "</td></tr>");
	}
	if (n > 0)
		html_put(f, "</tbody></table></div>");
	if (r->n_witnessed > n)
		html_format(f, "<p>And %s more.</p>", say_number(r->n_witnessed - n));
	html_put(f, "</section>");
}

struct listing {
	struct newfile *f;
	unsigned n;
};

static void put_delta(void *context, const struct report_delta *d)
{
	struct listing *l = context;

	if (l->n == 0)
		html_put(l->f, "<div class=\"scroll\"><table><thead><tr><th>What</th><th "
			       "class=\"num\">First</th><th class=\"num\">Last</th><th "
			       "class=\"num\">Change</th></tr></thead><tbody>");
	if (l->n++ >= LISTED_DELTAS)
		return;
	html_put(l->f, "<tr><td>");
	text(l->f, d->path);
	html_format(l->f,
		    "</td><td class=\"num\">%" PRId64 "</td><td class=\"num\">%" PRId64
		    "</td><td class=\"num\">%+" PRId64 "</td></tr>",
		    d->first, d->last, (int64_t)((uint64_t)d->last - (uint64_t)d->first));
}

static void put_probe(struct newfile *f, const char *name, const struct report_probe *p)
{
	struct listing l = { .f = f };
	uint64_t same;

	html_format(f, "<h3>%s</h3><p>%s %s, %s failed", name, say_number(p->n),
		    say_plural(p->n, "reading", "readings"), say_number(p->failed));
	if (p->failed > 0) {
		html_put(f, " (last: ");
		text(f, p->error);
		html_put(f, ")");
	}
	if (p->first != NULL)
		html_format(f, "; entry %" PRIu64 " to entry %" PRIu64, p->first_index,
			    p->last_index);
	html_put(f, ".</p>");
	if (p->inputs != NULL) {
		html_put(f, "<p>Looked at: <code>");
		html_json(f, p->inputs);
		html_put(f, "</code></p>");
	}
	same = report_deltas(p, false, put_delta, &l);
	if (l.n > 0)
		html_put(f, "</tbody></table></div>");
	if (l.n > LISTED_DELTAS)
		html_format(f, "<p>And %u more that changed.</p>", l.n - LISTED_DELTAS);
	if (same > 0)
		html_format(f, "<p class=\"faint\">%s %s did not change.</p>", say_number(same),
			    say_plural(same, "number", "numbers"));
}

static void put_readings(struct newfile *f, const struct report *r)
{
	bool any = false;

	begin(f, "Readings");
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		if (r->probes[i].n == 0)
			continue;
		any = true;
		put_probe(f, event_types[EV_PROBE_FC_METRICS + i].name, &r->probes[i]);
	}
	html_put(f, any ? "</section>" : "<p>None.</p></section>");
}

void report_put_sections(struct newfile *f, const struct report *r)
{
	put_losses(f, r);
	put_silences(f, r);
	put_witnesses(f, r);
	put_readings(f, r);
	begin(f, "Refusals");
	if (r->faults.n + r->forged.n == 0)
		html_put(f, "<p>None.</p>");
	put_tally(f, "Frames that did not decode", &r->faults);
	put_tally(f, "Frames that claimed another's name, by key", &r->forged);
	put_tally(f, "Connections that ended", &r->turned_away);
	html_put(f, "</section>");
}
