/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/words.h"
#include "cli/cli.h"

static const char head[] =
	"usage: cht COMMAND [ARGUMENT...]\n"
	"\n"
	"Looks at what microVM guests said and what the host made of it: the frames on the\n"
	"wire, the events in a ledger, and whether they are as they were written.\n"
	"\n"
	"commands:\n";

static const char tail[] =
	"\n"
	"examples:\n"
	"  cht tail /var/lib/cht                      watch events as they are stored\n"
	"  cht verify /var/lib/cht --vkey log.vkey    is it as it was written, is all there\n"
	"  cht decode frame.bin                       what a guest sent, and what is wrong\n"
	"\n"
	"'cht help COMMAND' explains one command. Manual: cht(1).\n";

static int help_all(void)
{
	cli_put_str(str_of(head));
	for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
		cli_printf("  %-9s %s\n", c->name, c->summary);
	cli_put_str(str_of(tail));
	return CLI_OK;
}

static int unknown(const char *word)
{
	const char *words[32], *near;
	size_t n = 0;

	for (const struct cli_command *c = cli_commands; c->name != NULL && n < 31; c++)
		words[n++] = c->name;
	words[n++] = "help";
	near = words_nearest(word, words, n);
	if (near != NULL)
		diag(DIAG_ERROR, "unknown command '%s', did you mean '%s'?", word, near);
	else
		diag(DIAG_ERROR, "unknown command '%s'; see cht --help", word);
	return CLI_USAGE;
}

static int help(int argc, char **argv)
{
	const struct cli_command *c;

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return help_all();
	if (argc > 2) {
		diag(DIAG_ERROR, "help explains one command at a time");
		return CLI_USAGE;
	}
	c = cli_command_find(argv[1]);
	if (c == NULL)
		return unknown(argv[1]);
	cli_put_str(str_of(c->usage));
	return CLI_OK;
}

/* argv is everything after "cht". */
static int run(int argc, char **argv)
{
	static char version[] = "version", *only_version[] = { version, NULL };
	const struct cli_command *c;
	char program[64];
	int status;

	if (argc < 1) {
		diag(DIAG_ERROR, "what should it do? see cht --help");
		return CLI_USAGE;
	}
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return help_all();
	if (strcmp(argv[0], "help") == 0)
		return help(argc, argv);
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)
		return cmd_version(1, only_version);
	c = cli_command_find(argv[0]);
	if (c == NULL)
		return unknown(argv[0]);
	(void)snprintf(program, sizeof(program), "cht %s", c->name);
	diag_init(program, DIAG_NOTICE);
	status = c->run(argc, argv);
	diag_init("cht", DIAG_NOTICE);
	return status;
}

int main(int argc, char **argv)
{
	/* A reader that has seen enough closes the pipe: that is an end, not a failure. */
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	diag_init("cht", DIAG_NOTICE);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	return cli_out_end(run(argc - 1, argv + 1));
}
