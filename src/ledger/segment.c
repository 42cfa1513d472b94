/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/segment.h"

#include <cht/event.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/ledger.h"

enum { ZERO_BYTES = 4096 };

void segment_name(char out[SEGMENT_NAME_LEN + 1], uint64_t first)
{
	out[SEGMENT_NAME_LEN] = '\0';
	for (int i = SEGMENT_NAME_LEN - 1; i >= 0; i--, first /= 10)
		out[i] = (char)('0' + first % 10);
}

void segment_idx_name(char out[SEGMENT_IDX_LEN + 1], uint64_t first)
{
	segment_name(out, first);
	memcpy(out + SEGMENT_NAME_LEN, ".idx", sizeof(".idx"));
}

static bool is_segment_name(const char *name, uint64_t *first)
{
	uint64_t v = 0;

	if (strlen(name) != SEGMENT_NAME_LEN)
		return false;
	for (const char *p = name; *p != '\0'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*p < '0' || *p > '9' || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*first = v;
	return true;
}

static void add_name(struct segment_list *list, uint64_t min_index, uint64_t first)
{
	if (first < min_index) {
		if (first < list->below)
			list->below = first;
		return;
	}
	if (first % SEGMENT_ENTRIES != 0)
		list->is_odd = true;
	if (list->n == 0 || first < list->first)
		list->first = first;
	if (list->n == 0 || first > list->last)
		list->last = first;
	list->n++;
}

static int read_names(DIR *dir, uint64_t min_index, struct segment_list *list, struct cht_err *err)
{
	for (;;) {
		struct dirent *d;
		uint64_t first;

		errno = 0;
		d = readdir(dir);
		if (d == NULL)
			return errno == 0 ? 0 : cht_fail(err, CHT_E_IO, errno, "list entries/");
		if (is_segment_name(d->d_name, &first))
			add_name(list, min_index, first);
	}
}

int segment_list_from(int entries_fd, uint64_t min_index, struct segment_list *out,
		      struct cht_err *err)
{
	struct segment_list list = { .below = min_index };
	int r, fd = openat(entries_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		r = cht_fail(err, CHT_E_IO, errno, "open entries/");
		fd_close(&fd);
		return r;
	}
	r = read_names(dir, min_index, &list, err);
	(void)closedir(dir);
	if (r == 0)
		*out = list;
	return r;
}

int segment_list(int entries_fd, struct segment_list *out, struct cht_err *err)
{
	return segment_list_from(entries_fd, 0, out, err);
}

int segment_list_check(const struct segment_list *list, struct cht_err *err)
{
	if (list->is_odd)
		return cht_fail(
			err, CHT_E_STATE, 0,
			"ledger damaged: a segment's name is no multiple of %d; " SUCCEED_HINT,
			SEGMENT_ENTRIES);
	/* Names are distinct multiples, so their number alone shows a hole. */
	if (list->n > 0 && (list->last - list->first) / SEGMENT_ENTRIES + 1 != list->n)
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: a segment is missing between %020" PRIu64
				" and %020" PRIu64 "; " SUCCEED_HINT,
				list->first, list->last);
	return 0;
}

int segment_remove(int entries_fd, uint64_t first, struct cht_err *err)
{
	char name[SEGMENT_IDX_LEN + 1];

	segment_idx_name(name, first);
	(void)unlinkat(entries_fd, name, 0);
	segment_name(name, first);
	if (unlinkat(entries_fd, name, 0) < 0 && errno != ENOENT)
		return cht_fail(err, CHT_E_IO, errno, "remove segment %s", name);
	if (fsync(entries_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync entries/");
	return 0;
}

enum entry_kind entry_at(const uint8_t *bytes, size_t n, size_t *len)
{
	size_t have;

	if (n < ENTRY_LENGTH_BYTES)
		return ENTRY_SHORT;
	have = be16_load(bytes);
	if (have == 0 || have > CHT_ENTRY_MAX_BYTES)
		return ENTRY_BAD;
	if (n - ENTRY_LENGTH_BYTES < have)
		return ENTRY_SHORT;
	*len = have;
	return ENTRY_WHOLE;
}

ptrdiff_t segment_read(int fd, uint8_t *out, size_t n, uint64_t at, struct cht_err *err)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = pread(fd, out + have, n - have, (off_t)(at + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return cht_fail(err, CHT_E_IO, errno, "read a segment");
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ptrdiff_t)have;
}

int segment_is_zero_from(int fd, uint64_t at, struct cht_err *err)
{
	uint8_t bytes[ZERO_BYTES];

	for (;;) {
		/* Holes are passed over: of them a file may claim to have any amount. */
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		ptrdiff_t n;

		if (data < 0 && errno == ENXIO)
			return 1;
		if (data > 0)
			at = (uint64_t)data;
		n = segment_read(fd, bytes, sizeof(bytes), at, err);

		if (n <= 0)
			return n < 0 ? (int)n : 1;
		for (ptrdiff_t i = 0; i < n; i++)
			if (bytes[i] != 0)
				return 0;
		at += (uint64_t)n;
	}
}
