/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h - one line at the place of failure: fill the detail, return the code.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <cht/err.h>

/* Fills *err (which may be null) and returns code. sys is an errno whose text is appended, or
 * 0. The format says what and where, then what to do. Control characters in the result are
 * replaced by '?', so a path cannot write a second diagnostic line. */
int cht_fail(struct cht_err *err, int code, int sys, const char *fmt, ...) CHT_PRINTF(4, 5);

/* The same with err->value set: a line number, a version, an offset. */
int cht_fail_value(struct cht_err *err, int code, uint32_t value, const char *fmt, ...)
	CHT_PRINTF(4, 5);

#endif
