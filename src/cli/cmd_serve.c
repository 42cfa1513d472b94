/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include "base/diag.h"
#include "cli/cli.h"

enum { OPT_SOCKET, OPT_LISTEN, OPT_REPLACE, OPT_READY_FD };

static int serve(const struct serve_options *options)
{
	struct cht_err err = { 0 };
	int r = serve_run(options, &err);

	if (r == 0)
		return CLI_OK;
	diag_err(&err);
	return r == CHT_E_STATE ? CLI_DAMAGED : CLI_FAILED;
}

int cmd_serve(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_SOCKET] = { "socket", 0, true },
						     [OPT_LISTEN] = { "listen", 0, true },
						     [OPT_REPLACE] = { "replace", 0, false },
						     [OPT_READY_FD] = { "ready-fd", 0, true },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	struct serve_options q = { .ready_fd = -1 };
	uint64_t fd;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_SOCKET: q.socket = args.value; break;
		case OPT_LISTEN: q.listen = args.value; break;
		case OPT_REPLACE: q.replace = true; break;
		case OPT_READY_FD:
			if (cli_number(&args, 3, INT32_MAX, &fd))
				q.ready_fd = (int)fd;
			break;
		default:
			if (q.dir != NULL)
				(void)cli_usage_error(&args, "one directory at a time");
			q.dir = args.value;
		}
	if (args.status < 0 && q.dir == NULL)
		(void)cli_usage_error(&args, "it needs a directory: STATE or STATE/ledger");
	if (args.status < 0 && (q.socket == NULL) == (q.listen == NULL))
		(void)cli_usage_error(&args, "it needs either --socket PATH or --listen ADDRESS");
	if (args.status >= 0)
		return args.status;
	return serve(&q);
}
