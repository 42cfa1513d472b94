/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - internal: the small files beside the segments: origin, lock and clean mark.
 */
#ifndef LEDGER_FILES_H
#define LEDGER_FILES_H

#include <cht/err.h>

#include "ledger/ledger.h"

enum { LEDGER_FILE_MODE = 0640, LEDGER_DIR_MODE = 0750 };

/* Opens dir_fd/lock and takes it, waiting up to LOCK_WAIT_S. Returns the descriptor,
 * CHT_E_LIMIT or CHT_E_IO. */
int lock_take(int dir_fd, struct cht_err *err) CHT_CHECKED;

/* Reads and checks the origin, NUL-terminated. 1: found. 0: there is none. CHT_E_STATE,
 * CHT_E_IO. */
int origin_read(int dir_fd, char out[LEDGER_ORIGIN_MAX + 1], struct cht_err *err) CHT_CHECKED;

/* The clean mark. Read: 1 and *entries, 0 when absent, CHT_E_STATE, CHT_E_IO. Remove: durable
 * when it returns 0; CHT_E_FULL, CHT_E_IO. */
int mark_read(int dir_fd, uint64_t *entries, struct cht_err *err) CHT_CHECKED;
int mark_write(int dir_fd, uint64_t entries, struct cht_err *err) CHT_CHECKED;
int mark_remove(int dir_fd, struct cht_err *err) CHT_CHECKED;

/* The code for a failed system call other than a sync: CHT_E_FULL for want of space, else
 * CHT_E_IO. */
int write_code(int sys);

#endif
