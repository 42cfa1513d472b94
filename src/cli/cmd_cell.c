/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/newfile.h"
#include "cli/sample.h"
#include "cli/visible.h"

enum {
	OPT_CONTROL,
	OPT_BASE,
	OPT_PATH,
	OPT_CID,
	OPT_RUN,
	OPT_SPEC,
	OPT_SPEC_ID,
	OPT_VMM_PID,
	OPT_PROBES,
	OPT_UID,
	OPT_OWNER,
	OPT_GROUP,
	OPT_MODE,
	OPT_RECEIPT,
	OPT_OUTPUT,
};

/* What it can do: with which request, and what that states. */
static const struct action {
	const char *name, *method;
	const char *state; /* of the VM; null: none */
	bool has_id, has_receipt;
} actions[] = {
	{ "add", "PUT", NULL, true, true },          { "ls", "GET", NULL, false, false },
	{ "pause", "PATCH", "paused", true, false }, { "resume", "PATCH", "resumed", true, false },
	{ "rm", "DELETE", NULL, true, true },        { "show", "GET", NULL, true, false },
};
enum { N_ACTIONS = sizeof(actions) / sizeof(actions[0]) };
#define ACTIONS "add, ls, pause, resume, rm or show"

struct request {
	const char *word;
	const struct action *action;
	const char *id, *socket, *receipt;
	json_t *body; /* what add is told of the cell */
	bool json;
};

static const struct cli_option options[] = {
	[OPT_CONTROL] = { "control", 0, true }, [OPT_BASE] = { "base", 0, true },
	[OPT_PATH] = { "path", 0, true },       [OPT_CID] = { "cid", 0, true },
	[OPT_RUN] = { "run", 0, true },         [OPT_SPEC] = { "spec", 0, true },
	[OPT_SPEC_ID] = { "spec-id", 0, true }, [OPT_VMM_PID] = { "vmm-pid", 0, true },
	[OPT_PROBES] = { "probes", 0, true },   [OPT_UID] = { "uid", 0, true },
	[OPT_OWNER] = { "owner", 0, true },     [OPT_GROUP] = { "group", 0, true },
	[OPT_MODE] = { "mode", 0, true },       [OPT_RECEIPT] = { "receipt", 0, true },
	[OPT_OUTPUT] = { "output", 'o', true }, { NULL, 0, false },
};

/* ---- what is printed */

static const char *text_of(const json_t *view, const char *name)
{
	const char *text = json_string_value(json_object_get(view, name));

	return text != NULL ? text : "?";
}

static uint64_t number_of(const json_t *view, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(view, name));
}

static void print_text(const char *label, const char *text)
{
	char mem[8192];
	struct buf b = buf_init(mem, sizeof(mem));

	put_visible(&b, str_of(text));
	cli_printf("%-12s%.*s\n", label, (int)buf_len(&b), mem);
}

static void print_frames(const json_t *view)
{
	const json_t *f = json_object_get(view, "frames");

	cli_printf("%-12s%" PRIu64 " received = %" PRIu64 " stored + %" PRIu64
		   " heartbeats + %" PRIu64 " refused + %" PRIu64 " dropped\n",
		   "frames", number_of(f, "received"), number_of(f, "stored"),
		   number_of(f, "heartbeats"), number_of(f, "refused"), number_of(f, "dropped"));
}

/* Of one that is registered, what it is like; else how far it has come or gone. */
static const char *state_of(const json_t *view)
{
	const char *state = text_of(view, "state");

	return strcmp(state, "open") == 0 ? text_of(view, "condition") : state;
}

static void print_cell(const json_t *view)
{
	bool is_silent = json_is_true(json_object_get(view, "silent"));

	print_text("cell", text_of(view, "id"));
	print_text("run", text_of(view, "run"));
	print_text("spec", text_of(view, "spec"));
	print_text("socket", text_of(view, "socket"));
	cli_printf("%-12s%s, %s%s\n", "state", text_of(view, "state"), text_of(view, "condition"),
		   is_silent ? ", its agent is silent" : "");
	cli_printf("%-12s%" PRIu64 "\n", "opened at", number_of(view, "index"));
	if (json_object_get(view, "stated") != NULL)
		cli_printf("%-12s%" PRIu64 "\n", "stated at", number_of(view, "stated"));
	if (json_object_get(view, "sealed") != NULL)
		cli_printf("%-12s%" PRIu64 "\n", "sealed at", number_of(view, "sealed"));
	cli_printf("%-12s%" PRIu64 " open\n", "connections", number_of(view, "connections"));
	print_frames(view);
}

static void print_list(const json_t *list)
{
	const json_t *view;
	size_t i;

	if (json_array_size(list) == 0) {
		cli_printf("no cell is registered\n");
		return;
	}
	cli_printf("%-24s %-9s %5s %12s %10s  %s\n", "CELL", "STATE", "CONNS", "STORED", "REFUSED",
		   "RUN");
	json_array_foreach(list, i, view)
	{
		const json_t *f = json_object_get(view, "frames");
		bool is_amiss =
			sample_is_amiss(json_string_value(json_object_get(view, "condition")),
					json_is_true(json_object_get(view, "silent")));

		cli_printf("%-24s %s%-9s%s %5" PRIu64 " %12" PRIu64 " %10" PRIu64 "  %s\n",
			   text_of(view, "id"), is_amiss ? cli_colour(CLI_RED) : "", state_of(view),
			   is_amiss ? cli_colour(CLI_PLAIN) : "", number_of(view, "connections"),
			   number_of(f, "stored"), number_of(f, "refused"), text_of(view, "run"));
	}
}

/* ---- what is done */

static int keep_receipt(const struct request *q, const json_t *view, struct cht_err *err)
{
	static struct newfile file;
	const char *text = json_string_value(json_object_get(view, "receipt"));
	int r;

	if (q->receipt == NULL)
		return 0;
	if (text == NULL)
		return cht_fail(err, CHT_E_STATE, 0,
				"%s: no receipt was given: the cell was registered before, or "
				"cht-scribe could not make one",
				q->receipt);
	r = newfile_begin(&file, q->receipt, err);
	if (r == 0)
		newfile_put(&file, text, strlen(text));
	return newfile_end(&file, r, err);
}

static int do_it(const struct request *q, struct ask_reply *reply, struct cht_err *err)
{
	char target[256] = "/cells", *body = NULL;
	struct buf b = buf_init(target, sizeof(target) - 1);
	int r;

	buf_put_lit(&b, "/cells");
	if (q->id != NULL) {
		buf_put_byte(&b, '/');
		buf_put_str(&b, str_of(q->id));
	}
	if (b.full)
		return cht_fail(err, CHT_E_RANGE, 0, "no cell has an id as long as this");
	*b.at = '\0';
	if (json_object_size(q->body) > 0 && (body = json_dumps(q->body, JSON_COMPACT)) == NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "what is told of a cell must be UTF-8");
	r = ask_json(q->socket, q->action->method, target, body, reply, err);
	free(body);
	return r < 0 ? r : keep_receipt(q, reply->json, err);
}

static int run(const struct request *q)
{
	struct ask_reply reply = { .status = 0 };
	struct cht_err err = { 0 };
	int r = do_it(q, &reply, &err);

	/* What was done is said, also where its receipt could not be kept. */
	if (reply.json != NULL && reply.status < 300) {
		if (q->json)
			cli_put(reply.text, reply.len);
		else if (q->id == NULL)
			print_list(reply.json);
		else
			print_cell(reply.json);
	}
	ask_done(&reply);
	if (r < 0)
		diag_err(&err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- what is asked for */

static void set_number(struct cli_args *args, struct request *q, const char *name)
{
	uint64_t n;

	if (cli_number(args, 0, UINT32_MAX - 1, &n))
		(void)json_object_set_new(q->body, name, json_integer((json_int_t)n));
}

/* Most options are called as the member of the body that they set. */
static const char *member_of(int option)
{
	return option == OPT_SPEC_ID ? "specId" : options[option].name;
}

static void set_probes(struct cli_args *args, struct request *q)
{
	json_error_t why;
	json_t *probes = json_loads(args->value, JSON_REJECT_DUPLICATES, &why);

	if (probes == NULL || json_object_set_new(q->body, "probes", probes) < 0)
		(void)cli_usage_error(args, "--probes takes a JSON object: %s at byte %d", why.text,
				      why.position);
}

static void on_option(struct cli_args *args, int option, struct request *q)
{
	switch (option) {
	case OPT_CONTROL: q->socket = args->value; break;
	case OPT_RECEIPT: q->receipt = args->value; break;
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	case OPT_CID:
	case OPT_UID:
	case OPT_OWNER:
	case OPT_GROUP: set_number(args, q, options[option].name); break;
	case OPT_VMM_PID: set_number(args, q, "vmmPid"); break;
	case OPT_PROBES: set_probes(args, q); break;
	case CLI_OPERAND:
		if (q->word == NULL)
			q->word = args->value;
		else if (q->id == NULL)
			q->id = args->value;
		else
			(void)cli_usage_error(args, "'%s' is one too many", args->value);
		break;
	default:
		if (json_object_set_new(q->body, member_of(option), json_string(args->value)) < 0)
			(void)cli_usage_error(args, "%s takes UTF-8", args->name);
	}
}

static void find_action(struct cli_args *args, struct request *q)
{
	const char *names[N_ACTIONS];

	for (size_t i = 0; i < N_ACTIONS; i++) {
		names[i] = actions[i].name;
		if (q->word != NULL && strcmp(q->word, actions[i].name) == 0)
			q->action = &actions[i];
	}
	if (q->word == NULL) {
		(void)cli_usage_error(args, "what should it do: " ACTIONS);
	} else if (q->action == NULL) {
		(void)cli_unknown_word(args, q->word, names, N_ACTIONS,
				       "it takes " ACTIONS ", not '%s'", q->word);
	}
}

static void check(struct cli_args *args, const struct request *q)
{
	bool is_add = strcmp(q->action->method, "PUT") == 0;
	int channels = (json_object_get(q->body, "base") != NULL) +
		       (json_object_get(q->body, "path") != NULL) +
		       (json_object_get(q->body, "cid") != NULL);

	if (q->action->has_id != (q->id != NULL))
		(void)cli_usage_error(
			args, q->id == NULL ? "%s needs a cell's ID" : "%s takes no ID: show does",
			q->word);
	else if (!is_add && json_object_size(q->body) > 0)
		(void)cli_usage_error(args, "what a cell is like is told to add alone");
	else if (is_add && channels != 1)
		(void)cli_usage_error(args, "add needs one of --base, --path and --cid");
	else if (q->receipt != NULL && !q->action->has_receipt)
		(void)cli_usage_error(args, "--receipt is for add and rm");
}

int cmd_cell(int argc, char **argv)
{
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .socket = ask_socket(), .body = json_object() };
	int o, status;

	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q);
	if (args.status < 0)
		find_action(&args, &q);
	if (args.status < 0)
		check(&args, &q);
	status = args.status;
	if (status < 0 && q.action->state != NULL)
		(void)json_object_set_new(q.body, "state", json_string(q.action->state));
	if (status < 0)
		status = run(&q);
	json_decref(q.body);
	return status;
}
