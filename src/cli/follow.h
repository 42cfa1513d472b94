/* SPDX-License-Identifier: Apache-2.0
 *
 * follow.h - entries of a ledger, one after the other, up to the newest checkpoint or for as long
 * as that grows; each is held against the checkpoint, and the checkpoint against the key that the
 * ledger names. What does not hold is said once, and reading goes on where it can.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "ledger/check.h"
#include "ledger/read.h"

/* Large: static, not on the stack. */
struct follow {
	struct ledger_view view;
	struct ledger_check check;
	struct ledger_reader reader;
	bool is_following;
	bool is_faulty; /* something did not hold, and was said */
};

/* Opens a ledger and says what does not hold of its checkpoint. With is_following, follow_next
 * waits at the end instead of ending. Results as ledger_view_open, and CHT_E_NOMEM. */
int follow_open(struct follow *f, const char *dir, bool is_following,
		struct cht_err *err) CHT_CHECKED;
/* Safe when it failed to open. */
void follow_close(struct follow *f);

/* 1: *entry is valid until the next call, its index is f->reader.next - 1. 0: the end, nothing
 * more can be read, or nobody takes our output any more. CHT_E_IO. Output is flushed before
 * waiting, which costs no processor time. */
int follow_next(struct follow *f, struct cht_bytes *entry, struct cht_err *err) CHT_CHECKED;
/* The same of one entry wherever the reader is. CHT_E_STATE: it is not there; the text says why. */
int follow_get(struct follow *f, uint64_t index, struct cht_bytes *entry,
	       struct cht_err *err) CHT_CHECKED;
/* The same without holding anything against anything or saying it, to look for something; ends
 * at the limit. */
int follow_look(struct follow *f, struct cht_bytes *entry, struct cht_err *err) CHT_CHECKED;

/* Says what does not hold, unless something was said before. */
void follow_fault(struct follow *f, const struct cht_err *err);

/* Writes an entry as one line of JSON: as it stands when it is one line that begins and ends
 * as an object, else {"unreadable":{"hex":"...","index":"N"}}, so that no entry can pass for
 * two. */
void put_entry_line(struct cht_bytes entry, uint64_t index);
/* The same without the end of the line. */
void put_entry(struct cht_bytes entry, uint64_t index);

/* What a command returns when the last call gave r, having said err if r < 0. */
int follow_status(const struct follow *f, int r, const struct cht_err *err);

#endif
