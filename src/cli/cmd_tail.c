/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the ledger is read twice: once to learn where the last events that match stand, which
 * needs a number for each and no copy, and from there on to show them.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/follow.h"
#include "cli/tail_line.h"

enum { OPT_OUTPUT = FILTER_OPTIONS_END, OPT_LINES, OPT_NO_FOLLOW, OPT_FROM, OPT_INDEX };

enum { LINES_MAX = 10000, LINES_DEFAULT = 10 };
#define LINES_ALL UINT64_MAX

struct request {
	const char *dir;
	uint64_t n, from;
	bool json, ends, has_from, has_index;
	struct filter filter;
};

static int seek_last_segment(struct follow *f, struct cht_err *err)
{
	return ledger_reader_seek(&f->reader, f->view.size > 0 ? f->view.size - 1 : 0, err);
}

/* To the last segment but one, so that at least a whole segment is looked at, however long the
 * ledger is. */
static int seek_near_end(struct follow *f, struct cht_err *err)
{
	int r = seek_last_segment(f, err);

	if (r == 0 && f->reader.next >= SEGMENT_ENTRIES)
		r = ledger_reader_seek(&f->reader, f->reader.next - SEGMENT_ENTRIES, err);
	return r;
}

/* Whether the entry that comes next is an event of before. */
static bool is_before(struct follow *f, int64_t time_ns)
{
	struct event_view event;
	struct cht_bytes entry;
	int64_t at;

	return ledger_next(&f->reader, &entry, NULL) == 1 && tail_scan(entry, &event) &&
	       read_rfc3339(event.time, &at) && at < time_ns;
}

/* To the last segment that begins before the time asked for: from there on the filter decides.
 * A clock that was set back may hide events from this, not from cat. */
static int seek_time(struct follow *f, int64_t time_ns, struct cht_err *err)
{
	int r = seek_last_segment(f, err);

	while (r == 0) {
		uint64_t first = f->reader.next;
		bool is_found = is_before(f, time_ns);

		r = ledger_reader_seek(&f->reader, first, err);
		if (r < 0 || is_found || first < SEGMENT_ENTRIES)
			break;
		r = ledger_reader_seek(&f->reader, first - SEGMENT_ENTRIES, err);
		if (r == 0 && f->reader.next == first)
			break;
	}
	return r;
}

/* The index of the first of the last q->n entries that match, or of the end. Damage is not told
 * here: it is met again. */
static int find_start(const struct request *q, struct follow *f, uint64_t *start,
		      struct cht_err *err)
{
	static uint64_t last[LINES_MAX];
	bool is_filtered = !filter_is_empty(&q->filter), is_event;
	struct event_view event;
	struct cht_bytes entry;
	uint64_t n = 0;
	int r;

	if (q->has_from) {
		*start = q->from;
		if (q->from > f->view.size)
			return cht_fail(err, CHT_E_RANGE, 0,
					"the ledger has %" PRIu64 " entries, none before index "
					"%" PRIu64 ": is it another one?",
					f->view.size, q->from);
		return seek_last_segment(f, err);
	}
	if (q->n == LINES_ALL) {
		r = seek_time(f, q->filter.after_ns, err);
		*start = f->reader.next;
		return r;
	}
	r = seek_near_end(f, err);
	if (r < 0)
		return r;
	while ((r = follow_look(f, &entry, err)) == 1)
		if (q->n > 0 &&
		    (!is_filtered || filter_takes(&q->filter, entry, &event, &is_event)))
			last[n++ % q->n] = f->reader.next - 1;
	*start = f->view.size;
	if (n > 0)
		*start = last[n < q->n ? 0 : n % q->n];
	return r;
}

/* To the entry itself, or where there is damage before it, before that. */
static int seek_start(struct follow *f, uint64_t start, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	int r = 0;

	if (start < f->view.size)
		r = ledger_reader_goto(&f->reader, &hashes, start, err);
	if (r == CHT_E_STATE)
		r = ledger_reader_seek(&f->reader, start, err);
	return r;
}

static int show(const struct request *q, struct follow *f, uint64_t start, struct cht_err *err)
{
	struct tail_lines lines = { .cell_width = 0 };
	struct event_view event;
	struct cht_bytes entry;
	bool is_event;
	int r = seek_start(f, start, err);

	while (r >= 0 && (r = follow_next(f, &entry, err)) > 0) {
		if (f->reader.next <= start || !filter_takes(&q->filter, entry, &event, &is_event))
			continue;
		if (q->has_index)
			cli_printf("%" PRIu64 "\t", f->reader.next - 1);
		if (q->json)
			put_entry_line(entry, f->reader.next - 1);
		else if (is_event)
			tail_put_line(&lines, &event);
		else
			tail_put_unreadable(entry, f->reader.next - 1);
	}
	return r;
}

static int tail(const struct request *q)
{
	static struct follow f;
	struct cht_err err = { 0 };
	uint64_t start;
	int r = follow_open(&f, q->dir, !q->ends, &err);

	if (r < 0)
		return follow_status(&f, r, &err);
	r = find_start(q, &f, &start, &err);
	if (r == 0)
		r = show(q, &f, start, &err);
	follow_close(&f);
	return follow_status(&f, r, &err);
}

int cmd_tail(int argc, char **argv)
{
	static const struct cli_option options[] = { FILTER_OPTIONS,
						     [OPT_OUTPUT] = { "output", 'o', true },
						     [OPT_LINES] = { "lines", 'n', true },
						     [OPT_NO_FOLLOW] = { "no-follow", 0, false },
						     [OPT_FROM] = { "from", 0, true },
						     [OPT_INDEX] = { "index", 0, false },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	static struct request q = { .n = LINES_ALL };
	int o;

	while ((o = cli_next(&args)) != CLI_END) {
		if (filter_option(&q.filter, &args, o))
			continue;
		switch (o) {
		case OPT_OUTPUT: (void)cli_format(&args, &q.json); break;
		case OPT_LINES: (void)cli_number(&args, 0, LINES_MAX, &q.n); break;
		case OPT_NO_FOLLOW: q.ends = true; break;
		case OPT_FROM: q.has_from = cli_number(&args, 0, UINT64_MAX, &q.from); break;
		case OPT_INDEX: q.has_index = true; break;
		default:
			if (q.dir != NULL)
				(void)cli_usage_error(&args, "one directory at a time");
			q.dir = args.value;
		}
	}
	if (args.status < 0 && q.dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status < 0 && q.has_from && q.n != LINES_ALL)
		(void)cli_usage_error(&args, "--from says where to begin, and so does --lines");
	if (args.status < 0 && q.has_index && !q.json)
		(void)cli_usage_error(&args, "--index goes with -o json");
	if (args.status >= 0)
		return args.status;
	if (q.n == LINES_ALL && !q.filter.has_after)
		q.n = LINES_DEFAULT;
	return tail(&q);
}
