/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *program_name = "cht";
static enum diag_level least_level = DIAG_NOTICE;
static bool in_colour;

static const struct {
	const char *word, *colour;
} levels[] = {
	[DIAG_ERROR] = { "error", "\033[31m" },
	[DIAG_WARNING] = { "warning", "\033[33m" },
	[DIAG_NOTICE] = { "notice", "" },
	[DIAG_INFO] = { "info", "\033[2m" },
};

void diag_init(const char *program, enum diag_level least)
{
	const char *no_color = getenv("NO_COLOR");

	program_name = program;
	least_level = least;
	in_colour = isatty(STDERR_FILENO) == 1 && (no_color == NULL || *no_color == '\0');
}

static size_t clamp(int n, size_t cap)
{
	if (n < 0)
		return 0;
	return (size_t)n < cap ? (size_t)n : cap - 1;
}

void diag(enum diag_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	const char *on = in_colour ? levels[level].colour : "";
	const char *off = *on != '\0' ? "\033[0m" : "";
	int saved = errno;
	size_t used, start;
	va_list args;

	if (level > least_level)
		return;
	start = clamp(snprintf(line, sizeof(line), "%s: %s%s%s: ", program_name, on,
			       levels[level].word, off),
		      sizeof(line));
	va_start(args, fmt);
	used = start + clamp(vsnprintf(line + start, sizeof(line) - 1 - start, fmt, args),
			     sizeof(line) - 1 - start);
	va_end(args);
	for (char *p = line + start; p < line + used; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	line[used++] = '\n';
	/* A diag that cannot be written has nowhere else to go. */
	if (write(STDERR_FILENO, line, used) < 0)
		errno = saved;
	errno = saved;
}

void diag_err(const struct cht_err *err)
{
	if (err == NULL)
		return;
	diag(DIAG_ERROR, "%s", err->text[0] != '\0' ? err->text : cht_code_name(err->code));
}
