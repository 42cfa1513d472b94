/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "asked/asked.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/pretty.h"

const char probe_usage[] =
	"usage: cht probe once CELL [--socket PATH] [-o json]\n"
	"       cht probe once [--fc FILE [--api SOCKET] [--flush]] [--cgroup LEAF]\n"
	"                      [--nft FAMILY TABLE] [--tap IFACE] [--netns NAME|PID]\n"
	"                      [--vmm PID] [-o json]\n"
	"\n"
	"Reads the host's own sources of a VM now, as chtd would, with the rights of who asks,\n"
	"and prints what each has: a reading, or why there is none. CELL: what that cell was\n"
	"registered with. Nothing is stored. A FIFO that chtd reads must not be read here too:\n"
	"each line goes to one of the two.\n"
	"\n"
	"      --fc FILE          Firecracker's metrics, a file or a FIFO: the next line\n"
	"      --api SOCKET       its API socket: what was booted\n"
	"      --flush            ask it for a line first; resets its counters for every reader\n"
	"      --cgroup LEAF      a cgroup's directory, or its path below the host's mounts\n"
	"      --nft FAMILY TABLE the counters of a table's rules\n"
	"      --tap IFACE        a link's state and counters\n"
	"      --netns NAME|PID   of the two before: in whose network namespace\n"
	"      --vmm PID          a VMM's process\n"
	"  -s, --socket PATH      chtd's control socket (default: $CHT_CONTROL, else\n"
	"                         /run/chtd/control)\n"
	"  -o, --output json      a JSON object a reading, each on a line\n"
	"  -h, --help             this text\n"
	"\n"
	"exit: 0 all were read, 1 one was not, or chtd does not answer, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht probe once web-1\n"
	"  cht probe once --cgroup /sys/fs/cgroup/fc/web-1 --vmm $(pidof firecracker) -o json\n"
	"  cht probe once --nft inet cht --tap tap0 --netns web-1\n";

enum {
	OPT_FC,
	OPT_API,
	OPT_FLUSH,
	OPT_CGROUP,
	OPT_NFT,
	OPT_TAP,
	OPT_NETNS,
	OPT_VMM,
	OPT_SOCKET,
	OPT_OUTPUT
};

static const struct cli_option options[] = {
	[OPT_FC] = { "fc", 0, true },
	[OPT_API] = { "api", 0, true },
	[OPT_FLUSH] = { "flush", 0, false },
	[OPT_CGROUP] = { "cgroup", 0, true },
	[OPT_NFT] = { "nft", 0, true },
	[OPT_TAP] = { "tap", 0, true },
	[OPT_NETNS] = { "netns", 0, true },
	[OPT_VMM] = { "vmm", 0, true },
	[OPT_SOCKET] = { "socket", 's', true },
	[OPT_OUTPUT] = { "output", 'o', true },
	{ NULL, 0, false },
};

struct request {
	const char *word, *cell, *table, *socket, *netns;
	struct cht_probe_options asked[CHT_N_PROBES];
	bool is_asked[CHT_N_PROBES];
	uint64_t pid;
	bool json;
};

/* ---- what comes out */

static void put_reading(struct buf *b, const struct cht_reading *r)
{
	buf_put_lit(b, "{\"inputs\":");
	buf_put_str(b, r->inputs.len > 0 ? r->inputs : STR("{}"));
	if (r->output.len > 0) {
		buf_put_lit(b, ",\"output\":");
		buf_put_str(b, r->output);
	}
	json_put_member(b, ",\"probe\":", str_of(cht_probe_name(r->kind)));
	if (r->error.len > 0) {
		json_put_member(b, ",\"sampleError\":", r->error);
		json_put_member(b, ",\"sampleErrorText\":", r->error_text);
	}
	buf_put_lit(b, ",\"sampledAtUnixMs\":");
	put_i64(b, r->sampled_ns / (int64_t)NS_PER_MS);
	buf_put_byte(b, '}');
}

static void print(const struct cht_reading *r, bool json)
{
	static uint8_t mem[CHT_PROBE_INPUTS_MAX_BYTES + CHT_PROBE_OUTPUT_MAX_BYTES + 2048];
	struct buf b = buf_init(mem, sizeof(mem));

	put_reading(&b, r);
	if (json) {
		cli_put(mem, buf_len(&b));
		cli_printf("\n");
		return;
	}
	cli_printf("%s%s%s", cli_colour(CLI_BOLD), cht_probe_name(r->kind), cli_colour(CLI_PLAIN));
	if (r->error.len > 0)
		cli_printf(": %s%.*s%s", cli_colour(CLI_RED), (int)r->error.len, r->error.ptr,
			   cli_colour(CLI_PLAIN));
	cli_printf("\n");
	pretty_print((struct cht_str){ (char *)mem, buf_len(&b) });
}

/* False: it was not read. */
static bool read_one(const struct cht_probe_options *asked, bool json)
{
	struct cht_probe *probe;
	struct cht_reading reading;
	struct cht_now now;
	struct cht_err why;

	if (cht_probe_open(&probe, asked, &why) < 0) {
		diag(DIAG_ERROR, "%s: %s", cht_probe_name(asked->kind), why.text);
		return false;
	}
	clk_read(&now);
	if (cht_probe_read(probe, &now, &reading) == 0)
		reading = (struct cht_reading){ .kind = asked->kind,
						.sampled_ns = now.realtime_ns,
						.error = STR("no_line"),
						.error_text = STR("no line of metrics waits") };
	print(&reading, json);
	cht_probe_free(probe);
	return reading.error.len == 0;
}

/* ---- a cell's */

static int read_cell(const struct request *q)
{
	struct probes_asked asked = { .n = 0 };
	char target[CHT_CELL_ID_MAX + 16];
	struct ask_reply reply;
	struct cht_err why;
	const json_t *stated;
	bool all = true;
	int r;

	(void)snprintf(target, sizeof(target), "/cells/%s", q->cell);
	r = ask_json(q->socket, "GET", target, NULL, &reply, &why);
	if (r < 0) {
		diag_err(&why);
		ask_done(&reply);
		return CLI_FAILED;
	}
	stated = json_object_get(reply.json, "registered");
	if (!probes_asked_take(json_object_get(stated, "probes"), &asked))
		diag(DIAG_ERROR, "cell %s was registered without probes: see cht-cell(1)", q->cell);
	for (unsigned i = 0; i < asked.n; i++) {
		asked.list[i].options.pid =
			(uint32_t)json_integer_value(json_object_get(stated, "vmmPid"));
		all = read_one(&asked.list[i].options, q->json) && all;
	}
	ask_done(&reply);
	return asked.n > 0 && all ? CLI_OK : CLI_FAILED;
}

/* ---- what is asked for */

static struct cht_probe_options *want(struct request *q, enum cht_probe_kind kind)
{
	q->is_asked[kind] = true;
	q->asked[kind].kind = kind;
	return &q->asked[kind];
}

static bool is_fifo(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void take_fc(struct request *q, const char *path)
{
	struct cht_probe_options *o = want(q, CHT_PROBE_FC_METRICS);

	if (is_fifo(path))
		o->fifo = path;
	else
		o->file = path;
}

static void take_operand(struct request *q, struct cli_args *args, bool *wants_table)
{
	if (*wants_table) {
		q->asked[CHT_PROBE_NFTABLES].table = args->value;
		*wants_table = false;
	} else if (q->word == NULL) {
		q->word = args->value;
	} else if (q->cell == NULL) {
		q->cell = args->value;
	} else {
		(void)cli_usage_error(args, "too many words: %s", args->value);
	}
}

static void take_option(struct request *q, struct cli_args *args, int o, bool *wants_table)
{
	switch (o) {
	case OPT_FC: take_fc(q, args->value); break;
	case OPT_API: q->asked[CHT_PROBE_FC_METRICS].api = args->value; break;
	case OPT_FLUSH: q->asked[CHT_PROBE_FC_METRICS].flush = true; break;
	case OPT_CGROUP: want(q, CHT_PROBE_CGROUP)->cgroup = args->value; break;
	case OPT_NFT:
		want(q, CHT_PROBE_NFTABLES)->family = args->value;
		*wants_table = true;
		break;
	case OPT_TAP: want(q, CHT_PROBE_TAP_LINK)->iface = args->value; break;
	case OPT_NETNS: q->netns = args->value; break;
	case OPT_VMM:
		if (cli_number(args, 1, LIMIT_PID_MOST, &q->pid))
			want(q, CHT_PROBE_VMM_PROC)->pid = (uint32_t)q->pid;
		break;
	case OPT_SOCKET: q->socket = args->value; break;
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	default: take_operand(q, args, wants_table); break;
	}
}

static void take_netns(struct request *q)
{
	uint64_t pid;

	for (unsigned kind = 0; kind < CHT_N_PROBES && q->netns != NULL; kind++) {
		if (read_u64(str_of(q->netns), LIMIT_PID_MOST, &pid))
			q->asked[kind].netns_pid = (uint32_t)pid;
		else
			q->asked[kind].netns = q->netns;
	}
}

static int check(const struct request *q, struct cli_args *args, bool wants_table)
{
	static const char *const words[] = { "once" };
	bool any = false;

	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
		any = any || q->is_asked[kind];
	if (q->word == NULL)
		return cli_usage_error(args, "what is to be done is missing: once");
	if (strcmp(q->word, "once") != 0)
		return cli_unknown_word(args, q->word, words, 1, "there is no cht probe %s",
					q->word);
	if (wants_table)
		return cli_usage_error(args, "--nft has a family and a table: --nft inet cht");
	if (any == (q->cell != NULL))
		return cli_usage_error(args,
				       "give a cell, or one or more of --fc, --cgroup, --nft, "
				       "--tap, --vmm");
	if ((q->asked[CHT_PROBE_FC_METRICS].api != NULL || q->asked[CHT_PROBE_FC_METRICS].flush) &&
	    !q->is_asked[CHT_PROBE_FC_METRICS])
		return cli_usage_error(args, "--api and --flush go with --fc");
	return -1;
}

int cmd_probe(int argc, char **argv)
{
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .socket = ask_socket() };
	bool wants_table = false, all = true;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		take_option(&q, &args, o, &wants_table);
	if (args.status < 0)
		args.status = check(&q, &args, wants_table);
	if (args.status >= 0)
		return args.status;
	if (q.cell != NULL)
		return read_cell(&q);
	take_netns(&q);
	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
		if (q.is_asked[kind])
			all = read_one(&q.asked[kind], q.json) && all;
	return all ? CLI_OK : CLI_FAILED;
}
