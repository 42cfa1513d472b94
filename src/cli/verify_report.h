/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_report.h - a finished verify_report goes to standard output, for people or programs.
 */
#ifndef CLI_VERIFY_REPORT_H
#define CLI_VERIFY_REPORT_H

#include "verify/verify.h"

/* dir: as given; run: as asked for, or null. */
void verify_print_text(const struct verify_report *report, const char *dir, const char *run);
/* One object on one line. */
void verify_print_json(const struct verify_report *report, const char *dir, const char *run);

/* "clean", "incomplete", "damaged", "cannot-tell". */
const char *verdict_name(enum verify_verdict verdict);

#endif
