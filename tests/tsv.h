/* SPDX-License-Identifier: Apache-2.0
 *
 * tsv.h - tables of test data: a line at a time, columns apart at tabs, comments (#) left out.
 */
#ifndef TESTS_TSV_H
#define TESTS_TSV_H

#include <stdio.h>

#include "check.h"

#include "base/text.h"

enum { TSV_LINE_MAX = 1 << 20, TSV_COLUMNS_MAX = 8 };

struct tsv {
	FILE *file;
	unsigned line;
	struct cht_str column[TSV_COLUMNS_MAX]; /* absent ones are empty */
	char text[TSV_LINE_MAX];
};

/* Opens a file below the source root; free with tsv_close. */
static struct tsv *tsv_open(const char *name)
{
	const char *root = getenv("CHT_SOURCE_ROOT");
	struct tsv *t = calloc(1, sizeof(*t));
	char path[1024];

	assert_non_null(t);
	snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : ".", name);
	t->file = fopen(path, "re");
	if (t->file == NULL)
		perror(path);
	assert_non_null(t->file);
	return t;
}

static void tsv_close(struct tsv *t)
{
	fclose(t->file);
	free(t);
}

/* The next line that is not a comment; false at the end. */
static bool tsv_next(struct tsv *t)
{
	char *p;

	do {
		if (fgets(t->text, sizeof(t->text), t->file) == NULL)
			return false;
		t->line++;
	} while (t->text[0] == '#');
	memset(t->column, 0, sizeof(t->column));
	p = t->text;
	for (unsigned i = 0; i < TSV_COLUMNS_MAX && p != NULL; i++) {
		size_t n = strcspn(p, "\t\n");

		t->column[i] = (struct cht_str){ p, n };
		p = p[n] == '\t' ? p + n + 1 : NULL;
	}
	return true;
}

/* The bytes of a column in hex, in memory of exactly their number, so that reading past them is
 * seen; free them. */
static uint8_t *tsv_hex(struct cht_str hex, size_t *len)
{
	uint8_t *bytes = malloc(hex.len / 2 + (hex.len == 0));

	assert_non_null(bytes);
	if (!read_hex(hex, bytes, hex.len / 2, len))
		fail_msg("not hex: %.*s", (int)hex.len, hex.ptr);
	return bytes;
}

#endif
