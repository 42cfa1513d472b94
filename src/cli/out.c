/* SPDX-License-Identifier: Apache-2.0
 *
 * Not stdio: its error is lost on the way to the exit status, and whether a line comes out at
 * once depends on what standard output is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "cli/cli.h"

enum { OUT_BYTES = 65536, PRINTF_MAX = 4096 };

static struct {
	char bytes[OUT_BYTES];
	size_t n;
	struct cht_err err; /* the first failure; .code 0 = none */
} out;

static void write_out(const void *bytes, size_t n)
{
	if (out.err.code == 0)
		(void)!fd_write_all(STDOUT_FILENO, bytes, n, &out.err);
}

void cli_flush(void)
{
	write_out(out.bytes, out.n);
	out.n = 0;
}

void cli_put(const void *bytes, size_t n)
{
	if (n > sizeof(out.bytes) - out.n)
		cli_flush();
	if (n > sizeof(out.bytes)) {
		write_out(bytes, n);
		return;
	}
	if (n > 0)
		memcpy(out.bytes + out.n, bytes, n);
	out.n += n;
}

void cli_put_str(struct cht_str s)
{
	cli_put(s.ptr, s.len);
}

void cli_printf(const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n > 0)
		cli_put(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

bool cli_is_done(void)
{
	return out.err.code != 0;
}

int cli_out_end(int status)
{
	cli_flush();
	if (out.err.code == 0 || out.err.sys == EPIPE)
		return status;
	diag(DIAG_ERROR, "standard output: %s", out.err.text);
	return status == CLI_OK ? CLI_FAILED : status;
}

bool cli_has_colour(void)
{
	static int known; /* 0: not asked yet, 1: no, 2: yes */

	if (known == 0) {
		const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
		bool yes = isatty(STDOUT_FILENO) == 1 && (no_color == NULL || *no_color == '\0') &&
			   (term == NULL || strcmp(term, "dumb") != 0);

		known = yes ? 2 : 1;
	}
	return known == 2;
}

const char *cli_colour(enum cli_colour colour)
{
	static const char *const sequences[] = {
		[CLI_PLAIN] = "\033[0m", [CLI_BOLD] = "\033[1m",   [CLI_DIM] = "\033[2m",
		[CLI_RED] = "\033[31m",  [CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m",
		[CLI_BLUE] = "\033[34m",
	};

	return cli_has_colour() ? sequences[colour] : "";
}
