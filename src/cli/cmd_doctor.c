/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/screen.h"
#include "cli/visible.h"

const char doctor_usage[] =
	"usage: cht doctor [FILE] [--state DIR] [--control PATH] [-o json]\n"
	"\n"
	"Looks whether this host is fit for chtd, and says of each thing how it is and how to\n"
	"mend it: configuration, programs, the state directory and how fast its disk is, keys,\n"
	"paths, the control socket, who runs as which user, limits, the clock, and what the\n"
	"kernel offers. Nothing is changed. FILE is the configuration (default:\n" CLI_CONFIG_FILE
	", if it is there). Run it as root to see\n"
	"everything.\n"
	"\n"
	"      --state DIR     the state directory (default: that of FILE, else $CHT_STATE,\n"
	"                      else /var/lib/cht)\n"
	"      --control PATH  chtd's control socket (default: that of FILE, else $CHT_CONTROL,\n"
	"                      else /run/chtd/control if it is there)\n"
	"  -o, --output json   one JSON object instead of text\n"
	"  -h, --help          this text\n"
	"\n"
	"exit: 0 nothing fails (there may be warnings), 1 something does, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht doctor\n"
	"  cht doctor --state /srv/cht -o json | jq '.checks[] | select(.verdict != \"ok\")'\n";

enum { OPT_STATE, OPT_CONTROL, OPT_OUTPUT };

static const struct cli_option options[] = {
	[OPT_STATE] = { "state", 0, true },
	[OPT_CONTROL] = { "control", 0, true },
	[OPT_OUTPUT] = { "output", 'o', true },
	{ NULL, 0, false },
};

static const char *const words[] = { "ok", "warn", "fail" };

/* ---- what is printed */

enum { INDENT = 19, WIDTH_MIN = 40 };

/* Behind the indent; on a terminal broken between words where it ends. */
static void print_wrapped(struct cht_str text)
{
	size_t width = isatty(STDOUT_FILENO) == 1 && screen_width() >= INDENT + WIDTH_MIN
			       ? (size_t)screen_width() - INDENT
			       : SIZE_MAX;

	while (text.len > width) {
		size_t n = width;

		while (n > 0 && text.ptr[n] != ' ')
			n--;
		n = n > 0 ? n : width;
		cli_put(text.ptr, n);
		cli_printf("\n%*s", INDENT, "");
		n += text.ptr[n] == ' ';
		text.ptr += n;
		text.len -= n;
	}
	cli_put_str(text);
}

static void print_text(const struct doctor_check *check, enum doctor_verdict verdict,
		       struct cht_str found)
{
	static const enum cli_colour colours[] = { CLI_GREEN, CLI_YELLOW, CLI_RED };
	static char mem[4 * DOCTOR_TEXT_MAX];
	struct buf b = buf_init(mem, sizeof(mem));

	put_visible(&b, found);
	cli_printf("%s%-4s%s  %-11s  ", cli_colour(colours[verdict]), words[verdict],
		   cli_colour(CLI_PLAIN), check->name);
	print_wrapped((struct cht_str){ mem, buf_len(&b) });
	cli_put("\n", 1);
	if (verdict == DOCTOR_OK)
		return;
	b = buf_init(mem, sizeof(mem));
	buf_put_lit(&b, "-> ");
	buf_put_str(&b, str_of(check->fix));
	cli_printf("%*s%s", INDENT, "", cli_colour(CLI_DIM));
	print_wrapped((struct cht_str){ mem, buf_len(&b) });
	cli_printf("%s\n", cli_colour(CLI_PLAIN));
}

/* A path may be of any bytes: it is made visible before it is JSON. */
static void put_quoted(struct buf *b, struct cht_str text)
{
	static char mem[4 * DOCTOR_TEXT_MAX];
	struct buf shown = buf_init(mem, sizeof(mem));

	put_visible(&shown, text);
	json_put_str(b, (struct cht_str){ mem, buf_len(&shown) });
}

static void print_json(const struct doctor_check *check, enum doctor_verdict verdict,
		       struct cht_str found, bool is_first)
{
	static char mem[32 * DOCTOR_TEXT_MAX];
	struct buf b = buf_init(mem, sizeof(mem));

	buf_put_str(&b, is_first ? STR("{\"checks\":[{\"name\":") : STR(",{\"name\":"));
	json_put_str(&b, str_of(check->name));
	buf_put_lit(&b, ",\"verdict\":");
	json_put_str(&b, str_of(words[verdict]));
	buf_put_lit(&b, ",\"text\":");
	put_quoted(&b, found);
	if (verdict != DOCTOR_OK) {
		buf_put_lit(&b, ",\"fix\":");
		json_put_str(&b, str_of(check->fix));
	}
	buf_put_byte(&b, '}');
	cli_put(mem, buf_len(&b));
}

static int run_checks(const struct doctor *d, bool json)
{
	static char mem[DOCTOR_TEXT_MAX];
	unsigned n[3] = { 0 };

	for (size_t i = 0; i < DOCTOR_N_CHECKS; i++) {
		struct buf text = buf_init(mem, sizeof(mem));
		enum doctor_verdict verdict = doctor_checks[i].run(d, &text);
		struct cht_str found = { mem, buf_len(&text) };

		n[verdict]++;
		if (json)
			print_json(&doctor_checks[i], verdict, found, i == 0);
		else
			print_text(&doctor_checks[i], verdict, found);
		cli_flush();
	}
	if (json)
		cli_printf("],\"ok\":%s}\n", n[DOCTOR_FAIL] == 0 ? "true" : "false");
	else
		cli_printf("\n%u ok, %u to look at, %u to mend\n", n[DOCTOR_OK], n[DOCTOR_WARN],
			   n[DOCTOR_FAIL]);
	return n[DOCTOR_FAIL] == 0 ? CLI_OK : CLI_FAILED;
}

/* ---- what is looked at */

static int load_with(struct doctor *d, const char *state, const char *control)
{
	const char *args[8] = { "chtd" };
	int n = 1;

	if (d->file != NULL) {
		args[n++] = "--config";
		args[n++] = d->file;
	}
	if (state != NULL) {
		args[n++] = "--state";
		args[n++] = state;
	}
	if (control != NULL) {
		args[n++] = "--control";
		args[n++] = control;
	}
	return conf_load(&d->conf, n, (char **)(uintptr_t)args, &d->conf_err);
}

/* The configuration as chtd would have it; where that fails, what was read before. A service is
 * told its state directory and its control socket beside the file. */
static void load(struct doctor *d, const char *state, const char *control)
{
	const char *otherwise = cli_state_dir();

	d->conf_status = load_with(d, state, control);
	if (d->conf_status < 0 && state == NULL && d->conf.state == NULL) {
		conf_free(&d->conf);
		d->conf_status = load_with(d, otherwise, control);
	}
	d->state = d->conf.state != NULL ? d->conf.state : state != NULL ? state : otherwise;
	d->socket = control != NULL ? control : d->conf.control;
	if (d->socket == NULL && (getenv("CHT_CONTROL") != NULL || access(ASK_SOCKET, F_OK) == 0))
		d->socket = ask_socket();
}

int cmd_doctor(int argc, char **argv)
{
	static struct doctor d;
	struct cli_args args = cli_args_init(argc, argv, options);
	const char *state = NULL, *control = NULL;
	bool json = false;
	int o, status;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_STATE: state = args.value; break;
		case OPT_CONTROL: control = args.value; break;
		case OPT_OUTPUT: (void)cli_format(&args, &json); break;
		default:
			if (d.file != NULL)
				(void)cli_usage_error(&args, "'%s' is one too many", args.value);
			d.file = args.value;
		}
	if (args.status >= 0)
		return args.status;
	if (d.file == NULL && access(CLI_CONFIG_FILE, F_OK) == 0)
		d.file = CLI_CONFIG_FILE;
	load(&d, state, control);
	doctor_find(&d);
	status = run_checks(&d, json);
	conf_free(&d.conf);
	return status;
}
