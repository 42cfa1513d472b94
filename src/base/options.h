/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h - the command line of a program that others start: long options alone, each told of on
 * stderr when it cannot be.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <cht/err.h>
#include <getopt.h>

/* For --help and --version in the table. */
enum { OPTIONS_HELP = 1, OPTIONS_VERSION };

struct options_spec {
	const char *program, *usage;
	const struct option *table;
	/* One option into *out; value null: it takes none. False: the value cannot be. */
	bool (*read)(int id, const char *value, void *out);
	/* Of all of them together; null: nothing. */
	const char *(*what_is_wrong)(void *out);
};

/* 0: *out has them. 1: help or version was printed, nothing more to do. CHT_E_PARSE: usage, said on
 * stderr. CHT_E_IO: stdout. *out may be written whatever the result. */
int options_read(const struct options_spec *spec, int argc, char **argv, void *out) CHT_CHECKED;

#endif
