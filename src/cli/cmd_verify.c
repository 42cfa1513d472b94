/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"
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

enum { JOBS_MAX = 64, TRUST_FILE_MAX = 65536 };

struct request {
	const char *path, *keys, *hmac_keys, *policy;
	const char *vkeys[VERIFY_VKEYS_MAX];
	size_t n_vkeys;
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

/* A file of the caller, who may name it by a link or give a pipe. Its length, or a code. */
static ssize_t read_caller_file(const char *path, char *out, struct cht_err *err)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open %s", path);
	n = fd_read_all(fd, out, TRUST_FILE_MAX, err);
	fd_close(&fd);
	return n;
}

/* A verifier key as such has '+' in it; anything else is a file that holds one. */
static int add_vkey(struct verify_trust *trust, const char *text, struct cht_err *err)
{
	char mem[TRUST_FILE_MAX];
	ssize_t n;

	if (strchr(text, '+') != NULL && access(text, F_OK) != 0)
		return verify_trust_add_vkey(trust, str_of(text), err);
	n = read_caller_file(text, mem, err);
	return n < 0 ? (int)n
		     : verify_trust_add_vkey(trust, (struct cht_str){ mem, (size_t)n }, err);
}

static int add_policy(struct verify_trust *trust, const char *path, struct cht_err *err)
{
	char mem[TRUST_FILE_MAX];
	ssize_t n = read_caller_file(path, mem, err);

	return n < 0 ? (int)n
		     : verify_trust_add_policy(trust, (struct cht_str){ mem, (size_t)n }, err);
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
	for (size_t i = 0; r == 0 && i < q->n_vkeys; i++)
		r = add_vkey(*trust, q->vkeys[i], err);
	if (r == 0 && q->policy != NULL)
		r = add_policy(*trust, q->policy, err);
	if (r < 0) {
		verify_trust_free(*trust);
		*trust = NULL;
		return r;
	}
	if (verify_trust_is_exposed(*trust))
		diag(DIAG_WARNING,
		     "others can read %s, and whoever reads an HMAC key can sign with it; "
		     "chmod 600 it",
		     hmac_keys);
	return r;
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
	int r = load_trust(&trust, q, &err);

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
	case OPT_KEYS: q->keys = args->value; break;
	case OPT_HMAC_KEYS: q->hmac_keys = args->value; break;
	case OPT_VKEY:
		if (q->n_vkeys == VERIFY_VKEYS_MAX)
			(void)cli_usage_error(args, "at most %d times --vkey", VERIFY_VKEYS_MAX);
		else
			q->vkeys[q->n_vkeys++] = args->value;
		break;
	case OPT_POLICY: q->policy = args->value; break;
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
