/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/follow.h"

enum { OPT_FOLLOW = FILTER_OPTIONS_END, OPT_RAW, OPT_OUTPUT };

struct request {
	const char *dir;
	bool is_following, is_raw;
	struct filter filter;
};

/* As in a segment file: a 16-bit big-endian length, then the bytes. */
static void put_raw(struct cht_bytes entry)
{
	uint8_t length[2];

	be16_store(length, (uint16_t)entry.len);
	cli_put(length, sizeof(length));
	cli_put(entry.ptr, entry.len);
}

static int cat(const struct request *q)
{
	static struct follow f;
	bool is_all = filter_is_empty(&q->filter), is_event;
	struct cht_err err = { 0 };
	struct event_view event;
	struct cht_bytes entry;
	int r = follow_open(&f, q->dir, q->is_following, &err);

	if (r < 0)
		return follow_status(&f, r, &err);
	while ((r = follow_next(&f, &entry, &err)) > 0) {
		if (!is_all && !filter_takes(&q->filter, entry, &event, &is_event))
			continue;
		if (q->is_raw)
			put_raw(entry);
		else
			put_entry_line(entry, f.reader.next - 1);
	}
	follow_close(&f);
	return follow_status(&f, r, &err);
}

int cmd_cat(int argc, char **argv)
{
	static const struct cli_option options[] = { FILTER_OPTIONS,
						     [OPT_FOLLOW] = { "follow", 'f', false },
						     [OPT_RAW] = { "raw", 0, false },
						     [OPT_OUTPUT] = { "output", 'o', true },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	static struct request q;
	bool json;
	int o;

	while ((o = cli_next(&args)) != CLI_END) {
		if (filter_option(&q.filter, &args, o))
			continue;
		switch (o) {
		case OPT_FOLLOW: q.is_following = true; break;
		case OPT_RAW: q.is_raw = true; break;
		case OPT_OUTPUT: (void)cli_format(&args, &json); break;
		default:
			if (q.dir != NULL)
				(void)cli_usage_error(&args, "one directory at a time");
			q.dir = args.value;
		}
	}
	if (args.status < 0 && q.dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status >= 0)
		return args.status;
	return cat(&q);
}
