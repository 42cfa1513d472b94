/* SPDX-License-Identifier: Apache-2.0
 *
 * follow.h - entries of a ledger, one after the other, to its end or for as long as it grows.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "ledger/read.h"

struct follow {
	struct ledger_reader reader;
	bool is_following;
};

/* As ledger_reader_open; with is_following, follow_next waits at the end instead of ending. */
int follow_open(struct follow *f, const char *dir, bool is_following,
		struct cht_err *err) CHT_CHECKED;
void follow_close(struct follow *f);

/* 1: *entry is valid until the next call, its index is f->reader.next - 1. 0: the end, or nobody
 * takes our output any more. Else as ledger_next. Output is flushed before waiting, which costs
 * no processor time. */
int follow_next(struct follow *f, struct cht_bytes *entry, struct cht_err *err) CHT_CHECKED;

/* Writes an entry as one line of JSON: as it stands when it is one line that begins and ends
 * as an object, else {"unreadable":{"hex":"...","index":"N"}}, so that no entry can pass for
 * two. */
void put_entry_line(struct cht_bytes entry, uint64_t index);

/* What a command returns after follow_open or follow_next gave r, having said err if r < 0. */
int follow_status(int r, const struct cht_err *err);

#endif
