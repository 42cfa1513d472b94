/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/trusted.h"
#include "cli/verify_report.h"

enum option {
	OPT_OUTPUT,
	OPT_RUN,
	OPT_ALLOW,
	OPT_KEYS,
	OPT_HMAC_KEYS,
	OPT_VKEY,
	OPT_POLICY,
	OPT_SINCE,
	OPT_FRESH,
	OPT_INTEGRITY,
	OPT_JOBS,
};

enum { JOBS_MAX = 64 };

struct request {
	const char *path;
	struct trusted trusted;
	bool json;
	struct verify_options options;
};

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
	const char *value = trusted_from_env("CELLOS_EVENT_REQUIRE_SIGNED");

	if (value == NULL || is_one_of(value, no))
		return false;
	if (!is_one_of(value, yes))
		(void)cli_usage_error(args, "CELLOS_EVENT_REQUIRE_SIGNED is 1 or 0, not '%s'",
				      value);
	return true;
}

/* What is missing to tell, as against what failed. */
static int status_of(int r)
{
	return r == CHT_E_LIMIT || r == CHT_E_VERIFY ? CLI_CANNOT_TELL : CLI_FAILED;
}

static int verify(const struct request *q)
{
	struct verify_progress progress = { .begun_ns = clk_monotonic_ns() };
	struct verify_options options = q->options;
	struct verify_report report = { .verdict = VERIFY_CANNOT_TELL };
	struct verify_trust *trust = NULL;
	struct cht_err err = { 0 };
	struct cht_now now;
	const char *run;
	int r = trusted_load(&trust, &q->trusted, &err);

	clk_read(&now);
	options.now_s = (uint64_t)now.realtime_ns / NS_PER_S;
	if (isatty(STDERR_FILENO) == 1) {
		options.progress = verify_on_progress;
		options.context = &progress;
	}
	if (r == 0)
		r = verify_path(q->path, trust, &options, &report, &err);
	verify_trust_free(trust);
	verify_progress_end(&progress);
	if (r < 0) {
		diag_err(&err);
		return status_of(r);
	}
	run = options.run_id != NULL ? options.run_id
				     : (report.bundle_run[0] != '\0' ? report.bundle_run : NULL);
	if (q->json)
		verify_print_json(&report, q->path, run);
	else
		verify_print_text(&report, q->path, run);
	return (int)report.verdict;
}

/* In seconds, rounded up. */
static uint64_t read_fresh(struct cli_args *args)
{
	uint64_t ns = 0;

	if (!read_duration(str_of(args->value), &ns) || ns == 0)
		(void)cli_usage_error(
			args, "--fresh takes a duration such as 90s, 5m, 2h or 7d, not '%s'",
			args->value);
	return (ns + NS_PER_S - 1) / NS_PER_S;
}

static unsigned read_jobs(struct cli_args *args)
{
	uint64_t n = 0;

	if (!read_u64(str_of(args->value), JOBS_MAX, &n) || n == 0)
		(void)cli_usage_error(args, "--jobs takes a number from 1 to %d, not '%s'",
				      JOBS_MAX, args->value);
	return (unsigned)n;
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
	case OPT_KEYS: q->trusted.keys = args->value; break;
	case OPT_HMAC_KEYS: q->trusted.hmac_keys = args->value; break;
	case OPT_VKEY: trusted_add_vkey(&q->trusted, args); break;
	case OPT_POLICY: q->trusted.policy = args->value; break;
	case OPT_SINCE: q->options.since = args->value; break;
	case OPT_FRESH: q->options.fresh_s = read_fresh(args); break;
	case OPT_INTEGRITY: q->options.by_hash_alone = true; break;
	case OPT_JOBS: q->options.jobs = read_jobs(args); break;
	default:
		if (q->path != NULL)
			(void)cli_usage_error(args, "one ledger or bundle at a time");
		q->path = args->value;
	}
}

int cmd_verify(int argc, char **argv)
{
	static const struct cli_option options[] = {
		[OPT_OUTPUT] = { "output", 'o', true },
		[OPT_RUN] = { "run", 0, true },
		[OPT_ALLOW] = { "allow", 0, true },
		[OPT_KEYS] = { "keys", 'k', true },
		[OPT_HMAC_KEYS] = { "hmac-keys", 0, true },
		[OPT_VKEY] = { "vkey", 0, true },
		[OPT_POLICY] = { "policy", 0, true },
		[OPT_SINCE] = { "since", 0, true },
		[OPT_FRESH] = { "fresh", 0, true },
		[OPT_INTEGRITY] = { "integrity-only", 0, false },
		[OPT_JOBS] = { "jobs", 'j', true },
		{ NULL, 0, false },
	};
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { 0 };
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q);
	if (args.status < 0 && q.path == NULL)
		(void)cli_usage_error(&args,
				      "it needs a ledger (STATE or STATE/ledger), a bundle, or "
				      "a directory of tiles");
	if (args.status < 0)
		q.options.require_signed = require_signed(&args);
	if (args.status >= 0)
		return args.status;
	return verify(&q);
}
