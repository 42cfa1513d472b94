/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/top_view.h"
#include "cli/visible.h"

const char status_usage[] =
	"usage: cht status [-d TIME] [-o json] [--control PATH]\n"
	"\n"
	"Says in a few lines how a running chtd is: its version, whether it is ready, whether the\n"
	"ledger is written, its cells and how many of them are silent, what became of all frames,\n"
	"and how many come a second. For the rates it looks twice.\n"
	"\n"
	"  -d, --interval TIME between the two looks (default: 1s; 0s: one look, no rates)\n"
	"      --control PATH  chtd's control socket (default: $CHT_CONTROL, else\n"
	"                      /run/chtd/control)\n"
	"  -o, --output json   one JSON object instead of text\n"
	"  -h, --help          this text\n"
	"\n"
	"exit: 0 it is ready and the ledger is written, 1 it is not there or does not answer,\n"
	"2 usage, 3 it is not ready or the ledger is not written\n"
	"\n"
	"examples:\n"
	"  cht status\n"
	"  cht status -d 0s -o json >/dev/null || echo 'something is amiss'\n";

enum { OPT_INTERVAL, OPT_CONTROL, OPT_OUTPUT };

static const struct cli_option options[] = {
	[OPT_INTERVAL] = { "interval", 'd', true },
	[OPT_CONTROL] = { "control", 0, true },
	[OPT_OUTPUT] = { "output", 'o', true },
	{ NULL, 0, false },
};

enum { ANSWER_LIMIT_S = 10, LINE_MAX_BYTES = 4096, STATES_MAX = 16 };

/* How many cells are in each state. */
struct states {
	const char *name[STATES_MAX];
	uint64_t count[STATES_MAX], silent;
	size_t n;
};

static struct states count_states(const struct sample *s)
{
	struct states all = { .n = 0 };

	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;

		all.silent += s->cells[i].is_silent;
		while (k < all.n && strcmp(all.name[k], s->cells[i].state) != 0)
			k++;
		if (k == STATES_MAX)
			continue;
		if (k == all.n)
			all.name[all.n++] = s->cells[i].state;
		all.count[k]++;
	}
	return all;
}

/* ---- text */

static void print_line(const char *label, struct buf *b)
{
	cli_printf("%-12s%.*s\n", label, (int)buf_len(b), (const char *)b->start);
	b->at = b->start;
}

static void put_counted(struct buf *b, uint64_t n, const char *what)
{
	put_u64(b, n);
	buf_put_str(b, str_of(what));
}

static void put_rated(struct buf *b, uint64_t tenths, const char *what)
{
	top_put_rate(b, tenths);
	buf_put_str(b, str_of(what));
}

static void print_frames(const struct sample *s, bool has_rates, struct buf *b)
{
	put_counted(b, s->frames.received, " received = ");
	put_counted(b, s->frames.stored, " stored + ");
	put_counted(b, s->frames.heartbeats, " heartbeats + ");
	put_counted(b, s->frames.refused, " refused + ");
	put_counted(b, s->frames.dropped, " dropped");
	print_line("frames", b);
	if (!has_rates)
		return;
	put_rated(b, s->rates.received, " frames, ");
	put_rated(b, s->rates.refused, " refused, ");
	put_rated(b, s->rates.dropped, " dropped, ");
	put_rated(b, s->entries_rate, " entries");
	print_line("a second", b);
}

static void print_text(const struct sample *s, bool has_rates)
{
	static char mem[LINE_MAX_BYTES];
	struct buf b = buf_init(mem, sizeof(mem));
	struct states states = count_states(s);

	put_visible(&b, str_of(s->version));
	buf_put_str(&b, s->is_ready ? STR(", ready") : STR(", not ready"));
	print_line("chtd", &b);
	put_counted(&b, s->entries, s->entries == 1 ? " entry, " : " entries, ");
	if (s->is_written) {
		buf_put_lit(&b, "written");
	} else {
		buf_put_str(&b, str_of(cli_colour(CLI_RED)));
		buf_put_lit(&b, "NOT WRITTEN: the disk is full or does not keep up");
		buf_put_str(&b, str_of(cli_colour(CLI_PLAIN)));
	}
	print_line("ledger", &b);
	put_counted(&b, s->n, s->n > 0 ? ": " : "");
	for (size_t i = 0; i < states.n; i++) {
		put_counted(&b, states.count[i], " ");
		put_visible(&b, str_of(states.name[i]));
		buf_put_str(&b, i + 1 < states.n ? STR(", ") : STR("; "));
	}
	if (s->n > 0) {
		buf_put_str(&b, str_of(states.silent > 0 ? cli_colour(CLI_RED) : ""));
		put_counted(&b, states.silent,
			    states.silent == 1 ? " agent silent" : " agents silent");
		buf_put_str(&b, str_of(states.silent > 0 ? cli_colour(CLI_PLAIN) : ""));
	}
	print_line("cells", &b);
	put_counted(&b, s->connections, " open");
	print_line("connections", &b);
	print_frames(s, has_rates, &b);
}

/* ---- JSON */

static void print_json(const struct sample *s, bool has_rates)
{
	static char mem[16 * LINE_MAX_BYTES];
	struct buf b = buf_init(mem, sizeof(mem));
	struct states states = count_states(s);

	sample_put_text(&b, "{\"version\":", s->version);
	buf_put_str(&b, s->is_ready ? STR(",\"ready\":true") : STR(",\"ready\":false"));
	buf_put_str(&b, s->is_written ? STR(",\"written\":true") : STR(",\"written\":false"));
	sample_put_number(&b, ",\"entries\":", s->entries);
	sample_put_number(&b, ",\"cells\":", s->n);
	sample_put_number(&b, ",\"silent\":", states.silent);
	buf_put_lit(&b, ",\"states\":{");
	for (size_t i = 0; i < states.n; i++) {
		sample_put_text(&b, i > 0 ? "," : "", states.name[i]);
		sample_put_number(&b, ":", states.count[i]);
	}
	sample_put_number(&b, "},\"connections\":", s->connections);
	buf_put_lit(&b, ",\"frames\":");
	sample_put_frames(&b, &s->frames);
	if (has_rates && s->rates.received != SAMPLE_NONE) {
		buf_put_lit(&b, ",\"perSecond\":");
		sample_put_rate(&b, "{\"frames\":", s->rates.received);
		sample_put_rate(&b, ",\"refused\":", s->rates.refused);
		sample_put_rate(&b, ",\"dropped\":", s->rates.dropped);
		sample_put_rate(&b, ",\"entries\":", s->entries_rate);
		buf_put_byte(&b, '}');
	}
	buf_put_lit(&b, "}\n");
	cli_put(mem, buf_len(&b));
}

/* ---- what is done */

static void wait_for(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S) };

	(void)ppoll(NULL, 0, &time, NULL);
}

static int run(const char *socket, uint64_t interval_ns, bool json)
{
	struct sample now = { .n = 0 }, before = { .n = 0 };
	struct cht_err err = { 0 };
	bool has_rates = interval_ns > 0;
	int r = has_rates ? sample_take_totals(&before, socket, &err) : 0;

	if (r == 0 && has_rates)
		wait_for(interval_ns);
	if (r == 0)
		r = sample_take(&now, socket, &err);
	if (r == 0) {
		sample_compare(&now, has_rates ? &before : NULL);
		if (json)
			print_json(&now, has_rates);
		else
			print_text(&now, has_rates);
	}
	r = r < 0 ? CLI_FAILED : now.is_ready && now.is_written ? CLI_OK : CLI_AMISS;
	if (r == CLI_FAILED)
		diag_err(&err);
	sample_free(&now);
	sample_free(&before);
	return r;
}

int cmd_status(int argc, char **argv)
{
	struct cli_args args = cli_args_init(argc, argv, options);
	const char *socket = ask_socket();
	uint64_t interval_ns = NS_PER_S;
	bool json = false;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_INTERVAL:
			if (!read_duration(str_of(args.value), &interval_ns) ||
			    interval_ns > 3600 * NS_PER_S)
				(void)cli_usage_error(&args,
						      "%s takes a time from 0s to 1h, not '%s'",
						      args.name, args.value);
			break;
		case OPT_CONTROL: socket = args.value; break;
		case OPT_OUTPUT: (void)cli_format(&args, &json); break;
		default: (void)cli_usage_error(&args, "it takes no operand: '%s'", args.value);
		}
	if (args.status >= 0)
		return args.status;
	ask_limit(ANSWER_LIMIT_S);
	return run(socket, interval_ns, json);
}
