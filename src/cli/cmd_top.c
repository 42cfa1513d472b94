/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include "cli/top_view.h"
#include "cli/visible.h"

const char top_usage[] =
	"usage: cht top [-n COUNT] [-d TIME] [--sort WORD] [-o json] [--control PATH]\n"
	"\n"
	"Shows the cells of a running chtd, a line each, again and again: frames a second, frames\n"
	"lost and refused in the run, for how long an agent is silent, open connections, and the\n"
	"run. Those in trouble come first. On a terminal it fills the screen until q is pressed;\n"
	"else the table is printed each time, of all cells. LOST is what the host had to drop;\n"
	"what is lost before it gets here, only the ledger knows: cht tail.\n"
	"\n"
	"  -n, --count N       so many times, then end (default: until it is ended)\n"
	"  -d, --interval TIME between two looks: 500ms, 2s, 1m (default: 2s)\n"
	"  -s, --sort WORD     trouble, frames, lost, refused, silence, connections or name\n"
	"                      (default: trouble)\n"
	"      --control PATH  chtd's control socket (default: $CHT_CONTROL, else\n"
	"                      /run/chtd/control)\n"
	"  -o, --output json   one JSON object a look, each on a line\n"
	"  -h, --help          this text\n"
	"\n"
	"keys: t f l r s c n sort by trouble, frames, lost, refused, silence, connections, name;\n"
	"arrows, page up and down move, space looks now, q ends\n"
	"\n"
	"exit: 0, 1 chtd is not there, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht top\n"
	"  cht top -n 1 --sort frames | head -20\n"
	"  cht top -n 1 -o json | jq '.cells[] | select(.silent) | .id'\n";

enum { OPT_COUNT, OPT_INTERVAL, OPT_SORT, OPT_CONTROL, OPT_OUTPUT };

static const struct cli_option options[] = {
	[OPT_COUNT] = { "count", 'n', true },   [OPT_INTERVAL] = { "interval", 'd', true },
	[OPT_SORT] = { "sort", 's', true },     [OPT_CONTROL] = { "control", 0, true },
	[OPT_OUTPUT] = { "output", 'o', true }, { NULL, 0, false },
};

enum { ANSWER_LIMIT_S = 5, MESSAGE_MAX = 256 };

struct top {
	const char *socket;
	uint64_t count, interval_ns; /* count 0: no end */
	enum top_sort sort;
	bool json;
	struct sample now, before;
	bool has_now; /* there was an answer */
	const struct sample_cell **order;
	size_t first;       /* line of the table at the top of the screen */
	struct cht_err err; /* why the last look failed; code 0: it did not */
};

/* The sample before becomes what this one is compared with. */
static int look(struct top *t)
{
	struct sample next;
	const struct sample_cell **order;
	int r;

	t->err = (struct cht_err){ 0 };
	r = sample_take(&next, t->socket, &t->err);
	order = r == 0 ? calloc(next.n + 1, sizeof(struct sample_cell *)) : NULL;
	if (r == 0 && order == NULL)
		r = cht_fail(&t->err, CHT_E_NOMEM, 0, "no memory for %zu cells", next.n);
	if (order == NULL) {
		sample_free(&next);
		return r;
	}
	sample_free(&t->before);
	free(t->order);
	t->before = t->now;
	t->now = next;
	t->order = order;
	sample_compare(&t->now, t->has_now ? &t->before : NULL);
	t->has_now = true;
	return 0;
}

static void top_free(struct top *t)
{
	sample_free(&t->before);
	sample_free(&t->now);
	free(t->order);
}

/* ---- JSON */

static void print_json_cell(const struct sample_cell *c)
{
	char mem[4096];
	struct buf b = buf_init(mem, sizeof(mem));

	sample_put_text(&b, "{\"id\":", c->id);
	sample_put_text(&b, ",\"run\":", c->run);
	sample_put_text(&b, ",\"state\":", c->state);
	buf_put_str(&b, c->is_silent ? STR(",\"silent\":true") : STR(",\"silent\":false"));
	if (c->is_silent)
		sample_put_number(&b, ",\"silentMs\":", c->silent_ns / NS_PER_MS);
	sample_put_number(&b, ",\"connections\":", c->connections);
	buf_put_lit(&b, ",\"frames\":");
	sample_put_frames(&b, &c->frames);
	sample_put_rate(&b, ",\"framesPerSecond\":", c->received_rate);
	sample_put_rate(&b, ",\"refusedPerSecond\":", c->refused_rate);
	sample_put_rate(&b, ",\"droppedPerSecond\":", c->dropped_rate);
	buf_put_byte(&b, '}');
	cli_put(mem, buf_len(&b));
}

static void print_json(const struct top *t)
{
	char mem[4096];
	struct buf b = buf_init(mem, sizeof(mem));
	struct rfc3339_cache cache = { 0 };
	struct cht_now now;

	clk_read(&now);
	buf_put_lit(&b, "{\"at\":\"");
	put_rfc3339_ns(&b, &cache, now.realtime_ns);
	sample_put_text(&b, "\",\"version\":", t->now.version);
	buf_put_str(&b, t->now.is_ready ? STR(",\"ready\":true") : STR(",\"ready\":false"));
	buf_put_str(&b, t->now.is_written ? STR(",\"written\":true") : STR(",\"written\":false"));
	sample_put_number(&b, ",\"entries\":", t->now.entries);
	sample_put_rate(&b, ",\"entriesPerSecond\":", t->now.entries_rate);
	sample_put_number(&b, ",\"connections\":", t->now.connections);
	buf_put_lit(&b, ",\"frames\":");
	sample_put_frames(&b, &t->now.frames);
	sample_put_rate(&b, ",\"framesPerSecond\":", t->now.rates.received);
	buf_put_lit(&b, ",\"cells\":[");
	cli_put(mem, buf_len(&b));
	top_order(&t->now, t->sort, t->order);
	for (size_t i = 0; i < t->now.n && !cli_is_done(); i++) {
		cli_put(",", i > 0);
		print_json_cell(t->order[i]);
	}
	cli_put("]}\n", 3);
}

/* ---- text */

static void put_line(struct buf *b, const char *end)
{
	cli_put(b->start, buf_len(b));
	cli_put_str(str_of(end));
	b->at = b->start;
}

static enum cli_colour colour_of(const struct sample_cell *c)
{
	if (c->is_amiss)
		return CLI_RED;
	return c->frames.dropped > 0 || (c->refused_rate != SAMPLE_NONE && c->refused_rate > 0)
		       ? CLI_YELLOW
		       : CLI_PLAIN;
}

/* The head, and rows lines of the table from t->first on; end is the end of each line. */
static void print_table(struct top *t, int width, size_t rows, const char *end)
{
	static char mem[TOP_LINE_MAX];
	struct buf b = buf_init(mem, sizeof(mem));
	struct top_layout layout = top_layout(&t->now, width);

	top_order(&t->now, t->sort, t->order);
	for (unsigned i = 0; i < TOP_HEAD_LINES; i++) {
		top_put_head(&b, &t->now, i, width);
		put_line(&b, end);
	}
	put_line(&b, end);
	cli_printf("%s", cli_colour(CLI_BOLD));
	top_put_columns(&b, &layout);
	cli_put(b.start, buf_len(&b));
	b.at = b.start;
	cli_printf("%s%s", cli_colour(CLI_PLAIN), end);
	for (size_t i = t->first; i < t->now.n && i - t->first < rows && !cli_is_done(); i++) {
		enum cli_colour colour = colour_of(t->order[i]);

		cli_printf("%s", colour != CLI_PLAIN ? cli_colour(colour) : "");
		top_put_cell(&b, &layout, t->order[i]);
		cli_put(b.start, buf_len(&b));
		b.at = b.start;
		cli_printf("%s%s", colour != CLI_PLAIN ? cli_colour(CLI_PLAIN) : "", end);
	}
}

/* ---- one look after the other, printed */

/* Until the time is up, or nobody takes our output. */
static void wait_until(uint64_t at_ns)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = 0 };
	uint64_t now;

	cli_flush();
	while (!cli_is_done() && (now = clk_monotonic_ns()) < at_ns) {
		struct timespec left = { .tv_sec = (time_t)((at_ns - now) / NS_PER_S),
					 .tv_nsec = (long)((at_ns - now) % NS_PER_S) };

		if (ppoll(&fd, 1, &left, NULL) > 0)
			return;
	}
}

/* What is printed has rates: there is a look before the first. */
static int print_looks(struct top *t)
{
	uint64_t next = clk_monotonic_ns();
	int r = look(t);

	for (uint64_t n = 0; r == 0 && (t->count == 0 || n < t->count) && !cli_is_done(); n++) {
		next += t->interval_ns;
		wait_until(next);
		r = look(t);
		if (r < 0)
			break;
		if (t->json)
			print_json(t);
		else
			print_table(t, screen_width(), SIZE_MAX, "\n");
		if (!t->json && n + 1 != t->count)
			cli_put("\n", 1);
		cli_flush();
	}
	if (r < 0)
		diag_err(&t->err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- on a screen */

enum { LINES_AROUND = TOP_HEAD_LINES + 3 };

static size_t lines_of_table(const struct screen *s)
{
	return s->rows > LINES_AROUND ? (size_t)s->rows - LINES_AROUND : 1;
}

static void print_message(const struct top *t, const struct screen *s)
{
	char mem[4 * MESSAGE_MAX];
	struct buf b = buf_init(mem, sizeof(mem));
	const char *colour = t->err.code != 0 ? cli_colour(CLI_RED) : cli_colour(CLI_DIM);
	size_t last = t->first + lines_of_table(s);

	if (t->err.code != 0) {
		put_visible(&b, str_of(t->err.text));
	} else {
		buf_put_lit(&b, "by ");
		buf_put_str(&b, str_of(top_sorts[t->sort]));
		buf_put_lit(&b, "; ");
		put_u64(&b, t->now.n > 0 ? t->first + 1 : 0);
		buf_put_lit(&b, " to ");
		put_u64(&b, last < t->now.n ? last : t->now.n);
		buf_put_lit(&b, " of ");
		put_u64(&b, t->now.n);
		buf_put_lit(&b, "; t f l r s c n sort, q ends");
	}
	if (buf_len(&b) > (size_t)s->columns)
		b.at = b.start + s->columns;
	cli_put_str(str_of(colour));
	cli_put(b.start, buf_len(&b));
	cli_put_str(str_of(cli_colour(CLI_PLAIN)));
}

/* Each line clears what stood behind it; the last one has no end, so that nothing scrolls. */
static void draw(struct top *t, const struct screen *s)
{
	size_t rows = lines_of_table(s), most = t->now.n > rows ? t->now.n - rows : 0;

	if (t->first > most)
		t->first = most;
	cli_put_str(STR("\033[H"));
	print_table(t, s->columns, rows, "\033[K\n");
	cli_put_str(STR("\033[J"));
	cli_printf("\033[%d;1H", s->rows);
	print_message(t, s);
	cli_put_str(STR("\033[K"));
}

/* True: look again now. */
static bool on_key(struct top *t, const struct screen *s, int key)
{
	size_t page = lines_of_table(s);

	switch (key) {
	case SCREEN_UP: t->first -= t->first > 0; return false;
	case SCREEN_DOWN: t->first++; return false;
	case SCREEN_PAGE_UP: t->first -= t->first > page ? page : t->first; return false;
	case SCREEN_PAGE_DOWN: t->first += page; return false;
	case SCREEN_HOME: t->first = 0; return false;
	case ' ': return true;
	default: break;
	}
	for (int i = 0; i < TOP_N_SORTS; i++)
		if (key == top_sorts[i][0]) {
			t->sort = (enum top_sort)i;
			t->first = 0;
		}
	return false;
}

/* Until the next look is due: true; false: to end. */
static bool attend(struct top *t, struct screen *s, uint64_t next)
{
	for (;;) {
		uint64_t now = clk_monotonic_ns();
		int key;

		draw(t, s);
		key = screen_wait(s, next > now ? next - now : 0);
		if (key == SCREEN_END || key == 'q')
			return false;
		if (key == SCREEN_TIME || on_key(t, s, key))
			return true;
	}
}

/* When chtd is gone for a while that is said, and asked again; it must be there at first. */
static int fill_screen(struct top *t)
{
	struct cht_err err = { 0 };
	struct screen screen;
	int r = look(t);

	if (r < 0) {
		diag_err(&t->err);
		return CLI_FAILED;
	}
	r = screen_open(&screen, &err);
	for (uint64_t n = 1; r == 0 && attend(t, &screen, clk_monotonic_ns() + t->interval_ns) &&
			     (t->count == 0 || n < t->count);
	     n++)
		(void)!look(t);
	screen_close(&screen);
	if (r < 0)
		diag_err(&err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- what is asked for */

static void set_interval(struct cli_args *args, struct top *t)
{
	const uint64_t least = 100 * NS_PER_MS, most = 3600 * NS_PER_S;

	if (!read_duration(str_of(args->value), &t->interval_ns) || t->interval_ns < least ||
	    t->interval_ns > most)
		(void)cli_usage_error(args, "%s takes a time from 100ms to 1h, not '%s'",
				      args->name, args->value);
}

static void set_sort(struct cli_args *args, struct top *t)
{
	for (int i = 0; i < TOP_N_SORTS; i++)
		if (strcmp(args->value, top_sorts[i]) == 0) {
			t->sort = (enum top_sort)i;
			return;
		}
	(void)cli_unknown_word(args, args->value, top_sorts, TOP_N_SORTS,
			       "%s does not sort by '%s'", args->name, args->value);
}

int cmd_top(int argc, char **argv)
{
	static struct top t = { .interval_ns = 2 * NS_PER_S };
	struct cli_args args = cli_args_init(argc, argv, options);
	int o, status;

	t.socket = ask_socket();
	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_COUNT: (void)cli_number(&args, 1, UINT32_MAX, &t.count); break;
		case OPT_INTERVAL: set_interval(&args, &t); break;
		case OPT_SORT: set_sort(&args, &t); break;
		case OPT_CONTROL: t.socket = args.value; break;
		case OPT_OUTPUT: (void)cli_format(&args, &t.json); break;
		default: (void)cli_usage_error(&args, "it takes no operand: '%s'", args.value);
		}
	if (args.status >= 0)
		return args.status;
	ask_limit(ANSWER_LIMIT_S);
	status = !t.json && screen_is_there() ? fill_screen(&t) : print_looks(&t);
	top_free(&t);
	return status;
}
