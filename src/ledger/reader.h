/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.h - internal: what reading shares.
 */
#ifndef LEDGER_READER_H
#define LEDGER_READER_H

#include "ledger/read.h"

/* The directory that holds entries/: dir itself or dir/ledger. *entries_fd, unless null, is that
 * one, opened. Returns the descriptor, CHT_E_CONFIG (no ledger there), CHT_E_IO. */
int reader_find(const char *dir, int *entries_fd, struct cht_err *err) CHT_CHECKED;

/* Opens the segment of reader->segment_first, unless it is. 1: done. 0: it is not there yet.
 * CHT_E_STATE: it never will be. CHT_E_IO. */
int reader_enter(struct ledger_reader *reader, struct cht_err *err) CHT_CHECKED;

/* Puts the reader before entry next, which stands at this offset of that segment. */
void reader_place(struct ledger_reader *reader, uint64_t segment_first, uint64_t next,
		  uint64_t offset);

/* Fills err with what is wrong at the reader's place. Returns CHT_E_STATE. */
int reader_damaged(const struct ledger_reader *reader, const char *what, struct cht_err *err);

#endif
