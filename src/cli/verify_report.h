/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_report.h - a finished verify_report goes to standard output, for people or programs.
 */
#ifndef CLI_VERIFY_REPORT_H
#define CLI_VERIFY_REPORT_H

#include "verify/verify.h"

/* dir: as given; run: as asked for, or null. */
void verify_print_text(const struct verify_report *report, const char *dir, const char *run);
/* One object on one line; put: without its end. */
void verify_put_json(const struct verify_report *report, const char *dir, const char *run);
void verify_print_json(const struct verify_report *report, const char *dir, const char *run);

/* On a terminal, for what takes longer than a second: a line that is written over. */
struct verify_progress {
	uint64_t begun_ns, last_ns;
	bool is_shown;
};
/* A verify_options.progress; context is the struct. */
void verify_on_progress(void *context, uint64_t entries, uint64_t of);
/* Takes the line away. */
void verify_progress_end(struct verify_progress *progress);

/* "clean", "incomplete", "damaged", "cannot-tell". */
const char *verdict_name(enum verify_verdict verdict);

#endif
