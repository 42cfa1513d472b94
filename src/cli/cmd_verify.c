/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/verify_report.h"

enum { OPT_OUTPUT, OPT_RUN, OPT_ALLOW, OPT_KEYS, OPT_HMAC_KEYS };

struct request {
	const char *dir, *keys, *hmac_keys;
	bool json;
	struct verify_options options;
};

/* A variable that is set and not empty, or null. */
static const char *from_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasecmp(word, *words) == 0)
			return true;
	return false;
}

/* CELLOS_EVENT_REQUIRE_SIGNED. What is neither yes nor no must not pass for no. */
static bool require_signed(struct cli_args *args)
{
	static const char *const yes[] = { "1", "true", "yes", "on", NULL };
	static const char *const no[] = { "0", "false", "no", "off", NULL };
	const char *value = from_env("CELLOS_EVENT_REQUIRE_SIGNED");

	if (value == NULL || is_one_of(value, no))
		return false;
	if (!is_one_of(value, yes))
		(void)cli_usage_error(args, "CELLOS_EVENT_REQUIRE_SIGNED is 1 or 0, not '%s'",
				      value);
	return true;
}

/* On a terminal, for what takes longer than a second: a line that is written over. */
struct progress {
	uint64_t begun_ns, last_ns;
	bool is_shown;
};

static void on_progress(void *context, uint64_t entries)
{
	struct progress *p = context;
	uint64_t now_ns = clk_monotonic_ns();

	if (now_ns - p->begun_ns < NS_PER_S || now_ns - p->last_ns < NS_PER_S / 5)
		return;
	p->last_ns = now_ns;
	p->is_shown = true;
	(void)dprintf(STDERR_FILENO, "\r%" PRIu64 " entries verified, %" PRIu64 " a second ",
		      entries, entries * 1000 / ((now_ns - p->begun_ns) / NS_PER_MS));
}

static int load_trust(struct verify_trust **trust, const struct request *q, struct cht_err *err)
{
	const char *keys = q->keys, *hmac_keys = q->hmac_keys;
	int r;

	if (keys == NULL)
		keys = from_env("CELLOS_EVENT_VERIFY_KEYS_PATH");
	if (hmac_keys == NULL)
		hmac_keys = from_env("CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH");
	r = verify_trust_load(trust, keys, hmac_keys, err);
	if (r == 0 && verify_trust_is_exposed(*trust))
		diag(DIAG_WARNING,
		     "others can read %s, and whoever reads an HMAC key can sign with it; "
		     "chmod 600 it",
		     hmac_keys);
	return r;
}

static int verify(const struct request *q)
{
	struct progress progress = { .begun_ns = clk_monotonic_ns() };
	struct verify_options options = q->options;
	struct verify_report report = { .verdict = VERIFY_CANNOT_TELL };
	struct verify_trust *trust = NULL;
	struct cht_err err = { 0 };
	int r = load_trust(&trust, q, &err);

	if (isatty(STDERR_FILENO) == 1) {
		options.progress = on_progress;
		options.context = &progress;
	}
	if (r == 0)
		r = verify_ledger(q->dir, trust, &options, &report, &err);
	verify_trust_free(trust);
	if (progress.is_shown)
		(void)dprintf(STDERR_FILENO, "\r\033[K");
	if (r < 0) {
		diag_err(&err);
		return r == CHT_E_LIMIT ? CLI_CANNOT_TELL : CLI_FAILED;
	}
	if (q->json)
		verify_print_json(&report, q->dir, q->options.run_id);
	else
		verify_print_text(&report, q->dir, q->options.run_id);
	return (int)report.verdict;
}

static void on_option(struct cli_args *args, int o, struct request *q)
{
	switch (o) {
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	case OPT_RUN:
		if (*args->value == '\0' || strlen(args->value) > CHT_ATTRIBUTION_MAX)
			(void)cli_usage_error(args, "--run takes a run id of 1 to %d bytes",
					      CHT_ATTRIBUTION_MAX);
		q->options.run_id = args->value;
		break;
	case OPT_ALLOW:
		if (strcmp(args->value, "unbounded") != 0)
			(void)cli_usage_error(args, "--allow takes unbounded, not '%s'",
					      args->value);
		q->options.allow_unbounded = true;
		break;
	case OPT_KEYS: q->keys = args->value; break;
	case OPT_HMAC_KEYS: q->hmac_keys = args->value; break;
	default:
		if (q->dir != NULL)
			(void)cli_usage_error(args, "one directory at a time");
		q->dir = args->value;
	}
}

int cmd_verify(int argc, char **argv)
{
	static const struct cli_option options[] = {
		[OPT_OUTPUT] = { "output", 'o', true },     [OPT_RUN] = { "run", 0, true },
		[OPT_ALLOW] = { "allow", 0, true },         [OPT_KEYS] = { "keys", 'k', true },
		[OPT_HMAC_KEYS] = { "hmac-keys", 0, true }, { NULL, 0, false },
	};
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { 0 };
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q);
	if (args.status < 0 && q.dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status < 0)
		q.options.require_signed = require_signed(&args);
	if (args.status >= 0)
		return args.status;
	return verify(&q);
}
