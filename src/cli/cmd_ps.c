/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/ps.h"
#include "cli/visible.h"

const char ps_usage[] =
	"usage: cht ps CELL [--tree] [--run RUN] [-o json] [DIR]\n"
	"\n"
	"Shows what runs in a cell, as its guest declared: the processes that process_spawned\n"
	"events of its newest run began and no process_exited ended, up to the newest checkpoint.\n"
	"STARTED is when the host heard of it. A guest can lie, and what ran before its agent is\n"
	"not told; what was lost on the way is counted, and whether that makes the list\n"
	"incomplete is said below it. Each event is held against the checkpoint. DIR is the\n"
	"state directory or the ledger in it (default: $CHT_STATE, else /var/lib/cht).\n"
	"\n"
	"  -t, --tree         each process below the one that began it. ? behind a PPID: that\n"
	"                     process is not there, or not any more; @: a circle\n"
	"      --run RUN      this run of the cell (default: its newest)\n"
	"  -o, --output json  one JSON object instead of text\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 1 no such run or it cannot be read, 2 usage, 10 the list is incomplete,\n"
	"11 the ledger is damaged\n"
	"\n"
	"examples:\n"
	"  cht ps web-1\n"
	"  cht ps web-1 --tree /var/lib/cht\n"
	"  cht ps web-1 -o json | jq -r '.processes[].exe'\n";

enum { OPT_TREE, OPT_RUN, OPT_OUTPUT };

static const struct cli_option options[] = {
	[OPT_TREE] = { "tree", 't', false },
	[OPT_RUN] = { "run", 0, true },
	[OPT_OUTPUT] = { "output", 'o', true },
	{ NULL, 0, false },
};

struct request {
	const char *cell, *dir, *run;
	bool is_tree, json;
};

enum { REASON_MAX = 256, DATE_LEN = 10, DEPTH_SHOWN = 24, COMM_WIDTH = 16 };

/* ---- text */

/* The time of day when it is of the day of the newest event, else the day. */
static void print_started(const struct ps *ps, const char *time)
{
	if (strlen(time) > 19 && strncmp(time, ps->time, DATE_LEN) == 0)
		cli_printf("%*s%.8s", DATE_LEN - 8, "", time + DATE_LEN + 1);
	else
		cli_printf("%-10.10s", time);
}

static void print_json_text(const char *json, int width)
{
	static char text[8 * CHT_DETAIL_MAX_BYTES]; /* 4 bytes for each, and room */
	struct buf b = buf_init(text, sizeof(text));

	put_visible_json(&b, str_of(json));
	cli_put(text, buf_len(&b));
	if (buf_len(&b) < (size_t)width)
		cli_printf("%*s", width - (int)buf_len(&b), "");
}

static void print_row(const struct ps *ps, const struct proc_row *row, bool is_tree)
{
	static const char marks[] = {
		[PROC_CHILD] = ' ', [PROC_ROOT] = ' ', [PROC_ORPHAN] = '?', [PROC_CIRCLE] = '@'
	};
	uint32_t depth = row->depth < DEPTH_SHOWN ? row->depth : DEPTH_SHOWN;
	const struct proc *p = row->proc;

	cli_printf("%7" PRIu32 " ", p->pid);
	if (p->has_ppid)
		cli_printf("%7" PRIu32 "%c ", p->ppid, is_tree ? marks[row->place] : ' ');
	else
		cli_printf("%7s  ", "-");
	print_started(ps, p->time);
	cli_printf("  ");
	if (is_tree && depth > 0)
		cli_printf("%s%*s%s\\_ %s", cli_colour(CLI_DIM), (int)(2 * (depth - 1)), "",
			   row->depth > DEPTH_SHOWN ? "+" : "", cli_colour(CLI_PLAIN));
	print_json_text(p->comm, p->exe == NULL ? 0 : is_tree ? 1 : COMM_WIDTH);
	if (p->exe != NULL) {
		cli_printf("  %s", cli_colour(CLI_DIM));
		print_json_text(p->exe, 0);
		cli_printf("%s", cli_colour(CLI_PLAIN));
	}
	cli_printf("\n");
}

static void print_notes(const struct ps *ps, bool is_faulty)
{
	const char *complete = ps_complete(ps, is_faulty);
	char reason[REASON_MAX];
	struct buf b = buf_init(reason, sizeof(reason));
	unsigned at = 0;

	if (strcmp(complete, "yes") == 0)
		cli_printf("%scomplete%s, as far as what the agent has seen\n",
			   cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
	else if (strcmp(complete, "no") == 0)
		cli_printf("%sincomplete%s: some may run that are not here, and some have ended:\n",
			   cli_colour(CLI_RED), cli_colour(CLI_PLAIN));
	else
		cli_printf("%snot known to be complete%s:\n", cli_colour(CLI_YELLOW),
			   cli_colour(CLI_PLAIN));
	for (; ps_next_reason(ps, is_faulty, &at, &b); b = buf_init(reason, sizeof(reason)))
		cli_printf("  %.*s\n", (int)buf_len(&b), reason);
}

static void print_time(const char *time)
{
	cli_printf("%.10s %.8s UTC", time, strlen(time) > 19 ? time + DATE_LEN + 1 : "");
}

static void print_silence(const struct ps *ps)
{
	cli_printf("%sits agent is silent%s since ", cli_colour(CLI_RED), cli_colour(CLI_PLAIN));
	print_time(ps->silent_since);
	cli_printf(": nothing was told after that\n");
}

static void print_text(const struct ps *ps, const struct proc_row *rows, bool is_tree,
		       bool is_faulty)
{
	size_t n = ps->procs.n_live;

	cli_printf("%scell %s, run %s%s: %zu process%s, as its guest declared%s\n",
		   cli_colour(CLI_BOLD), ps->cell, ps->run, cli_colour(CLI_PLAIN), n,
		   n == 1 ? "" : "es", ps->is_sealed ? ", when the run was sealed" : "");
	cli_printf("up to ");
	print_time(ps->time);
	cli_printf(", entry %" PRIu64 "; %" PRIu64 " began, %" PRIu64 " ended\n", ps->last,
		   ps->procs.began, ps->procs.ended);
	if (ps->is_silent && !ps->is_sealed)
		print_silence(ps);
	cli_printf("\n");
	if (n > 0)
		cli_printf("%s%7s %7s  %-10s  %s%s\n", cli_colour(CLI_BOLD), "PID", "PPID",
			   "   STARTED", is_tree ? "COMM  EXE" : "COMM              EXE",
			   cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < n && !cli_is_done(); i++)
		print_row(ps, &rows[i], is_tree);
	cli_printf("%s", n > 0 ? "\n" : "");
	print_notes(ps, is_faulty);
}

/* ---- JSON */

static void put_json(const char *json)
{
	static char text[8 * CHT_DETAIL_MAX_BYTES];
	struct buf b = buf_init(text, sizeof(text));

	put_plain_json(&b, str_of(json));
	cli_put(text, buf_len(&b));
}

static void put_process(const struct proc_row *row, bool is_tree)
{
	static const char *const places[] = { [PROC_CHILD] = "child",
					      [PROC_ROOT] = "root",
					      [PROC_ORPHAN] = "orphan",
					      [PROC_CIRCLE] = "circle" };
	const struct proc *p = row->proc;

	cli_printf("{\"pid\":%" PRIu32, p->pid);
	if (p->has_ppid)
		cli_printf(",\"ppid\":%" PRIu32, p->ppid);
	cli_printf(",\"comm\":");
	put_json(p->comm);
	if (p->exe != NULL) {
		cli_printf(",\"exe\":");
		put_json(p->exe);
	}
	cli_printf(",\"startedAt\":\"%s\",\"index\":%" PRIu64, p->time, p->index);
	if (is_tree)
		cli_printf(",\"depth\":%" PRIu32 ",\"place\":\"%s\"", row->depth,
			   places[row->place]);
	cli_printf("}");
}

static void print_json(const struct ps *ps, const struct proc_row *rows, bool is_tree,
		       bool is_faulty)
{
	char reason[REASON_MAX];
	struct buf b = buf_init(reason, sizeof(reason));
	unsigned at = 0;

	cli_printf("{\"cell\":\"%s\",\"run\":\"%s\",\"declaredBy\":\"guest\",\"upTo\":\"%s\","
		   "\"index\":%" PRIu64 ",\"sealed\":%s,\"silent\":%s,\"began\":%" PRIu64
		   ",\"ended\":%" PRIu64 ",\"complete\":\"%s\",\"reasons\":[",
		   ps->cell, ps->run, ps->time, ps->last, ps->is_sealed ? "true" : "false",
		   ps->is_silent ? "true" : "false", ps->procs.began, ps->procs.ended,
		   ps_complete(ps, is_faulty));
	for (const char *comma = ""; ps_next_reason(ps, is_faulty, &at, &b);
	     b = buf_init(reason, sizeof(reason)), comma = ",")
		cli_printf("%s\"%.*s\"", comma, (int)buf_len(&b), reason);
	cli_printf("],\"processes\":[");
	for (size_t i = 0; i < ps->procs.n_live && !cli_is_done(); i++) {
		cli_printf("%s", i > 0 ? "," : "");
		put_process(&rows[i], is_tree);
	}
	cli_printf("]}\n");
}

/* ---- what is done */

static int print(const struct request *q, struct ps *ps, bool is_faulty, struct cht_err *err)
{
	struct proc_row *rows = calloc(ps->procs.n_live + 1, sizeof(*rows));

	if (rows == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for %zu processes",
				ps->procs.n_live);
	procs_list(&ps->procs, q->is_tree, rows);
	if (q->json)
		print_json(ps, rows, q->is_tree, is_faulty);
	else
		print_text(ps, rows, q->is_tree, is_faulty);
	free(rows);
	return 0;
}

static int run(const struct request *q)
{
	static struct follow f;
	static struct ps ps;
	struct cht_err err = { 0 };
	int status, r = follow_open(&f, q->dir, false, &err);

	if (r == 0)
		r = ps_read(&ps, &f, q->cell, q->run, &err);
	if (r == 0)
		r = print(q, &ps, f.is_faulty, &err);
	status = follow_status(&f, r, &err);
	if (status == CLI_OK && strcmp(ps_complete(&ps, false), "no") == 0)
		status = CLI_INCOMPLETE;
	ps_free(&ps);
	follow_close(&f);
	return status;
}

int cmd_ps(int argc, char **argv)
{
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .dir = cli_state_dir() };
	const char *operands[2] = { NULL, NULL };
	unsigned n = 0;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_TREE: q.is_tree = true; break;
		case OPT_RUN: q.run = args.value; break;
		case OPT_OUTPUT: (void)cli_format(&args, &q.json); break;
		default:
			if (n < 2)
				operands[n] = args.value;
			n++;
		}
	if (args.status < 0 && (n < 1 || n > 2))
		(void)cli_usage_error(&args, "it needs a cell's ID, and may have a directory");
	if (args.status >= 0)
		return args.status;
	q.cell = operands[0];
	if (n == 2)
		q.dir = operands[1];
	return run(&q);
}
