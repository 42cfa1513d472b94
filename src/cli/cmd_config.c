/* SPDX-License-Identifier: Apache-2.0
 *
 * chtd's own reader reads it, and its own renderer prints it: what stands here is what it would
 * use, and -o json prints the bytes that its run's spec is the digest of.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/visible.h"
#include "conf/conf.h"

const char config_usage[] =
	"usage: cht config check [FILE] [CHTD-OPTION...] [-o json]\n"
	"       cht config show [FILE] [CHTD-OPTION...] [--origins] [-o json]\n"
	"\n"
	"check says whether chtd would take this configuration, and if not, which line is wrong\n"
	"and what was expected there. show prints what it would use, defaults too, and behind\n"
	"each value where it is from. FILE is as chtd --config takes it. Without it, and without\n"
	"--state, it is " CLI_CONFIG_FILE ". Nothing is opened but FILE and cells.d\n"
	"beside it, and chtd is not asked. A state directory may be missing: the unit gives it as\n"
	"--state. check takes what else the unit gives: it judges the whole, and looks up each "
	"user\n"
	"and group.\n"
	"\n"
	"options of chtd, which win over the file:\n"
	"      --state DIR        where the ledger is\n"
	"      --control PATH     the control socket\n"
	"      --register PATH    the socket that takes listeners\n"
	"      --cell ID=BASE     a cell; may be given many times\n"
	"      --scribe PATH      cht-scribe is a service of its own\n"
	"      --scribe-user U    whose it is\n"
	"      --opener PATH      cht-opener is one\n"
	"      --opener-user U    whose it is\n"
	"\n"
	"      --origins          with -o json: an object a value, with its origin\n"
	"  -o, --output json      show: one line, whose SHA-256 is the spec of the host's own run\n"
	"                         when chtd uses this; check: {\"ok\":...}\n"
	"  -h, --help             this text\n"
	"\n"
	"exit: 0, 1 no memory or the like, 2 usage, 78 chtd would refuse it, which is said\n"
	"\n"
	"examples:\n"
	"  cht config check /etc/cht/chtd.conf --state /var/lib/cht --scribe /run/cht/scribe.sock\n"
	"  cht config show --state /var/lib/cht --cell web-1=/run/vms/web-1/v.sock\n"
	"  cht config show -o json | sha256sum    # is it what runs? cht cat --type host.started\n";

enum {
	OPT_STATE,
	OPT_CONTROL,
	OPT_REGISTER,
	OPT_CELL,
	OPT_SCRIBE,
	OPT_SCRIBE_USER,
	OPT_OPENER,
	OPT_OPENER_USER,
	OPT_ORIGINS,
	OPT_OUTPUT
};

static const struct cli_option options[] = {
	[OPT_STATE] = { "state", 0, true },
	[OPT_CONTROL] = { "control", 0, true },
	[OPT_REGISTER] = { "register", 0, true },
	[OPT_CELL] = { "cell", 0, true },
	[OPT_SCRIBE] = { "scribe", 0, true },
	[OPT_SCRIBE_USER] = { "scribe-user", 0, true },
	[OPT_OPENER] = { "opener", 0, true },
	[OPT_OPENER_USER] = { "opener-user", 0, true },
	[OPT_ORIGINS] = { "origins", 0, false },
	[OPT_OUTPUT] = { "output", 'o', true },
	{ NULL, 0, false },
};

/* Those of chtd, in the words in which they are passed on. */
static const char *const given[] = {
	[OPT_STATE] = "--state",       [OPT_CONTROL] = "--control",
	[OPT_REGISTER] = "--register", [OPT_CELL] = "--cell",
	[OPT_SCRIBE] = "--scribe",     [OPT_SCRIBE_USER] = "--scribe-user",
	[OPT_OPENER] = "--opener",     [OPT_OPENER_USER] = "--opener-user",
};
enum { N_GIVEN = sizeof(given) / sizeof(given[0]) };

struct request {
	const char *action, *file;
	bool json, origins, has_state;
	bool lacks_state; /* chtd needs it as an option */
	char **argv;      /* what chtd would be given */
	int argc;
};

/* Handed to what is no secret of ours to show: only that they are there. */
static const char *const variables[] = {
	"CELLOS_HOST_TELEMETRY_SIGN_ALG",       "CELLOS_HOST_TELEMETRY_SIGN_KID",
	"CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY",  "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK",
	"CELLOS_HOST_TELEMETRY_LOG_ED25519_SK",
};
enum { N_VARIABLES = sizeof(variables) / sizeof(variables[0]) };

/* ---- what is printed */

enum { ORIGIN_MAX = 4096 };

static void put_origin(struct buf *b, const struct conf *conf, const struct conf_value *value)
{
	switch ((enum conf_from)value->origin.from) {
	case CONF_FROM_DEFAULT: buf_put_lit(b, "default"); break;
	case CONF_FROM_FILE:
		put_visible(b, str_of(conf->files[value->origin.file]));
		buf_put_byte(b, ':');
		put_u64(b, value->origin.line);
		break;
	case CONF_FROM_OPTION:
		buf_put_lit(b, "option --");
		buf_put_str(b, str_of(value->cell != NULL                  ? "cell"
				      : strcmp(value->name, "socket") == 0 ? "control"
									   : value->name));
		break;
	}
}

/* Whether anything is set there: a section without keys is none that chtd takes. */
static bool has_values(const struct conf *conf, const char *section)
{
	static char raw[CONF_TEXT_MAX];
	struct buf text = buf_init(raw, sizeof(raw));
	struct conf_value v;

	for (size_t at = 0; conf_next_value(conf, &at, &v, &text);
	     text = buf_init(raw, sizeof(raw)))
		if (v.is_set && strcmp(v.section, section) == 0)
			return true;
	return false;
}

static void print_section(const struct conf *conf, const char *section, const char *id,
			  bool is_first)
{
	bool is_empty = *id == '\0' && !has_values(conf, section);

	cli_printf("%s%s[%s%s%s]%s\n", is_first ? "" : "\n", is_empty ? "; " : cli_colour(CLI_BOLD),
		   section, *id != '\0' ? " " : "", id, is_empty ? "" : cli_colour(CLI_PLAIN));
}

/* A section and a line for each value, as they could stand in the file. */
static void print_text(const struct conf *conf)
{
	static char value[4 * CONF_TEXT_MAX], origin[ORIGIN_MAX], raw[CONF_TEXT_MAX];
	const char *section = "", *cell = "";
	struct buf text = buf_init(raw, sizeof(raw)), shown, from;
	struct conf_value v;

	for (size_t at = 0; conf_next_value(conf, &at, &v, &text);
	     text = buf_init(raw, sizeof(raw))) {
		const char *id = v.cell != NULL ? v.cell->id : "";

		if (strcmp(section, v.section) != 0 || strcmp(cell, id) != 0)
			print_section(conf, v.section, id, *section == '\0');
		section = v.section;
		cell = id;
		if (v.cell != NULL && !v.is_set)
			continue;
		shown = buf_init(value, sizeof(value));
		put_visible(&shown, (struct cht_str){ raw, buf_len(&text) });
		from = buf_init(origin, sizeof(origin));
		put_origin(&from, conf, &v);
		if (v.is_set)
			cli_printf("%s = %-*.*s %s; %.*s%s\n", v.name,
				   strlen(v.name) < 36 ? 36 - (int)strlen(v.name) : 0,
				   (int)buf_len(&shown), value, cli_colour(CLI_DIM),
				   (int)buf_len(&from), origin, cli_colour(CLI_PLAIN));
		else
			cli_printf("%s; %s is not set%s\n", cli_colour(CLI_DIM), v.name,
				   cli_colour(CLI_PLAIN));
	}
	for (size_t i = 0; i < N_VARIABLES; i++)
		if (getenv(variables[i]) != NULL)
			cli_printf(
				"\n; %s is in this environment: where chtd has it too, cht-scribe "
				"takes it\n",
				variables[i]);
}

/* An object a line. */
static void print_origins(const struct conf *conf)
{
	static const char *const words[] = { "default", "file", "option" };
	static char line[8 * CONF_TEXT_MAX], raw[CONF_TEXT_MAX];
	struct buf text = buf_init(raw, sizeof(raw)), b;
	struct conf_value v;

	for (size_t at = 0; conf_next_value(conf, &at, &v, &text);
	     text = buf_init(raw, sizeof(raw))) {
		b = buf_init(line, sizeof(line));
		json_put_member(&b, "{\"section\":", str_of(v.section));
		if (v.cell != NULL)
			json_put_member(&b, ",\"cell\":", str_of(v.cell->id));
		json_put_member(&b, ",\"key\":", str_of(v.name));
		if (v.is_set)
			json_put_member(&b, ",\"value\":", (struct cht_str){ raw, buf_len(&text) });
		json_put_member(&b, ",\"from\":", str_of(words[v.origin.from]));
		if (v.origin.from == CONF_FROM_FILE) {
			json_put_member(&b, ",\"file\":", str_of(conf->files[v.origin.file]));
			buf_put_lit(&b, ",\"line\":");
			put_u64(&b, v.origin.line);
		}
		buf_put_lit(&b, "}\n");
		cli_put(line, buf_len(&b));
	}
	for (size_t i = 0; i < N_VARIABLES; i++)
		if (getenv(variables[i]) != NULL)
			cli_printf("{\"variable\":\"%s\",\"from\":\"environment\"}\n",
				   variables[i]);
}

static int print_json(const struct conf *conf, struct cht_err *err)
{
	size_t cap = conf_render_max(conf);
	uint8_t *mem = malloc(cap);
	struct buf b;

	if (mem == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to render the configuration");
	b = buf_init(mem, cap);
	conf_render(conf, &b);
	if (!b.full)
		cli_put(mem, buf_len(&b));
	free(mem);
	return b.full ? cht_fail(err, CHT_E_CONFIG, 0, "the configuration is too long") : 0;
}

/* ---- what is done */

static void print_verdict(const struct request *q, const struct conf *conf, const char *why)
{
	static char line[8 * CONF_TEXT_MAX];
	struct buf b = buf_init(line, sizeof(line));

	if (!q->json) {
		if (why == NULL)
			cli_printf("%s: ok, %zu cell%s%s\n", q->file != NULL ? q->file : "options",
				   conf->n_cells, conf->n_cells == 1 ? "" : "s",
				   q->lacks_state ? "; chtd needs --state DIR beside it" : "");
		return;
	}
	buf_put_str(&b, why == NULL ? STR("{\"ok\":true,\"cells\":") : STR("{\"ok\":false"));
	if (why == NULL) {
		put_u64(&b, conf->n_cells);
		buf_put_str(&b, q->lacks_state ? STR(",\"hasState\":false")
					       : STR(",\"hasState\":true"));
	} else {
		json_put_member(&b, ",\"message\":", str_of(why));
	}
	buf_put_lit(&b, "}\n");
	cli_put(line, buf_len(&b));
}

static void pass(struct request *q, const char *option, const char *value)
{
	q->argv[q->argc++] = (char *)(uintptr_t)option;
	q->argv[q->argc++] = (char *)(uintptr_t)value;
}

/* Where only the state directory is missing, all but that. */
static int load(struct request *q, struct conf *conf, struct cht_err *err)
{
	int r = conf_load(conf, q->argc, q->argv, err);

	if (r >= 0 || q->has_state || conf->state != NULL)
		return r;
	conf_free(conf);
	q->lacks_state = true;
	pass(q, given[OPT_STATE], "/");
	r = conf_load(conf, q->argc, q->argv, err);
	free(conf->state);
	conf->state = NULL;
	return r;
}

static int run(struct request *q)
{
	struct cht_err err = { 0 };
	struct conf conf;
	bool is_check = q->action[0] == 'c';
	int r = load(q, &conf, &err);

	if (r == 0 && is_check)
		r = conf_check_names(&conf, &err);
	if (r == 0 && is_check)
		print_verdict(q, &conf, NULL);
	else if (r == 0 && q->json && !q->origins)
		r = print_json(&conf, &err);
	else if (r == 0 && q->json)
		print_origins(&conf);
	else if (r == 0)
		print_text(&conf);
	if (r < 0 && is_check)
		print_verdict(q, &conf, err.text);
	conf_free(&conf);
	if (r < 0)
		diag_err(&err);
	return r == 0 ? CLI_OK : r == CHT_E_NOMEM ? CLI_FAILED : CLI_CONFIG;
}

/* ---- what is asked for */

static void on_option(struct cli_args *args, int option, struct request *q)
{
	if (option >= 0 && option < N_GIVEN) {
		q->has_state = q->has_state || option == OPT_STATE;
		pass(q, given[option], args->value);
		return;
	}
	switch (option) {
	case OPT_ORIGINS: q->origins = true; break;
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	default:
		if (q->action == NULL)
			q->action = args->value;
		else if (q->file == NULL)
			q->file = args->value;
		else
			(void)cli_usage_error(args, "'%s' is one too many", args->value);
	}
}

/* False: that cannot be done, which is said. */
static bool check(struct cli_args *args, const struct request *q)
{
	static const char *const actions[] = { "check", "show" };

	if (q->action == NULL)
		(void)cli_usage_error(args, "what should it do: check or show");
	else if (strcmp(q->action, "check") != 0 && strcmp(q->action, "show") != 0)
		(void)cli_unknown_word(args, q->action, actions, 2,
				       "it takes check or show, not '%s'", q->action);
	else if (q->origins && (q->action[0] == 'c' || !q->json))
		(void)cli_usage_error(args, "--origins is for show -o json: the text has them");
	else
		return true;
	return false;
}

int cmd_config(int argc, char **argv)
{
	static char name[] = "chtd";
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { .argv = calloc((size_t)argc * 2 + 8, sizeof(char *)), .argc = 1 };
	bool is_good;
	int o, status;

	if (q.argv == NULL) {
		diag(DIAG_ERROR, "no memory");
		return CLI_FAILED;
	}
	q.argv[0] = name;
	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q);
	is_good = args.status < 0 && check(&args, &q);
	if (q.file == NULL && !q.has_state)
		q.file = CLI_CONFIG_FILE;
	if (q.file != NULL)
		pass(&q, "--config", q.file);
	status = is_good ? run(&q) : args.status;
	free(q.argv);
	return status;
}
