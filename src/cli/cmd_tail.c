/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger is read twice: once to learn where the last events that match stand, which needs
 * a number for each and no copy, and from there on to show them.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/tail_line.h"

enum { OPT_OUTPUT, OPT_LINES, OPT_CELL, OPT_TYPE, OPT_NO_FOLLOW };

enum { LINES_MAX = 10000, LINES_DEFAULT = 10 };

struct request {
	const char *dir, *cell, *type;
	uint64_t n;
	bool json, ends;
};

/* Whether a type is NAME or below it; NAME with or without what all types begin with. */
static bool type_matches(struct cht_str type, struct cht_str name)
{
	static const struct cht_str prefix = { CHT_GUEST_TYPE_PREFIX,
					       sizeof(CHT_GUEST_TYPE_PREFIX) - sizeof("guest.") };

	if (!str_starts(name, prefix) && str_starts(type, prefix)) {
		type.ptr += prefix.len;
		type.len -= prefix.len;
	}
	return str_starts(type, name) &&
	       (type.len == name.len || name.len == 0 || type.ptr[name.len] == '.' ||
		name.ptr[name.len - 1] == '.');
}

/* *is_event: the entry could be taken apart, *view has it. */
static bool matches(const struct request *q, struct cht_bytes entry, struct event_view *view,
		    bool *is_event)
{
	*is_event = tail_scan(entry, view);
	if (!*is_event)
		return q->cell == NULL && q->type == NULL;
	return (q->cell == NULL || str_eq(view->cell_id, str_of(q->cell))) &&
	       (q->type == NULL || type_matches(view->type, str_of(q->type)));
}

/* To the last segment but one, so that at least a whole segment is looked at, however long the
 * ledger is. */
static int seek_near_end(struct ledger_reader *reader, struct cht_err *err)
{
	int r = ledger_reader_seek(reader, UINT64_MAX, err);

	if (r == 0 && reader->next >= SEGMENT_ENTRIES)
		r = ledger_reader_seek(reader, reader->next - SEGMENT_ENTRIES, err);
	return r;
}

/* The index of the first of the last q->n entries that match, or of the end. Damage is not told
 * here: it is met again. */
static int find_start(const struct request *q, uint64_t *start, struct cht_err *err)
{
	static uint64_t last[LINES_MAX];
	bool is_filtered = q->cell != NULL || q->type != NULL, is_event;
	struct event_view view;
	struct cht_bytes entry;
	struct follow f;
	uint64_t n = 0;
	int r = follow_open(&f, q->dir, false, err);

	if (r < 0)
		return r;
	r = seek_near_end(&f.reader, err);
	while (r == 0 && follow_next(&f, &entry, err) > 0)
		if (q->n > 0 && (!is_filtered || matches(q, entry, &view, &is_event)))
			last[n++ % q->n] = f.reader.next - 1;
	*start = f.reader.next;
	if (n > 0)
		*start = last[n < q->n ? 0 : n % q->n];
	follow_close(&f);
	return r;
}

static int show(const struct request *q, uint64_t start, struct cht_err *err)
{
	struct tail_lines lines = { .cell_width = 0 };
	struct event_view view;
	struct cht_bytes entry;
	struct follow f;
	bool is_event;
	int r = follow_open(&f, q->dir, !q->ends, err);

	if (r < 0)
		return r;
	r = ledger_reader_seek(&f.reader, start, err);
	while (r >= 0 && (r = follow_next(&f, &entry, err)) > 0) {
		if (f.reader.next <= start || !matches(q, entry, &view, &is_event))
			continue;
		if (q->json)
			put_entry_line(entry, f.reader.next - 1);
		else if (is_event)
			tail_put_line(&lines, &view);
		else
			tail_put_unreadable(entry, f.reader.next - 1);
	}
	follow_close(&f);
	return r;
}

int cmd_tail(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_OUTPUT] = { "output", 'o', true },
						     [OPT_LINES] = { "lines", 'n', true },
						     [OPT_CELL] = { "cell", 0, true },
						     [OPT_TYPE] = { "type", 0, true },
						     [OPT_NO_FOLLOW] = { "no-follow", 0, false },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .n = LINES_DEFAULT };
	struct cht_err err = { 0 };
	uint64_t start;
	int o, r;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_OUTPUT: (void)cli_format(&args, &q.json); break;
		case OPT_LINES: (void)cli_number(&args, 0, LINES_MAX, &q.n); break;
		case OPT_CELL: q.cell = args.value; break;
		case OPT_TYPE: q.type = args.value; break;
		case OPT_NO_FOLLOW: q.ends = true; break;
		default:
			if (q.dir != NULL)
				(void)cli_usage_error(&args, "one directory at a time");
			q.dir = args.value;
		}
	if (args.status < 0 && q.dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status >= 0)
		return args.status;
	r = find_start(&q, &start, &err);
	if (r == 0)
		r = show(&q, start, &err);
	return follow_status(r, &err);
}
