/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "cli/tail_line.h"
#include "cli/verify_report.h"

/* What stands between an event's quotes is JSON already; what the caller gave is not. */
static void put_bare(const char *key, const char *text)
{
	cli_put_str(str_of(key));
	cli_put("\"", 1);
	cli_put_str(str_of(text));
	cli_put("\"", 1);
}

static void put_text(const char *key, const char *text)
{
	uint8_t mem[6 * 4096 + 2];
	struct buf b = buf_init(mem, sizeof(mem));
	size_t n = strlen(text);

	n = utf8_valid_prefix((const uint8_t *)text, n < 4096 ? n : 4096);
	json_put_str(&b, (struct cht_str){ text, n });
	cli_put_str(str_of(key));
	cli_put(mem, buf_len(&b));
}

static void put_json(const char *key, const char *json)
{
	cli_put_str(str_of(key));
	cli_put_str(json[0] != '\0' ? str_of(json) : STR("null"));
}

static void put_number(const char *key, uint64_t v)
{
	cli_printf("%s%" PRIu64, key, v);
}

static void summary(const struct report *r)
{
	put_text("{\"run\":", r->run_id);
	put_bare(",\"cell\":", r->cell);
	put_bare(",\"spec\":", r->spec);
	put_number(",\"runsWithThisId\":", r->n_runs);
	put_number(",\"events\":", r->events);
	put_number(",\"firstIndex\":", r->first_index);
	put_number(",\"lastIndex\":", r->last_index);
	put_bare(",\"firstTime\":", r->first_time);
	put_bare(",\"lastTime\":", r->last_time);
	if (!r->is_opened) {
		cli_printf(",\"opened\":null");
	} else {
		put_number(",\"opened\":{\"index\":", r->opened_index);
		put_bare(",\"time\":", r->opened_time);
		put_json(",\"socket\":", r->socket);
		put_json(",\"correlation\":", r->correlation);
		if (r->has_by)
			cli_printf(",\"by\":{\"uid\":%" PRIu64 ",\"gid\":%" PRIu64
				   ",\"pid\":%" PRIu64 "}}",
				   r->by_uid, r->by_gid, r->by_pid);
		else
			cli_printf(",\"by\":null}");
	}
	if (!r->is_sealed) {
		cli_printf(",\"sealed\":null");
	} else {
		put_number(",\"sealed\":{\"index\":", r->sealed_index);
		put_bare(",\"time\":", r->sealed_time);
		put_json(",\"reason\":", r->reason);
		cli_printf("}");
	}
	put_json(",\"exitCode\":", r->exit_code);
	put_json(",\"residueClass\":", r->residue);
	if (r->has_bundle) {
		put_number(",\"evidenceBundle\":{\"index\":", r->bundle_index);
		put_json(",\"cellDestroyedEventRef\":", r->destroyed);
		cli_printf("}");
	} else {
		cli_printf(",\"evidenceBundle\":null");
	}
}

static void timeline(const struct report *r)
{
	const struct report_timeline *t = &r->timeline;
	unsigned used = report_spans_used(t);

	cli_printf(",\"timeline\":{\"fromUnixNs\":%" PRId64 ",\"spanNs\":%" PRIu64 ",\"spans\":[",
		   t->from_ns, t->width_ns);
	for (unsigned i = 0; i < used; i++) {
		const struct report_span *s = &t->span[i];

		put_number(i > 0 ? ",{\"guest\":" : "{\"guest\":", s->events[LANE_GUEST]);
		put_number(",\"host\":", s->events[LANE_HOST]);
		put_number(",\"channel\":", s->events[LANE_CHANNEL]);
		put_number(",\"lost\":", s->lost);
		cli_printf(",\"silent\":%s,\"hole\":%s}", s->is_silent ? "true" : "false",
			   s->is_hole ? "true" : "false");
	}
	cli_printf("]}");
}

static void put_tally(const char *key, const struct report_tally *t)
{
	cli_put_str(str_of(key));
	cli_printf("{");
	for (size_t i = 0; i < t->n; i++) {
		put_bare(i > 0 ? "," : "", t->list[i].name);
		put_number(":", t->list[i].count);
	}
	if (t->others > 0) {
		put_bare(t->n > 0 ? "," : "", "(others)");
		put_number(":", t->others);
	}
	cli_printf("}");
}

static void losses(const struct report *r)
{
	if (r->is_sealed)
		cli_printf(",\"losses\":{\"frames\":{\"received\":%" PRIu64 ",\"stored\":%" PRIu64
			   ",\"heartbeats\":%" PRIu64 ",\"refused\":%" PRIu64
			   ",\"dropped\":%" PRIu64 "}",
			   r->received, r->stored, r->heartbeats, r->refused, r->dropped);
	else
		cli_printf(",\"losses\":{\"frames\":null");
	put_number(",\"inGuest\":", r->lost_in_guest);
	put_number(",\"onTheWay\":", r->lost_on_the_way);
	put_number(",\"late\":", r->late);
	put_number(",\"overQuota\":", r->over_quota);
	put_number(",\"noSpace\":", r->no_space);
	put_number(",\"gapEvents\":", r->gaps);
	put_number(",\"restarts\":", r->resumed);
	put_number(",\"numbersLost\":", r->holes);
	put_number(",\"pausedMs\":", r->paused_ms);
	cli_printf("}");
}

static void silences(const struct report *r)
{
	uint64_t n = r->n_silences < REPORT_SILENCES_MAX ? r->n_silences : REPORT_SILENCES_MAX;

	put_number(",\"silences\":{\"count\":", r->n_silences);
	cli_printf(",\"episodes\":[");
	for (uint64_t i = 0; i < n; i++) {
		const struct report_silence *s = &r->silence[i];

		put_number(i > 0 ? ",{\"index\":" : "{\"index\":", s->index);
		put_bare(",\"basis\":", s->basis);
		put_number(",\"elapsedMs\":", s->elapsed_ms);
		put_json(",\"witnesses\":", s->witnesses);
		if (s->has_ended) {
			put_number(",\"endIndex\":", s->end_index);
			put_number(",\"silentMs\":", s->silent_ms);
		}
		cli_printf("}");
	}
	cli_printf("]}");
}

static void witnesses(const struct report *r)
{
	uint64_t n = r->n_witnessed < REPORT_WITNESSED_MAX ? r->n_witnessed : REPORT_WITNESSED_MAX;

	put_bare(",\"witnesses\":{\"state\":", r->state[0] != '\0' ? r->state : "expected");
	put_number(",\"stateChanges\":", r->state_changes);
	put_tally(",\"said\":", &r->said);
	put_tally(",\"judged\":", &r->judged);
	put_json(",\"claims\":", r->claims);
	put_number(",\"undeclaredPacketsOut\":", r->undeclared_out);
	put_number(",\"count\":", r->n_witnessed);
	cli_printf(",\"events\":[");
	for (uint64_t i = 0; i < n; i++) {
		put_number(i > 0 ? ",{\"index\":" : "{\"index\":", r->witnessed[i].index);
		put_bare(",\"time\":", r->witnessed[i].time);
		put_bare(",\"name\":", r->witnessed[i].name);
		cli_printf("}");
	}
	cli_printf("]}");
}

static void put_delta(void *context, const struct report_delta *d)
{
	bool *any = context;

	put_text(*any ? "," : "", d->path);
	*any = true;
	cli_printf(":{\"first\":%" PRId64 ",\"last\":%" PRId64 "}", d->first, d->last);
}

static void readings(const struct report *r)
{
	bool any = false;

	cli_printf(",\"readings\":{");
	for (unsigned i = 0; i < CHT_N_PROBES; i++) {
		const struct report_probe *p = &r->probes[i];
		bool any_delta = false;

		if (p->n == 0)
			continue;
		put_bare(any ? "," : "", event_types[EV_PROBE_FC_METRICS + i].name);
		any = true;
		put_number(":{\"count\":", p->n);
		put_number(",\"failed\":", p->failed);
		put_json(",\"inputs\":", p->inputs != NULL ? p->inputs : "");
		if (p->failed > 0)
			put_bare(",\"lastError\":", p->error);
		if (p->first != NULL) {
			put_number(",\"firstIndex\":", p->first_index);
			put_number(",\"lastIndex\":", p->last_index);
		}
		cli_printf(",\"numbers\":{");
		(void)report_deltas(p, true, put_delta, &any_delta);
		cli_printf("}}");
	}
	cli_printf("}");
}

static void events(const struct report *r)
{
	bool any = false;

	cli_printf(",\"picked\":[");
	for (size_t i = 0; i < r->picks.n; i++) {
		const struct report_picked *p = &r->picks.list[i];
		struct event_view view;
		struct cht_str name;

		if (!tail_scan((struct cht_bytes){ (const uint8_t *)p->entry, p->len }, &view))
			continue;
		name = tail_name(&view);
		put_number(any ? ",{\"index\":" : "{\"index\":", p->index);
		any = true;
		cli_printf(",\"time\":\"%.*s\",\"name\":\"%.*s\",\"lane\":\"%s\"}",
			   (int)view.time.len, view.time.ptr, (int)name.len, name.ptr,
			   report_lane_name(p->lane));
	}
	cli_printf("]");
}

void report_print_json(const struct report *r)
{
	summary(r);
	timeline(r);
	losses(r);
	silences(r);
	witnesses(r);
	readings(r);
	put_tally(",\"refusals\":{\"faults\":", &r->faults);
	put_tally(",\"forged\":", &r->forged);
	put_tally(",\"closed\":", &r->turned_away);
	put_tally("},\"types\":", &r->types);
	events(r);
	cli_printf(",\"verify\":");
	verify_put_json(&r->verdict, r->path, r->run_id);
	cli_printf("}\n");
}
