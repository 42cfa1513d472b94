/* SPDX-License-Identifier: Apache-2.0
 *
 * source_entries.h - entries with their lengths, as segments and entry bundles hold them, go from a
 * file into a block; private to src/verify.
 */
#ifndef VERIFY_SOURCE_ENTRIES_H
#define VERIFY_SOURCE_ENTRIES_H

#include <sys/types.h>

#include "verify/source.h"

enum { ENTRIES_LENGTH_BYTES = 2 };

/* Where in a file the next entry is to be. */
struct entries {
	int fd;
	uint64_t offset;
	size_t usual; /* bytes that the last block took: what to read at first */
};

enum entries_end {
	ENTRIES_MORE, /* at least one entry was taken */
	ENTRIES_END,  /* the file ends here */
	ENTRIES_TORN, /* it ends inside the entry that begins here */
	ENTRIES_BAD,  /* a length that cannot be */
};

/* Fills items and bytes of *block with up to want entries, and sets n; moves on behind them. What
 * follows them is said only when there is none. Negative: CHT_E_IO. */
int entries_fill(struct entries *entries, unsigned want, struct block *block,
		 struct cht_err *err) CHT_CHECKED;

/* pread of up to n bytes, going on after EINTR and short reads until the end. CHT_E_IO. */
ssize_t entries_pread(int fd, void *out, size_t n, uint64_t at, struct cht_err *err) CHT_CHECKED;

#endif
