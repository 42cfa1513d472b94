/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.h - what was found becomes verdicts; private to src/verify.
 */
#ifndef VERIFY_JUDGE_H
#define VERIFY_JUDGE_H

#include "verify/walk.h"

/* Whether every entry is where it must be, and the verdicts on all. run_id: whose completeness is
 * judged; null: of all. */
void judge(struct walk *walk, const char *run_id);

#endif
