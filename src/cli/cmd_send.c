/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/words.h"
#include "cli/cli.h"
#include "cli/send.h"

enum { CONNECTIONS_MAX = 1 << 20, RATE_MAX = 1000000000, FLOOD_DEFAULT = 1000 };
#define FRAMES_MAX (UINT64_C(1) << 40)

enum {
	OPT_OUTPUT,
	OPT_FRAMES,
	OPT_CONNECTIONS,
	OPT_RATE,
	OPT_BATCH,
	OPT_SOURCE,
	OPT_COMM,
	OPT_PID,
	OPT_SEQ,
	OPT_HELLO,
	OPT_FAULT,
	OPT_HOLD
};

static const struct cli_option options[] = {
	[OPT_OUTPUT] = { "output", 'o', true },
	[OPT_FRAMES] = { "frames", 'n', true },
	[OPT_CONNECTIONS] = { "connections", 'c', true },
	[OPT_RATE] = { "rate", 'r', true },
	[OPT_BATCH] = { "batch", 'b', true },
	[OPT_SOURCE] = { "source", 0, true },
	[OPT_COMM] = { "comm", 0, true },
	[OPT_PID] = { "pid", 0, true },
	[OPT_SEQ] = { "seq", 0, false },
	[OPT_HELLO] = { "hello", 0, false },
	[OPT_FAULT] = { "fault", 0, true },
	[OPT_HOLD] = { "hold", 0, false },
	{ NULL, 0, false },
};

struct request {
	struct send_options send;
	const char *target;
	bool json, has_frames;
};

/* KIND or KIND=COUNT. */
static void read_fault(struct cli_args *args, struct request *q)
{
	const char *near, *equals = strchr(args->value, '=');
	size_t len = equals != NULL ? (size_t)(equals - args->value) : strlen(args->value);
	char kind[32];
	uint64_t count;

	(void)snprintf(kind, sizeof(kind), "%.*s", (int)(len < sizeof(kind) ? len : 31),
		       args->value);
	for (unsigned f = 0; f < SEND_N_FAULTS; f++) {
		if (strcmp(send_fault_names[f], kind) != 0)
			continue;
		count = f == FAULT_FLOOD_CONNECT ? FLOOD_DEFAULT : 1;
		if (equals != NULL) {
			args->value = equals + 1;
			if (!cli_number(args, 1, FRAMES_MAX, &count))
				return;
		}
		q->send.faults[f] += count;
		return;
	}
	near = words_nearest(kind, send_fault_names, SEND_N_FAULTS);
	if (near != NULL)
		(void)cli_usage_error(args, "unknown fault '%s' (did you mean %s?)", kind, near);
	else
		(void)cli_usage_error(args, "unknown fault '%s'", kind);
}

static void read_option(struct cli_args *args, int o, struct request *q)
{
	uint64_t n;

	switch (o) {
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	case OPT_FRAMES:
		q->has_frames = true;
		(void)cli_number(args, 0, FRAMES_MAX, &q->send.frames);
		break;
	case OPT_CONNECTIONS:
		(void)cli_number(args, 0, CONNECTIONS_MAX, &q->send.connections);
		break;
	case OPT_RATE: (void)cli_number(args, 1, RATE_MAX, &q->send.rate); break;
	case OPT_BATCH: (void)cli_number(args, 1, SEND_BATCH_MAX, &q->send.batch); break;
	case OPT_SOURCE: q->send.synth.source = str_of(args->value); break;
	case OPT_COMM: q->send.synth.comm = str_of(args->value); break;
	case OPT_PID:
		if (cli_number(args, 0, UINT32_MAX, &n))
			q->send.synth.pid = (uint32_t)n;
		break;
	case OPT_SEQ: q->send.synth.has_seq = true; break;
	case OPT_HELLO: q->send.has_hello = true; break;
	case OPT_FAULT: read_fault(args, q); break;
	case OPT_HOLD: q->send.holds = true; break;
	default:
		if (q->target != NULL)
			(void)cli_usage_error(args, "one target at a time");
		q->target = args->value;
	}
}

/* What cannot be done together. */
static void check(struct cli_args *args, struct request *q)
{
	uint64_t inside = 0, endings = 0;

	for (unsigned f = FAULT_BAD_CBOR; f <= FAULT_GAP; f++)
		inside += q->send.faults[f];
	for (unsigned f = FAULT_BAD_LENGTH; f <= FAULT_STALL; f++)
		endings += q->send.faults[f];
	if (!q->has_frames)
		q->send.frames = q->send.connections > inside ? q->send.connections : inside;
	q->send.is_of_agent = cht_source_find(q->send.synth.source) != CHT_SOURCE_OTHER &&
			      !cht_source_is_known(q->send.synth.source);
	if (q->target == NULL)
		(void)cli_usage_error(args, "it needs a target: unix:PATH or vsock:CID:PORT");
	else if (q->send.connections == 0 && q->send.frames > 0)
		(void)cli_usage_error(args, "frames need a connection");
	else if (inside > q->send.frames)
		(void)cli_usage_error(args, "%llu faults do not fit into %llu frames",
				      (unsigned long long)inside,
				      (unsigned long long)q->send.frames);
	else if (endings > q->send.connections)
		(void)cli_usage_error(args, "%llu faults end a connection each: -c %llu",
				      (unsigned long long)endings, (unsigned long long)endings);
	else if (q->send.faults[FAULT_GAP] > 0 && !q->send.synth.has_seq)
		(void)cli_usage_error(args, "a gap is in sequence numbers: it needs --seq");
}

static unsigned long long per_second(uint64_t n, uint64_t ns)
{
	return ns == 0 ? 0 : (unsigned long long)((double)n * (double)NS_PER_S / (double)ns);
}

static void print_json(const struct send_result *r)
{
	const char *separator = "";

	cli_printf("{\"frames\":%llu,\"hellos\":%llu,\"bytes\":%llu,\"connections\":%llu,"
		   "\"elapsedNs\":%llu,\"framesPerSecond\":%llu,\"faults\":{",
		   (unsigned long long)r->frames, (unsigned long long)r->hellos,
		   (unsigned long long)r->bytes, (unsigned long long)r->connections,
		   (unsigned long long)r->elapsed_ns, per_second(r->frames, r->elapsed_ns));
	for (unsigned f = 0; f < SEND_N_FAULTS; f++) {
		if (r->faults[f] == 0)
			continue;
		cli_printf("%s\"%s\":%llu", separator, send_fault_names[f],
			   (unsigned long long)r->faults[f]);
		separator = ",";
	}
	cli_printf("},\"unsent\":%llu,\"closedEarly\":%llu}\n", (unsigned long long)r->unsent,
		   (unsigned long long)r->closed_early);
}

static void print_text(const struct send_result *r)
{
	const char *separator = "with faults: ";

	cli_printf("sent %llu frame%s, %llu bytes, on %llu connection%s in %llu.%03llu s: %llu/s\n",
		   (unsigned long long)r->frames, r->frames == 1 ? "" : "s",
		   (unsigned long long)r->bytes, (unsigned long long)r->connections,
		   r->connections == 1 ? "" : "s", (unsigned long long)(r->elapsed_ns / NS_PER_S),
		   (unsigned long long)(r->elapsed_ns % NS_PER_S / NS_PER_MS),
		   per_second(r->frames, r->elapsed_ns));
	if (r->hellos > 0)
		cli_printf("and %llu agent.hello\n", (unsigned long long)r->hellos);
	for (unsigned f = 0; f < SEND_N_FAULTS; f++) {
		if (r->faults[f] == 0)
			continue;
		cli_printf("%s%s %llu", separator, send_fault_names[f],
			   (unsigned long long)r->faults[f]);
		separator = ", ";
	}
	cli_printf("%s", separator[0] == ',' ? "\n" : "");
	if (r->unsent > 0 || r->closed_early > 0)
		cli_printf("%snot sent: %llu frames; %llu connections were closed early%s\n",
			   cli_colour(CLI_RED), (unsigned long long)r->unsent,
			   (unsigned long long)r->closed_early, cli_colour(CLI_PLAIN));
}

static int send_all(const struct request *q, const struct target *target, struct cht_err *err)
{
	struct send_result result = { .frames = 0 };
	struct sender *sender = NULL;
	int r = send_new(&sender, target, &q->send, err);

	if (r < 0)
		return r;
	r = send_run(sender, &result, err);
	if (q->json)
		print_json(&result);
	else
		print_text(&result);
	cli_flush();
	if (r == 0 && (q->send.holds || q->send.faults[FAULT_STALL] > 0))
		r = send_hold(sender, err);
	send_free(sender);
	if (r == 0 && (result.unsent > 0 || result.closed_early > 0))
		r = cht_fail(err, CHT_E_PEER, 0, "not everything was sent");
	return r;
}

int cmd_send(int argc, char **argv)
{
	struct request q = { .send = { .synth = { .source = STR("process.spawned"),
						  .comm = STR("synthetic"),
						  .pid = (uint32_t)getpid() },
				       .connections = 1,
				       .batch = 1 } };
	struct cli_args args = cli_args_init(argc, argv, options);
	struct target target;
	struct cht_err err;
	int o, r;

	while ((o = cli_next(&args)) != CLI_END)
		read_option(&args, o, &q);
	if (args.status < 0)
		check(&args, &q);
	if (args.status >= 0)
		return args.status;
	r = target_open(&target, q.target, &err);
	if (r == CHT_E_RANGE)
		return cli_usage_error(&args, "%s", err.text);
	if (r == 0)
		r = send_all(&q, &target, &err);
	target_close(&target);
	if (r < 0)
		diag_err(&err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}
