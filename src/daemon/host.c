/* SPDX-License-Identifier: Apache-2.0 */
/* What the host says of itself, of its clocks and of its ledger, in a run of its own. Only the
 * first and the last events may wait for room; the others are told when there is some. */
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "daemon/emit.h"
#include "daemon/host.h"

static struct clock_adjust read_adjust(void)
{
	struct timex adjust = { .modes = 0 };
	struct clock_adjust out = { .status = adjtimex(&adjust) };

	out.offset_ns = (adjust.status & STA_NANO) != 0 ? adjust.offset : adjust.offset * 1000;
	/* freq is parts per million with 16 fractional bits. */
	out.freq_ppb = adjust.freq * 1000 / 65536;
	return out;
}

static int tell_opened(struct line *line, struct cht_err *err)
{
	const struct handoff_msg *ready = &line->ledger;
	struct cht_stamped stamped;

	run_stamp(&line->host, EV_LOG_OPENED, &line->now, &stamped);
	stamped.facts.log_opened =
		(struct facts_log_opened){ .origin = str_of(ready->ready.origin),
					   .vkey = str_of(ready->ready.vkey),
					   .reason = str_of(ready->ready.reason),
					   .retain_age_s = ready->ready.retain_age_s,
					   .retain_bytes = ready->ready.retain_bytes,
					   .predecessor = line->predecessor };
	return line_emit(line, NULL, &stamped, err);
}

static int tell_recovery(struct line *line, struct cht_err *err)
{
	const struct handoff_msg *ready = &line->ledger;
	struct cht_stamped stamped;

	if (ready->ready.is_new || (ready->ready.was_clean && ready->ready.cut_bytes == 0))
		return 0;
	run_stamp(&line->host, EV_LEDGER_RECOVERED, &line->now, &stamped);
	stamped.facts.recovered = (struct facts_recovered){ .kept = ready->ready.next_index,
							    .from = ready->ready.recovered_from,
							    .to = ready->ready.next_index,
							    .cut_bytes = ready->ready.cut_bytes };
	diag(DIAG_NOTICE,
	     "the last stop was not clean: %llu entries kept, %llu bytes of a torn one cut",
	     (unsigned long long)ready->ready.next_index,
	     (unsigned long long)ready->ready.cut_bytes);
	return line_emit(line, NULL, &stamped, err);
}

static int tell_started(struct line *line, const struct table_found *found, struct cht_err *err)
{
	bool is_new = line->ledger.ready.is_new != 0;
	bool has_earlier = !is_new || line->predecessor.note.len > 0;
	struct cht_stamped stamped;
	struct facts_host_started *f = &stamped.facts.host_started;
	struct utsname host;

	if (uname(&host) < 0)
		host.release[0] = '\0';
	run_stamp(&line->host, EV_HOST_STARTED, &line->now, &stamped);
	*f = (struct facts_host_started){ .version = STR(CHT_VERSION),
					  .boot_id = str_of(line->boot_id),
					  .kernel = str_of(host.release),
					  .lockdown =
						  str_of(lockdown_mode_name(line->lockdown.mode)),
					  .landlock = (unsigned)line->lockdown.landlock,
					  .previous = STR("unclean"),
					  .cells = line->conf->n_cells,
					  .next_index = line_next_index(line),
					  .adjust = read_adjust(),
					  .table_lost = found->lost && has_earlier };
	if (is_new)
		f->previous = STR("none");
	else if (found->was_stopped)
		f->previous = STR("clean");
	if (f->table_lost)
		diag(DIAG_WARNING, "the run table is lost: earlier runs stay unsealed");
	return line_emit(line, NULL, &stamped, err);
}

int host_tell_start(struct line *line, const struct table_found *found, struct cht_err *err)
{
	struct step_reading at;
	int r = 0;

	clk_read_apart(&at.realtime_ns, &at.boot_before_ns, &at.boot_after_ns);
	step_watch_init(&line->clock, &at);
	clk_read(&line->now);
	line->next_alive_ns = line->now.monotonic_ns + LIMIT_ALIVE_NS;
	if (line->ledger.ready.is_new)
		r = tell_opened(line, err);
	if (r == 0)
		r = tell_started(line, found, err);
	return r < 0 ? r : tell_recovery(line, err);
}

int host_tell_closed(struct line *line, struct cht_err *err)
{
	const char *vkey = line->conf->close_for;
	struct cht_stamped stamped;

	run_stamp(&line->host, EV_LOG_CLOSED, &line->now, &stamped);
	stamped.facts.log_closed =
		(struct facts_log_closed){ .reason = str_of(line->conf->close_reason),
					   .successor = { vkey, strcspn(vkey, "+") },
					   .successor_vkey = str_of(vkey) };
	return line_emit(line, NULL, &stamped, err);
}

int host_tell_stop(struct line *line, struct cht_str reason, struct cht_err *err)
{
	struct cht_stamped stamped;

	run_stamp(&line->host, EV_HOST_STOPPED, &line->now, &stamped);
	stamped.facts.host_stopped =
		(struct facts_host_stopped){ .reason = reason, .cells = line->n_cells };
	return line_emit(line, NULL, &stamped, err);
}

int host_watch_clock(struct line *line, struct cht_err *err)
{
	struct cht_stamped stamped;
	struct facts_clock_stepped facts;
	struct step_reading at;

	if (!step_watch_is_off(&line->clock, &line->now) || !line_has_room(line))
		return 0;
	clk_read_apart(&at.realtime_ns, &at.boot_before_ns, &at.boot_after_ns);
	if (!step_watch_judge(&line->clock, &at, &facts))
		return 0;
	run_stamp(&line->host, EV_CLOCK_STEPPED, &line->now, &stamped);
	stamped.facts.clock_stepped = facts;
	diag(DIAG_NOTICE, "the wall clock was set by %lld ms",
	     (long long)(facts.step_ns / (int64_t)NS_PER_MS));
	return line_emit(line, NULL, &stamped, err);
}

static int tell_alive(struct line *line, struct cht_err *err)
{
	struct cht_stamped stamped;

	line->next_alive_ns = line->now.monotonic_ns + LIMIT_ALIVE_NS;
	run_stamp(&line->host, EV_LEDGER_ALIVE, &line->now, &stamped);
	stamped.facts.alive = (struct facts_alive){
		.boot_id = str_of(line->boot_id),
		.next_index = line->base_index + ring_durable_count(&line->ring),
		.adjust = read_adjust(),
	};
	return line_emit(line, NULL, &stamped, err);
}

static int answer_prune(struct line *line, uint64_t min_index, struct cht_err *err)
{
	const struct handoff_msg answer = { .kind = HANDOFF_PRUNED,
					    .version = HANDOFF_VERSION,
					    .prune = { .min_index = min_index } };
	int r = handoff_send(line->scribe.sock, &answer, NULL, 0, err);

	return r == CHT_E_PEER ? 0 : r; /* that it is gone is heard elsewhere */
}

/* As asked, or the segment of the oldest open run. */
static uint64_t may_go_below(const struct line *line)
{
	uint64_t at = line->pruning.asked;

	for (uint32_t i = 0; i < line->slots_used; i++)
		if (line->slots[i].table_slot >= 0 && line->slots[i].cell.run.first_index < at)
			at = line->slots[i].cell.run.first_index;
	if (line_next_index(line) < at)
		at = line_next_index(line);
	return at - at % SEGMENT_ENTRIES;
}

static int agree_to_prune(struct line *line, struct cht_err *err)
{
	struct pruning *p = &line->pruning;
	uint64_t min_index = may_go_below(line);
	struct cht_stamped stamped;
	int r;

	p->is_asked = false;
	if (min_index <= p->min_index)
		return answer_prune(line, 0, err);
	run_stamp(&line->host, EV_LEDGER_PRUNED, &line->now, &stamped);
	stamped.facts.pruned.min_index = min_index;
	r = line_emit(line, NULL, &stamped, err);
	p->min_index = min_index;
	p->told_at = ring_put_count(&line->ring);
	return r;
}

static int go_on_pruning(struct line *line, struct cht_err *err)
{
	struct pruning *p = &line->pruning;

	if (p->told_at != 0) {
		if (ring_durable_count(&line->ring) < p->told_at)
			return 0;
		p->told_at = 0;
		return answer_prune(line, p->min_index, err);
	}
	return p->is_asked ? agree_to_prune(line, err) : 0;
}

int host_on_time(struct line *line, struct cht_err *err)
{
	int r = go_on_pruning(line, err);

	if (r == 0 && line->now.monotonic_ns >= line->next_alive_ns)
		r = tell_alive(line, err);
	return r < 0 ? r : vsock_tell(line, false, err);
}

uint64_t host_deadline(const struct line *line)
{
	/* Asked while we were starting: nothing else would wake us. */
	if (line->pruning.is_asked && line->pruning.told_at == 0)
		return 0;
	return vsock_deadline(line) < line->next_alive_ns ? vsock_deadline(line)
							  : line->next_alive_ns;
}
