/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/ledger_cmd.h"

enum { OPT_NAME, OPT_AGE, OPT_BYTES, OPT_KEY_FILE, OPT_REASON, OPT_CONFIG, OPT_OUTPUT };

static bool is_none(const char *value)
{
	return strcmp(value, "none") == 0;
}

static void check_age(struct cli_args *args)
{
	uint64_t ns;

	if (!is_none(args->value) &&
	    (!read_duration(str_of(args->value), &ns) || ns == 0 || ns % NS_PER_S != 0))
		(void)cli_usage_error(args,
				      "--retain-age takes none or a time such as 30d, not '%s'",
				      args->value);
}

static void check_bytes(struct cli_args *args)
{
	uint64_t bytes;

	if (!is_none(args->value) && (!read_size(str_of(args->value), &bytes) || bytes == 0))
		(void)cli_usage_error(args,
				      "--retain-bytes takes none or a size such as 500GiB, not "
				      "'%s'",
				      args->value);
}

static void check_reason(struct cli_args *args)
{
	static const char *const reasons[] = { "rotation", "compromise", "damage",
					       "restore",  "lost-state", "format" };
	const size_t n = sizeof(reasons) / sizeof(reasons[0]);

	for (size_t i = 0; i < n; i++)
		if (strcmp(args->value, reasons[i]) == 0)
			return;
	(void)cli_unknown_word(
		args, args->value, reasons, n,
		"--reason takes rotation, compromise, damage, restore, lost-state or "
		"format, not '%s'",
		args->value);
}

static void on_option(struct cli_args *args, int option, struct ledger_request *q)
{
	switch (option) {
	case OPT_NAME: q->name = args->value; break;
	case OPT_AGE:
		check_age(args);
		q->retain_age = args->value;
		break;
	case OPT_BYTES:
		check_bytes(args);
		q->retain_bytes = args->value;
		break;
	case OPT_KEY_FILE: q->key_file = args->value; break;
	case OPT_REASON:
		check_reason(args);
		q->reason = args->value;
		break;
	case OPT_CONFIG: q->config = args->value; break;
	case OPT_OUTPUT: (void)cli_format(args, &q->json); break;
	default:
		if (q->action == NULL)
			q->action = args->value;
		else if (q->state == NULL)
			q->state = args->value;
		else
			(void)cli_usage_error(args, "'%s' is one too many", args->value);
	}
}

static void check(struct cli_args *args, const struct ledger_request *q)
{
	static const char *const actions[] = { "init", "succeed" };

	if (q->action == NULL) {
		(void)cli_usage_error(args, "what should it do, init or succeed");
	} else if (strcmp(q->action, "init") != 0 && strcmp(q->action, "succeed") != 0) {
		(void)cli_unknown_word(args, q->action, actions, 2,
				       "it takes init or succeed, not '%s'", q->action);
	} else if (q->state == NULL || *q->state == '\0') {
		(void)cli_usage_error(args, "%s needs the state directory", q->action);
	} else if (strcmp(q->action, "init") == 0) {
		if (q->reason != NULL || q->config != NULL)
			(void)cli_usage_error(args, "--reason and --config are for succeed");
	} else if (q->reason == NULL) {
		(void)cli_usage_error(args, "succeed needs --reason: why does the log end");
	}
}

int cmd_ledger(int argc, char **argv)
{
	static const struct cli_option options[] = {
		[OPT_NAME] = { "name", 0, true },          [OPT_AGE] = { "retain-age", 0, true },
		[OPT_BYTES] = { "retain-bytes", 0, true }, [OPT_KEY_FILE] = { "key-file", 0, true },
		[OPT_REASON] = { "reason", 0, true },      [OPT_CONFIG] = { "config", 0, true },
		[OPT_OUTPUT] = { "output", 'o', true },    { NULL, 0, false },
	};
	struct cli_args args = cli_args_init(argc, argv, options);
	struct ledger_request q = { 0 };
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		on_option(&args, o, &q);
	if (args.status < 0)
		check(&args, &q);
	if (args.status >= 0)
		return args.status;
	if (q.action == NULL)
		return CLI_USAGE; /* check() has said so */
	return strcmp(q.action, "init") == 0 ? ledger_init_action(&q) : ledger_succeed_action(&q);
}
