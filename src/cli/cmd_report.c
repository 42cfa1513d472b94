/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "cli/report_html.h"
#include "cli/trusted.h"
#include "cli/verify_report.h"

enum { OPT_OUTPUT, OPT_HTML, OPT_VKEY, OPT_POLICY, OPT_KEYS, OPT_HMAC_KEYS, OPT_SINCE };

const char report_usage[] =
	"usage: cht report [-o json] [--html OUT] [--vkey KEY]... DIR RUN\n"
	"\n"
	"What happened in a run, and how far it can be believed: who registered it and how it\n"
	"ended, a timeline of guest, host and channel, losses, silences, what witnesses said,\n"
	"what probes read, refusals, and the verdict of cht verify. DIR is the state directory,\n"
	"the ledger in it, a copy of that, a bundle, or a directory of tiles. All of it is read\n"
	"and verified on the way; memory does not grow with the run.\n"
	"\n"
	"With --html it is a page that needs no network: with up to 500 events and their\n"
	"proofs, which the page checks itself, the checkpoint's signature too.\n"
	"\n"
	"      --html OUT     write a page to OUT, which must not be there\n"
	"      --vkey KEY     believe checkpoints of this verifier key, or of one in a file\n"
	"      --policy FILE  believe the logs of a C2SP tlog-policy, with its witnesses\n"
	"  -k, --keys FILE    public keys of envelopes by key id, a JSON object\n"
	"      --hmac-keys FILE  HMAC keys of envelopes\n"
	"      --since FILE   checkpoints that were kept elsewhere\n"
	"  -o, --output json  one JSON object instead of text\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 1 no such run, or it cannot be read or written, 2 usage, 11 what is stored is\n"
	"damaged: the report is made all the same and says so\n"
	"\n"
	"examples:\n"
	"  cht report /var/lib/cht run-7\n"
	"  cht report --vkey vkey --html run-7.html run-7.bundle run-7\n";

struct request {
	const char *dir, *run, *html, *since;
	struct trusted trusted;
	bool json;
};

static int gather(const struct request *q, struct report *report, struct cht_err *err)
{
	struct verify_progress progress = { .begun_ns = clk_monotonic_ns() };
	struct verify_options options = { .run_id = q->run,
					  .since = q->since,
					  .on_event = report_on_event,
					  .on_event_context = report };
	struct verify_trust *trust = NULL;
	struct cht_now now;
	int r = trusted_load(&trust, &q->trusted, err);

	clk_read(&now);
	options.now_s = (uint64_t)now.realtime_ns / NS_PER_S;
	if (isatty(STDERR_FILENO) == 1) {
		options.progress = verify_on_progress;
		options.context = &progress;
	}
	if (r == 0)
		r = verify_path(q->dir, trust, &options, &report->verdict, err);
	verify_trust_free(trust);
	verify_progress_end(&progress);
	if (r == 0 && report->status < 0)
		r = cht_fail(err, report->status, 0, "no memory for the report");
	if (r == 0 && report->events == 0)
		r = cht_fail(err, CHT_E_CONFIG, 0,
			     "no event under the newest checkpoint is of run '%s': cht ps lists "
			     "none, cht cat shows what there is",
			     q->run);
	return r;
}

static int make(const struct request *q, struct report *report, struct cht_err *err)
{
	static struct report_page page;
	int r;

	if (q->html == NULL) {
		r = gather(q, report, err);
		if (r < 0)
			return r;
		report_end(report);
		if (q->json)
			report_print_json(report);
		else
			report_print_text(report);
		return 0;
	}
	r = report_page_begin(&page, report, q->html, err);
	if (r == 0)
		r = gather(q, report, err);
	if (r == 0) {
		report_end(report);
		r = report_page_write(&page, report, &q->trusted, err);
	}
	return report_page_end(&page, r, err);
}

static int run(const struct request *q)
{
	static struct report report;
	struct cht_err err = { 0 };
	int r;

	report.path = q->dir;
	report.run_id = q->run;
	r = make(q, &report, &err);
	report_free(&report);
	if (r < 0) {
		diag_err(&err);
		return CLI_FAILED;
	}
	return report.verdict.integrity == VERIFY_DAMAGED ? CLI_DAMAGED : CLI_OK;
}

static void on_option(struct cli_args *args, int o, struct request *q, unsigned *n)
{
	switch (o) {
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	case OPT_HTML: q->html = args->value; break;
	case OPT_VKEY: trusted_add_vkey(&q->trusted, args); break;
	case OPT_POLICY: q->trusted.policy = args->value; break;
	case OPT_KEYS: q->trusted.keys = args->value; break;
	case OPT_HMAC_KEYS: q->trusted.hmac_keys = args->value; break;
	case OPT_SINCE: q->since = args->value; break;
	default: *((*n)++ == 0 ? &q->dir : &q->run) = args->value;
	}
}

int cmd_report(int argc, char **argv)
{
	static const struct cli_option options[] = {
		[OPT_OUTPUT] = { "output", 'o', true }, [OPT_HTML] = { "html", 0, true },
		[OPT_VKEY] = { "vkey", 0, true },       [OPT_POLICY] = { "policy", 0, true },
		[OPT_KEYS] = { "keys", 'k', true },     [OPT_HMAC_KEYS] = { "hmac-keys", 0, true },
		[OPT_SINCE] = { "since", 0, true },     { NULL, 0, false }
	};
	struct cli_args args = cli_args_init(argc, argv, options);
	static struct request q;
	unsigned n = 0;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q, &n);
	if (args.status < 0 && n != 2)
		(void)cli_usage_error(&args, "it needs a ledger or a bundle, and the id of a run");
	if (args.status < 0 && (*q.run == '\0' || strlen(q.run) > CHT_ATTRIBUTION_MAX))
		(void)cli_usage_error(&args, "a run id has 1 to %d bytes", CHT_ATTRIBUTION_MAX);
	if (args.status < 0 && q.html != NULL && q.json)
		(void)cli_usage_error(&args, "--html is a page, -o json is an object: one of them");
	if (args.status >= 0)
		return args.status;
	return run(&q);
}
