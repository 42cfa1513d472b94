/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h - cmocka with its includes, and checks that show both values.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

/* Names the row of a table that failed: set before the checks of each row. */
static const char *check_row __attribute__((unused)) = "";

/* valgrind looks at memory, of which neighbours in a long row use the same: there so many are
 * passed over. A prime, so that no bit of a byte is left out. */
static unsigned __attribute__((unused)) check_stride(void)
{
	return getenv("CHT_VALGRIND") != NULL ? 37 : 1;
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: [%s] %s\n", __FILE__, __LINE__, check_row, #cond); \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_) {                                                               \
			fprintf(stderr, "%s:%d: [%s] %s is %lld, not %lld\n", __FILE__, __LINE__,  \
				check_row, #got, got_, want_);                                     \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)  check_str((got), str_of(want), #got, __FILE__, __LINE__)
#define CHECK_STRS(got, want) check_str((got), (want), #got, __FILE__, __LINE__)

static void __attribute__((unused))
check_str(struct cht_str got, struct cht_str want, const char *what, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	fprintf(stderr, "%s:%d: [%s] %s is\n  %.*s\nnot\n  %.*s\n", file, line, check_row, what,
		(int)got.len, got.ptr, (int)want.len, want.ptr);
	fail();
}

#endif
