/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/export.h"

enum { OPT_OUTPUT, OPT_RUN, OPT_TILES };

struct request {
	const char *dir, *out, *run;
	bool json, is_tiles;
};

static void report(const struct request *q, const struct follow *f,
		   const struct export_counts *counts)
{
	const char *many = counts->entries == 1 ? "entry" : "entries";

	if (q->json)
		cli_printf("{\"entries\":%" PRIu64 ",\"subtrees\":%" PRIu64 ",\"tiles\":%" PRIu64
			   ",\"size\":%" PRIu64 "}\n",
			   counts->entries, counts->subtrees, counts->tiles, f->view.size);
	else if (q->is_tiles)
		cli_printf("%" PRIu64 " %s and %" PRIu64 " tiles under the checkpoint of %" PRIu64
			   "\n",
			   counts->entries, many, counts->tiles, f->view.size);
	else
		cli_printf("%" PRIu64 " %s, and %" PRIu64
			   " hashes for all others, under the checkpoint of %" PRIu64 "\n",
			   counts->entries, many, counts->subtrees, f->view.size);
}

static int export_it(const struct request *q, struct follow *f, struct cht_err *err)
{
	static struct newfile out;
	struct export_counts counts = { 0 };
	int r;

	if (f->view.note_len == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "the ledger has no checkpoint yet");
	if (f->is_faulty)
		return cht_fail(err, CHT_E_STATE, 0, "nothing is exported of a damaged ledger");
	r = q->is_tiles ? newfile_begin_dir(&out, q->out, err) : newfile_begin(&out, q->out, err);
	if (r < 0)
		return r;
	r = q->is_tiles ? export_tiles(f, &out, &counts, err)
			: export_bundle(f, q->run, &out, &counts, err);
	r = newfile_end(&out, r, err);
	if (r == 0)
		report(q, f, &counts);
	return r;
}

static int run(const struct request *q)
{
	static struct follow f;
	struct cht_err err = { 0 };
	int r = follow_open(&f, q->dir, false, &err);

	if (r == 0)
		r = export_it(q, &f, &err);
	follow_close(&f);
	return follow_status(&f, r, &err);
}

/* What would break the bundle's line of its run. */
static bool is_line(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *text != '\0' && utf8_is_valid((const uint8_t *)text, strlen(text));
}

int cmd_export(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_OUTPUT] = { "output", 'o', true },
						     [OPT_RUN] = { "run", 0, true },
						     [OPT_TILES] = { "tiles", 0, false },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .dir = NULL };
	unsigned n = 0;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_OUTPUT: (void)cli_format(&args, &q.json); break;
		case OPT_RUN: q.run = args.value; break;
		case OPT_TILES: q.is_tiles = true; break;
		default: *(n++ == 0 ? &q.dir : &q.out) = args.value;
		}
	if (args.status < 0 && n != 2)
		(void)cli_usage_error(&args, "it needs a directory and a path to write to");
	if (args.status < 0 && q.run != NULL && q.is_tiles)
		(void)cli_usage_error(&args, "--tiles is everything: it takes no --run");
	if (args.status < 0 && q.run != NULL && !is_line(q.run))
		(void)cli_usage_error(&args, "--run takes the id of a run");
	if (args.status >= 0)
		return args.status;
	return run(&q);
}
