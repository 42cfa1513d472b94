/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.h - internal: names of segment files and a walk over their entries. Reads only.
 */
#ifndef LEDGER_SEGMENT_H
#define LEDGER_SEGMENT_H

#include <cht/err.h>

enum { ENTRY_LENGTH_BYTES = 2, SEGMENT_NAME_LEN = 20, SEGMENT_IDX_LEN = 24 };

/* "<20 digits>" and its NUL. */
void segment_name(char out[SEGMENT_NAME_LEN + 1], uint64_t first);

/* "<20 digits>.idx" and its NUL. */
void segment_idx_name(char out[SEGMENT_IDX_LEN + 1], uint64_t first);

/* The segments of a directory. */
struct segment_list {
	uint64_t first, last; /* indexes that name the lowest and highest; both 0 when n is 0 */
	uint64_t n;
	uint64_t below; /* the lowest of those below min_index, which count for nothing else */
	bool is_odd;    /* a name is no multiple of SEGMENT_ENTRIES */
};

/* All of them, or those from min_index on. CHT_E_IO. */
int segment_list(int entries_fd, struct segment_list *out, struct cht_err *err) CHT_CHECKED;
int segment_list_from(int entries_fd, uint64_t min_index, struct segment_list *out,
		      struct cht_err *err) CHT_CHECKED;
/* CHT_E_STATE when a name cannot be, or one is missing between the lowest and the highest. */
int segment_list_check(const struct segment_list *list, struct cht_err *err) CHT_CHECKED;

/* Unlinks a segment and its index for good; that they are gone already is fine. CHT_E_IO. */
int segment_remove(int entries_fd, uint64_t first, struct cht_err *err) CHT_CHECKED;

/* What stands at an entry's place when n bytes are there. */
enum entry_kind {
	ENTRY_WHOLE, /* *len bytes follow the length */
	ENTRY_SHORT, /* the beginning of one */
	ENTRY_BAD    /* a length that cannot be */
};
enum entry_kind entry_at(const uint8_t *bytes, size_t n, size_t *len);

/* Whether all bytes from at to the end of the file are zero. 1, 0, CHT_E_IO. */
int segment_is_zero_from(int fd, uint64_t at, struct cht_err *err) CHT_CHECKED;

/* pread of up to n bytes, going on after EINTR and short reads until the end of the file.
 * Bytes read, or CHT_E_IO. */
ptrdiff_t segment_read(int fd, uint8_t *out, size_t n, uint64_t at,
		       struct cht_err *err) CHT_CHECKED;

#endif
