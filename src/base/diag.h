/* SPDX-License-Identifier: Apache-2.0
 *
 * diag.h - messages for the operator, on stderr: one line each, never bytes from a guest.
 *
 * Only programs write diags: library code returns a cht_err instead.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <cht/err.h>

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTICE, DIAG_INFO };

/* Sets the program's name for every line (borrowed for the life of the process) and the least
 * important level that is written; NOTICE at first. Colour is used when stderr is a terminal
 * and NO_COLOR is unset or empty. */
void diag_init(const char *program, enum diag_level least);

/* Writes "program: level: text" in a single write(2); longer than 1,000 bytes is cut. */
void diag(enum diag_level level, const char *fmt, ...) CHT_PRINTF(2, 3);

/* Writes err->text at level ERROR; null or empty writes the code's name. */
void diag_err(const struct cht_err *err);

/* An errno's text without locale, allocation or buffer: "No such file or directory". */
const char *diag_errno(int sys);

#endif
