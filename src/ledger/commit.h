/* SPDX-License-Identifier: Apache-2.0
 *
 * commit.h - internal: what a write that found no space left behind.
 */
#ifndef LEDGER_COMMIT_H
#define LEDGER_COMMIT_H

#include "ledger/ledger.h"

/* Cuts it, if it could not be cut at once. CHT_E_FULL: not yet. CHT_E_IO: the ledger is broken. */
int commit_cut_rest(struct ledger *ledger, struct cht_err *err) CHT_CHECKED;

#endif
