/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/follow.h"

enum { OPT_FOLLOW, OPT_RAW };

/* As in a segment file: a 16-bit big-endian length, then the bytes. */
static void put_raw(struct cht_bytes entry)
{
	uint8_t length[2];

	be16_store(length, (uint16_t)entry.len);
	cli_put(length, sizeof(length));
	cli_put(entry.ptr, entry.len);
}

static int cat(const char *dir, bool is_following, bool is_raw)
{
	struct cht_err err = { 0 };
	struct cht_bytes entry;
	struct follow f;
	int r = follow_open(&f, dir, is_following, &err);

	if (r < 0)
		return follow_status(r, &err);
	while ((r = follow_next(&f, &entry, &err)) > 0)
		if (is_raw)
			put_raw(entry);
		else
			put_entry_line(entry, f.reader.next - 1);
	follow_close(&f);
	return follow_status(r, &err);
}

int cmd_cat(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_FOLLOW] = { "follow", 'f', false },
						     [OPT_RAW] = { "raw", 0, false },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	bool is_following = false, is_raw = false;
	const char *dir = NULL;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_FOLLOW: is_following = true; break;
		case OPT_RAW: is_raw = true; break;
		default:
			if (dir != NULL)
				(void)cli_usage_error(&args, "one directory at a time");
			dir = args.value;
		}
	if (args.status < 0 && dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status >= 0)
		return args.status;
	return cat(dir, is_following, is_raw);
}
