/* SPDX-License-Identifier: Apache-2.0
 *
 * The run is looked for from the end, a segment at a time: the newest one of a cell is near it.
 * What is shown then is read from its beginning and held against the checkpoint.
 */
#include "cli/ps.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "cli/tail_line.h"

/* ---- one event */

static void copy(char *out, size_t cap, struct cht_str s)
{
	size_t n = s.len < cap - 1 ? s.len : cap - 1;

	memcpy(out, s.ptr, n);
	out[n] = '\0';
}

static uint64_t sum(struct cht_str data, const char *const *paths)
{
	uint64_t all = 0, v;

	for (; *paths != NULL; paths++)
		if (event_data_u64(data, *paths, &v))
			all += v;
	return all;
}

static void take_losses(struct ps_losses *l, struct cht_str data)
{
	static const char *const lost[] = { "inGuest", "onTheWay", "overQuota", "noSpace", NULL };
	static const char *const found[] = { "late", NULL };
	uint64_t late = sum(data, found);

	l->events += sum(data, lost);
	l->events -= late < l->events ? late : l->events;
}

/* A source of process events that the agent says it has not, or not in full. */
static bool is_blind(struct cht_str data)
{
	static const char *const sources[] = { "process.spawned", "process.exited" };
	struct cht_str list;

	if (!event_data_find(data, "guest.coverage", &list))
		return false;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		char key[48];
		struct buf b = buf_init(key, sizeof(key));
		const char *at, *end, *active;

		buf_put_lit(&b, "\"source\":\"");
		buf_put_str(&b, str_of(sources[i]));
		buf_put_byte(&b, '"');
		at = memmem(list.ptr, list.len, key, buf_len(&b));
		if (at == NULL)
			return true;
		end = memchr(at, '}', list.len - (size_t)(at - list.ptr));
		active = end != NULL ? memmem(at, (size_t)(end - at), "\"state\":\"active\"", 16)
				     : NULL;
		if (active == NULL)
			return true;
	}
	return false;
}

static int take_process(struct ps *ps, const struct event_view *event, uint64_t index,
			struct cht_err *err)
{
	struct proc_facts facts = { .index = index, .time = event->time };
	struct cht_err why = { 0 };
	uint64_t v;
	int r;

	ps->losses.declarations++;
	ps->losses.unnumbered += !event->is_numbered;
	if (!event_data_u64(event->data, "guest.guestPid", &v))
		return 0;
	facts.pid = (uint32_t)v;
	if (event->known->kind == EV_GUEST_PROCESS_EXITED) {
		procs_ended(&ps->procs, facts.pid);
		return 0;
	}
	facts.has_ppid = event_data_u64(event->data, "guest.ppid", &v);
	facts.ppid = facts.has_ppid ? (uint32_t)v : 0;
	if (!event_data_find(event->data, "guest.guestComm", &facts.comm))
		facts.comm = STR("\"\"");
	if (!event_data_find(event->data, "guest.exe", &facts.exe))
		facts.exe = (struct cht_str){ "", 0 };
	r = procs_began(&ps->procs, &facts, &why);
	if (r == CHT_E_LIMIT) {
		ps->losses.is_cut = true;
		return 0;
	}
	if (r < 0)
		*err = why;
	return r;
}

static void take_numbers(struct ps *ps, const struct event_view *event)
{
	struct cht_str boot;
	uint64_t epoch;

	if (event_data_find(event->data, "channel.agentBoot", &boot) && boot.len == 18 &&
	    memcmp(ps->boot, boot.ptr + 1, 16) != 0) {
		copy(ps->boot, sizeof(ps->boot), (struct cht_str){ boot.ptr + 1, 16 });
		ps->losses.agents++;
	}
	if (ps->sequence != 0 && event->sequence > ps->sequence + 1)
		ps->losses.numbers += event->sequence - ps->sequence - 1;
	if (event->sequence > ps->sequence)
		ps->sequence = event->sequence;
	if (event_data_u64(event->data, "channel.epoch", &epoch) && epoch > ps->losses.epoch)
		ps->losses.epoch = epoch;
}

int ps_take(struct ps *ps, const struct event_view *event, uint64_t index, struct cht_err *err)
{
	static const char *const count[] = { "count", NULL };

	ps->last = index;
	copy(ps->time, sizeof(ps->time), event->time);
	take_numbers(ps, event);
	if (event->known == NULL)
		return 0;
	if (event->known->kind == EV_GUEST_PROCESS_SPAWNED ||
	    event->known->kind == EV_GUEST_PROCESS_EXITED)
		return take_process(ps, event, index, err);
	if (event->known->kind == EV_GUEST_AGENT_HELLO) {
		ps->losses.hellos++;
		ps->losses.is_blind = ps->losses.is_blind || is_blind(event->data);
	} else if (event->known->kind == EV_GUEST_TELEMETRY_DROPPED) {
		take_losses(&ps->losses, event->data);
	} else if (event->known->kind == EV_FRAMES_REFUSED) {
		ps->losses.refused += sum(event->data, count);
	} else if (event->known->kind == EV_GUEST_AGENT_SILENCED) {
		ps->is_silent = true;
		copy(ps->silent_since, sizeof(ps->silent_since), event->time);
	} else if (event->known->kind == EV_GUEST_AGENT_RESUMED) {
		ps->is_silent = false;
	} else if (event->known->kind == EV_RUN_SEALED) {
		ps->is_sealed = true;
	} else if (event->known->kind == EV_RUN_CONTINUED) {
		ps->losses.is_continued = true;
	}
	return 0;
}

/* ---- what is missing */

static bool is_short(const struct ps_losses *l, bool is_faulty)
{
	return is_faulty || l->events > 0 || l->refused > 0 || l->numbers > 0 || l->agents > 1 ||
	       l->epoch > 0 || l->is_blind || l->is_continued || l->is_cut;
}

const char *ps_complete(const struct ps *ps, bool is_faulty)
{
	if (is_short(&ps->losses, is_faulty))
		return "no";
	return ps->losses.hellos == 0 || ps->losses.unnumbered > 0 ? "unknown" : "yes";
}

static void put_count(struct buf *b, uint64_t n, const char *one, const char *many)
{
	put_u64(b, n);
	buf_put_str(b, str_of(n == 1 ? one : many));
}

/* The reason of this number; false when it does not hold. */
static bool put_reason(const struct ps *ps, bool is_faulty, unsigned which, struct buf *b)
{
	const struct ps_losses *l = &ps->losses;

	switch (which) {
	case 0:
		buf_put_lit(b, "the ledger is damaged: not all of the run can be read");
		return is_faulty;
	case 1:
		put_count(b, l->events, " event of the guest is lost",
			  " events of the guest are lost");
		return l->events > 0;
	case 2:
		put_count(b, l->refused, " frame could not be read", " frames could not be read");
		return l->refused > 0;
	case 3:
		put_count(b, l->numbers, " event of the run is not stored",
			  " events of the run are not stored");
		return l->numbers > 0;
	case 4:
		buf_put_lit(b, "the agent began ");
		put_count(b, l->agents, " time", " times");
		buf_put_lit(b, ": what happened between is not told");
		return l->agents > 1;
	case 5:
		buf_put_lit(b,
			    "the guest was restored from a snapshot: what ran in it is not told");
		return l->epoch > 0;
	case 6:
		buf_put_lit(b, "the agent does not see every process: see its agent_hello");
		return l->is_blind;
	case 7:
		buf_put_lit(b, "the run began in an earlier log, which is not read");
		return l->is_continued;
	case 8: buf_put_lit(b, "the guest told of more processes than are kept"); return l->is_cut;
	case 9:
		buf_put_lit(b, "no agent said hello: nobody says what it can see");
		return l->hellos == 0;
	case 10:
		buf_put_lit(b, "the agent does not number its events: a loss would not be noticed");
		return l->unnumbered > 0;
	default: return false;
	}
}

bool ps_next_reason(const struct ps *ps, bool is_faulty, unsigned *at, struct buf *out)
{
	enum { N_REASONS = 11 };
	uint8_t *start = out->at;

	while (*at < N_REASONS) {
		out->at = start;
		if (put_reason(ps, is_faulty, (*at)++, out))
			return true;
	}
	out->at = start;
	return false;
}

/* ---- the run in the ledger */

/* Whether the entry is the first event of a run of the cell; which run, then. */
static bool is_first(struct cht_bytes entry, const char *cell, const char *run,
		     struct event_view *event)
{
	/* Most entries have neither of these bytes anywhere. */
	if (memmem(entry.ptr, entry.len, ".run.opened\"", 12) == NULL &&
	    memmem(entry.ptr, entry.len, ".run.continued\"", 15) == NULL)
		return false;
	return tail_scan(entry, event) && event->known != NULL &&
	       (event->known->kind == EV_RUN_OPENED || event->known->kind == EV_RUN_CONTINUED) &&
	       str_eq(event->cell_id, str_of(cell)) &&
	       (run == NULL || str_eq(event->run_id, str_of(run)));
}

/* In the segment that holds the entry before `end`: the last first event. 1, 0, or an error. *end
 * moves to the beginning of the segment. */
static int find_in_segment(struct ps *ps, struct follow *f, const char *run, uint64_t *end,
			   struct cht_err *err)
{
	struct event_view event;
	struct cht_bytes entry;
	uint64_t begin, limit = *end;
	int found = 0, r = ledger_reader_seek(&f->reader, *end - 1, err);

	begin = f->reader.next;
	while (r >= 0 && f->reader.next < limit && (r = follow_look(f, &entry, err)) == 1)
		if (f->reader.next <= limit && is_first(entry, ps->cell, run, &event)) {
			ps->first = f->reader.next - 1;
			copy(ps->run, sizeof(ps->run), event.run_id);
			found = 1;
		}
	*end = begin;
	return r < 0 ? r : found;
}

static int find_run(struct ps *ps, struct follow *f, const char *run, struct cht_err *err)
{
	uint64_t end = f->view.size, before;
	int r = 0;

	while (r == 0 && end > 0) {
		before = end;
		r = find_in_segment(ps, f, run, &end, err);
		if (end >= before)
			break;
	}
	if (r == 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"no run%s%s of a cell %s is in this ledger%s: see cht cat --type "
				"run.opened",
				run != NULL ? " " : "", run != NULL ? run : "", ps->cell,
				end > 0 ? " as far back as it goes" : "");
	return r < 0 ? r : 0;
}

static int seek_first(struct ps *ps, struct follow *f, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	int r = ledger_reader_goto(&f->reader, &hashes, ps->first, err);

	if (r == CHT_E_STATE)
		r = ledger_reader_seek(&f->reader, ps->first, err);
	return r < 0 ? r : 0;
}

int ps_read(struct ps *ps, struct follow *f, const char *cell, const char *run, struct cht_err *err)
{
	struct event_view event;
	struct cht_bytes entry;
	int r;

	*ps = (struct ps){ .sequence = 0 };
	if (strlen(cell) > CHT_CELL_ID_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0, "no cell has an id as long as this");
	copy(ps->cell, sizeof(ps->cell), str_of(cell));
	r = find_run(ps, f, run, err);
	if (r == 0)
		r = seek_first(ps, f, err);
	while (r >= 0 && !ps->is_sealed && (r = follow_next(f, &entry, err)) == 1)
		if (f->reader.next > ps->first && tail_scan(entry, &event) &&
		    str_eq(event.cell_id, str_of(ps->cell)) &&
		    str_eq(event.run_id, str_of(ps->run)))
			r = ps_take(ps, &event, f->reader.next - 1, err);
	return r < 0 ? r : 0;
}

void ps_free(struct ps *ps)
{
	procs_free(&ps->procs);
}
