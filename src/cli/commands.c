/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cli.h"

static const char version_usage[] =
	"usage: cht version [-o json]\n"
	"\n"
	"The version of this program, the wire versions it reads, and the libraries that\n"
	"sign and hash.\n"
	"\n"
	"  -o json       one JSON object instead of text\n"
	"  -h, --help    this text\n";

const struct cli_command cli_commands[] = {
	{ "version", "version, wire version and cryptographic libraries", version_usage,
	  cmd_version },
	{ NULL, NULL, NULL, NULL },
};

const struct cli_command *cli_command_find(const char *name)
{
	for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
