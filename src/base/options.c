/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <stdio.h>

#include "base/diag.h"

static int show(const char *a, const char *b)
{
	return fputs(a, stdout) < 0 || fputs(b, stdout) < 0 || fflush(stdout) != 0 ? CHT_E_IO : 1;
}

int options_read(const struct options_spec *spec, int argc, char **argv, void *out)
{
	const char *wrong;
	int id, at = 0;

	opterr = 0;
	while ((id = getopt_long(argc, argv, "+:", spec->table, &at)) != -1) {
		if (id == OPTIONS_HELP)
			return show(spec->usage, "");
		if (id == OPTIONS_VERSION)
			return show(spec->program, " " CHT_VERSION "\n");
		if (id == '?' || id == ':') {
			diag(DIAG_ERROR, "%s: %s; see %s --help", argv[optind - 1],
			     id == ':' ? "a value is missing" : "unknown option", spec->program);
			return CHT_E_PARSE;
		}
		if (!spec->read(id, optarg, out)) {
			diag(DIAG_ERROR, "--%s: '%s' cannot be; see %s --help",
			     spec->table[at].name, optarg, spec->program);
			return CHT_E_PARSE;
		}
	}
	wrong = optind < argc ? "there are no arguments beside options" : spec->what_is_wrong(out);
	if (wrong == NULL)
		return 0;
	diag(DIAG_ERROR, "%s; see %s --help", wrong, spec->program);
	return CHT_E_PARSE;
}
