/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"

static const char *const names[] = { "OK",          "NOMEM", "IO",    "BIND",  "WIRE",   "VERSION",
				     "PARSE",       "SINK",  "LIMIT", "STATE", "VERIFY", "CONFIG",
				     "UNSUPPORTED", "KEY",   "SIGN",  "RANGE", "FULL",   "PEER" };

_Static_assert(sizeof(names) / sizeof(names[0]) == -CHT_E_PEER + 1, "one name a code");

const char *cht_code_name(int code)
{
	if (code > 0 || code < CHT_E_PEER)
		return "unknown";
	return names[-code];
}

static void CHT_PRINTF(2, 0) fill(struct cht_err *err, const char *fmt, va_list args)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	size_t used = n < 0 ? 0 : (size_t)n;

	if (used >= sizeof(err->text))
		used = sizeof(err->text) - 1;
	if (err->sys != 0 && used + 3 < sizeof(err->text))
		(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
			       diag_errno(err->sys));
	for (char *p = err->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

int cht_fail(struct cht_err *err, int code, int sys, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	*err = (struct cht_err){ .code = code, .sys = sys };
	va_start(args, fmt);
	fill(err, fmt, args);
	va_end(args);
	return code;
}

int cht_fail_value(struct cht_err *err, int code, uint32_t value, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	*err = (struct cht_err){ .code = code, .value = value };
	va_start(args, fmt);
	fill(err, fmt, args);
	va_end(args);
	return code;
}
