/* SPDX-License-Identifier: Apache-2.0
 *
 * A report for a terminal. What a guest or an orchestrator wrote goes through put_visible.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "cli/say.h"
#include "cli/tail_line.h"
#include "cli/verify_report.h"
#include "cli/visible.h"

enum { LISTED_EVENTS = 60, LISTED_DELTAS = 12 };

static void heading(const char *name)
{
	cli_printf("\n%s%s%s\n", cli_colour(CLI_BOLD), name, cli_colour(CLI_PLAIN));
}

static void put_json(const char *json)
{
	uint8_t text[4 * 3 * REPORT_JSON_MAX];
	struct buf b = buf_init(text, sizeof(text));

	put_visible_json(&b, str_of(json));
	cli_put(text, buf_len(&b));
}

static void line_json(const char *name, const char *json)
{
	if (json[0] == '\0')
		return;
	cli_printf("  %-13s ", name);
	put_json(json);
	cli_printf("\n");
}

void report_put_duration(struct buf *b, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;
	char text[48];

	if (s < 60)
		(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64 " s", s,
			       ns / NS_PER_MS % 1000);
	else if (s < 3600)
		(void)snprintf(text, sizeof(text), "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		(void)snprintf(text, sizeof(text), "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			       s / 60 % 60);
	buf_put_str(b, str_of(text));
}

void report_put_quoted(struct buf *b, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._/:+@%=-";

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		buf_put_str(b, str_of(word));
		return;
	}
	buf_put_byte(b, '\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_put_lit(b, "'\\''");
		else
			buf_put_byte(b, (uint8_t)*word);
	buf_put_byte(b, '\'');
}

void report_put_command(struct buf *b, const struct report *r, const char *vkey)
{
	buf_put_lit(b, "cht verify --vkey ");
	report_put_quoted(b, vkey[0] != '\0' ? vkey : "VKEY");
	buf_put_lit(b, " --run ");
	report_put_quoted(b, r->run_id);
	buf_put_byte(b, ' ');
	report_put_quoted(b, r->path);
}

static void put_duration(uint64_t ns)
{
	uint8_t text[48];
	struct buf b = buf_init(text, sizeof(text));

	report_put_duration(&b, ns);
	cli_put(text, buf_len(&b));
}

static void registered(const struct report *r)
{
	if (!r->is_opened) {
		cli_printf("  registered    before what is here\n");
		return;
	}
	cli_printf("  registered    %s, entry %" PRIu64, say_shown(r->opened_time),
		   r->opened_index);
	if (r->has_by)
		cli_printf(", by user %" PRIu64 ", group %" PRIu64 ", process %" PRIu64 "\n",
			   r->by_uid, r->by_gid, r->by_pid);
	else
		cli_printf(", by chtd's configuration\n");
	line_json("channel", r->socket);
	line_json("correlation", r->correlation);
}

static void ended(const struct report *r)
{
	if (!r->is_sealed) {
		cli_printf("  ended         %snot sealed%s: last event %s\n",
			   cli_colour(CLI_YELLOW), cli_colour(CLI_PLAIN), say_shown(r->last_time));
		return;
	}
	cli_printf("  ended         %s, entry %" PRIu64 ": ", say_shown(r->sealed_time),
		   r->sealed_index);
	put_json(r->reason);
	cli_printf("\n");
}

static void verdict(const struct report *r)
{
	const struct verify_report *v = &r->verdict;
	enum cli_colour colour = v->verdict == VERIFY_CLEAN     ? CLI_GREEN
				 : v->verdict == VERIFY_DAMAGED ? CLI_RED
								: CLI_YELLOW;

	cli_printf("  verdict       %s%d %s%s: integrity %s, completeness %s, %s\n",
		   cli_colour(colour), (int)v->verdict, verdict_name(v->verdict),
		   cli_colour(CLI_PLAIN), verdict_name(v->integrity), verdict_name(v->completeness),
		   v->anchors.is_anchored ? "anchored" : "not anchored");
}

static void summary(const struct report *r)
{
	cli_printf("%srun %s%s of cell %s\n", cli_colour(CLI_BOLD), say_shown(r->run_id),
		   cli_colour(CLI_PLAIN), say_shown(r->cell));
	if (r->n_runs > 1)
		cli_printf("  attention     %s runs have this id; this is of all of them\n",
			   say_number(r->n_runs));
	verdict(r);
	cli_printf("  spec          %s\n", say_shown(r->spec));
	registered(r);
	ended(r);
	cli_printf("  lasted        ");
	put_duration((uint64_t)(r->timeline.to_ns - r->timeline.from_ns));
	cli_printf("\n  events        %s: %s of the guest, %s of the host, %s of the channel\n",
		   say_number(r->events), say_number(r->lanes[LANE_GUEST]),
		   say_number(r->lanes[LANE_HOST]), say_number(r->lanes[LANE_CHANNEL]));
	line_json("exit code", r->exit_code);
	line_json("residue", r->residue);
	if (r->has_bundle) {
		cli_printf("  evidence      bundle, entry %" PRIu64 "; destroyed: ",
			   r->bundle_index);
		put_json(r->destroyed);
		cli_printf("\n");
	}
}

/* Ten times as many events are a darker mark; a gap has one of its own. */
static char mark_of(const struct report_span *s, enum report_lane lane)
{
	static const char shades[] = ".:+#@";
	uint64_t n = s->events[lane];
	size_t shade = 0;

	if (lane == LANE_CHANNEL && s->lost > 0)
		return '!';
	if (s->is_hole)
		return '?';
	if (n == 0)
		return lane == LANE_GUEST && s->is_silent ? '_' : ' ';
	for (; n >= 10 && shades[shade + 1] != '\0'; n /= 10)
		shade++;
	return shades[shade];
}

static void timeline(const struct report *r)
{
	const struct report_timeline *t = &r->timeline;
	unsigned used = report_spans_used(t);

	heading("timeline");
	cli_printf("  %.23sZ to %.23sZ, a column is ", say_shown(r->first_time),
		   say_shown(r->last_time));
	put_duration(t->width_ns);
	cli_printf("\n");
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		cli_printf("  %-9s |", report_lane_name((enum report_lane)lane));
		for (unsigned i = 0; i < used; i++)
			cli_printf("%c", mark_of(&t->span[i], (enum report_lane)lane));
		cli_printf("|\n");
	}
	cli_printf("  . 1  : 10  + 100  # 1,000 events or more; _ silent  ! lost events  ? numbers "
		   "lost in a restart\n");
}

static void losses(const struct report *r)
{
	heading("losses");
	if (r->is_sealed)
		cli_printf(
			"  frames        %s received = %s stored + %s heartbeats + %s refused + %s "
			"dropped\n",
			say_number(r->received), say_number(r->stored), say_number(r->heartbeats),
			say_number(r->refused), say_number(r->dropped));
	else
		cli_printf("  frames        not counted before the run is sealed\n");
	cli_printf("  lost          %s in the guest, %s on the way (%s came late), %s over the "
		   "quota, %s for want of space\n",
		   say_number(r->lost_in_guest), say_number(r->lost_on_the_way),
		   say_number(r->late), say_number(r->over_quota), say_number(r->no_space));
	if (r->resumed > 0)
		cli_printf("  restarts      %s of the receiver, %s %s lost in them\n",
			   say_number(r->resumed), say_number(r->holes),
			   say_plural(r->holes, "number", "numbers"));
	if (r->paused_ms > 0)
		cli_printf("  not read      %s ms, by the host\n", say_number(r->paused_ms));
}

static void silences(const struct report *r)
{
	uint64_t n = r->n_silences < REPORT_SILENCES_MAX ? r->n_silences : REPORT_SILENCES_MAX;

	heading("silences");
	if (n == 0)
		cli_printf("  none\n");
	for (uint64_t i = 0; i < n; i++) {
		const struct report_silence *s = &r->silence[i];

		cli_printf("  entry %-7" PRIu64 " %s after %s ms, ", s->index, say_shown(s->basis),
			   say_number(s->elapsed_ms));
		if (s->has_ended)
			cli_printf("ended at entry %" PRIu64 " after %s ms; ", s->end_index,
				   say_number(s->silent_ms));
		else
			cli_printf("not ended; ");
		put_json(s->witnesses);
		cli_printf("\n");
	}
	if (r->n_silences > n)
		cli_printf("  and %s more\n", say_number(r->n_silences - n));
}

static void tally(const char *name, const struct report_tally *t)
{
	if (t->n == 0 && t->others == 0)
		return;
	cli_printf("  %-13s", name);
	for (size_t i = 0; i < t->n; i++)
		cli_printf("%s %s %s", i > 0 ? "," : "", say_number(t->list[i].count),
			   say_shown(t->list[i].name));
	if (t->others > 0)
		cli_printf(", %s others", say_number(t->others));
	cli_printf("\n");
}

static void witnesses(const struct report *r)
{
	uint64_t n = r->n_witnessed < REPORT_WITNESSED_MAX ? r->n_witnessed : REPORT_WITNESSED_MAX;

	heading("witnesses");
	cli_printf("  state         %s, after %s %s\n",
		   r->state[0] != '\0' ? say_shown(r->state) : "expected",
		   say_number(r->state_changes), say_plural(r->state_changes, "change", "changes"));
	tally("they said", &r->said);
	tally("claims", &r->judged);
	line_json("at the end", r->claims);
	if (r->undeclared_out > 0)
		cli_printf("  undeclared    %s packets left while no connect had been declared\n",
			   say_number(r->undeclared_out));
	for (uint64_t i = 0; i < n; i++)
		cli_printf("  entry %-7" PRIu64 " %s%s\n", r->witnessed[i].index,
			   say_shown(r->witnessed[i].name), r->witnessed[i].facts);
	if (r->n_witnessed > n)
		cli_printf("  and %s more\n", say_number(r->n_witnessed - n));
}

static void put_delta(void *context, const struct report_delta *d)
{
	unsigned *n = context;

	if ((*n)++ < LISTED_DELTAS)
		cli_printf("    %-40s %" PRId64 " to %" PRId64 " (%+" PRId64 ")\n",
			   say_shown(d->path), d->first, d->last,
			   (int64_t)((uint64_t)d->last - (uint64_t)d->first));
}

static void readings(const struct report *r)
{
	bool any = false;

	heading("readings");
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		const struct report_probe *p = &r->probes[i];
		uint64_t same;
		unsigned n = 0;

		if (p->n == 0)
			continue;
		any = true;
		cli_printf("  %-13s %s, %s failed", event_types[EV_PROBE_FC_METRICS + i].name + 5,
			   say_number(p->n), say_number(p->failed));
		if (p->failed > 0)
			cli_printf(" (last: %s)", say_shown(p->error));
		if (p->first != NULL)
			cli_printf("; entry %" PRIu64 " to entry %" PRIu64, p->first_index,
				   p->last_index);
		cli_printf("\n");
		same = report_deltas(p, false, put_delta, &n);
		if (n > LISTED_DELTAS)
			cli_printf("    and %u more that changed\n", n - LISTED_DELTAS);
		if (same > 0)
			cli_printf("    %s %s did not change\n", say_number(same),
				   say_plural(same, "number", "numbers"));
	}
	if (!any)
		cli_printf("  none\n");
}

static void refusals(const struct report *r)
{
	heading("refusals");
	if (r->faults.n + r->forged.n == 0)
		cli_printf("  none\n");
	tally("frames", &r->faults);
	tally("forged keys", &r->forged);
	tally("closed", &r->turned_away);
}

static void events(const struct report *r)
{
	struct tail_lines lines = { .cell_width = 0 };
	uint64_t left_out = 0;
	size_t shown = 0;

	heading("events");
	for (size_t i = 0; i < r->picks.n; i++) {
		const struct report_picked *p = &r->picks.list[i];
		struct event_view view;

		if (p->class >= CLASS_READING || shown >= LISTED_EVENTS ||
		    !tail_scan((struct cht_bytes){ (const uint8_t *)p->entry, p->len }, &view)) {
			left_out++;
			continue;
		}
		shown++;
		tail_put_line(&lines, &view);
	}
	for (unsigned c = 0; c <= CLASS_PLAIN; c++)
		left_out += r->picks.left_out[c];
	if (left_out > 0)
		cli_printf("and %s more: cht cat --run %s, or --html\n", say_number(left_out),
			   say_shown(r->run_id));
}

void report_print_text(const struct report *r)
{
	summary(r);
	timeline(r);
	losses(r);
	silences(r);
	witnesses(r);
	readings(r);
	refusals(r);
	events(r);
	heading("verdict, as cht verify judges");
	verify_print_text(&r->verdict, r->path, r->run_id);
}
