/* SPDX-License-Identifier: Apache-2.0
 *
 * `checkpoints`: a convenience, but who verifies takes what is no note in it for tampering. So what
 * a crash or a full disk left of a note at the end is cut before the next one goes there; each is
 * synced, so that there is never more than one to cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "ledger/files.h"
#include "ledger/segment.h"

enum { END_BYTES = 4 * (LEDGER_NOTE_MAX + 1) };

static int open_notes(const struct ledger *ledger, int more)
{
	return openat(ledger->dir_fd, "checkpoints", O_RDWR | O_CLOEXEC | O_NOFOLLOW | more,
		      LEDGER_FILE_MODE);
}

/* Where the signature line that ends a note is followed by the empty line: behind that, the largest
 * such place in bytes[0..n). 0: there is none. */
static size_t find_end(const char *bytes, size_t n)
{
	static const char dash[] = "\xe2\x80\x94 ";
	enum { DASH = sizeof(dash) - 1 };

	for (; n > 2 + DASH; n--) {
		const char *lf, *end = bytes + n - 2;

		if (end[0] != '\n' || end[1] != '\n')
			continue;
		lf = memrchr(bytes, '\n', n - 2);
		if (lf != NULL && end - lf > DASH && memcmp(lf + 1, dash, DASH) == 0)
			return n;
	}
	return 0;
}

/* The end of the last whole note in bytes[0..n), which begins anywhere in the file. */
static size_t find_whole(const char *bytes, size_t n, bool is_start)
{
	size_t end = find_end(bytes, n);

	while (end > 0) {
		size_t begin = find_end(bytes, end - 1);
		struct tlog_note note;

		if (begin == 0 && !is_start)
			return end; /* synced long before */
		if (tlog_note_read((struct cht_str){ bytes + begin, end - 1 - begin }, &note,
				   NULL) == 0)
			return end;
		end = begin;
	}
	return 0;
}

bool notes_settle(const struct ledger *ledger)
{
	char bytes[END_BYTES];
	uint64_t size, from;
	bool is_settled = false;
	ptrdiff_t n;
	int fd = open_notes(ledger, 0);

	if (fd < 0)
		return errno == ENOENT;
	if (file_size(fd, &size, NULL) == 0) {
		from = size > sizeof(bytes) ? size - sizeof(bytes) : 0;
		n = segment_read(fd, (uint8_t *)bytes, sizeof(bytes), from, NULL);
		if (n >= 0) {
			uint64_t end = from + find_whole(bytes, (size_t)n, from == 0);

			is_settled = end == size || ftruncate(fd, (off_t)end) == 0;
		}
	}
	fd_close(&fd);
	return is_settled;
}

void ledger_keep_note(struct ledger *ledger)
{
	char text[LEDGER_NOTE_MAX + 2];
	int n = snprintf(text, sizeof(text), "%s\n", ledger->state.note);
	const struct cht_bytes bytes = { (const uint8_t *)text, (size_t)n };
	uint64_t size;
	int fd;

	if (n <= 1 || !ledger->keeps_notes)
		return;
	fd = open_notes(ledger, O_CREAT);
	if (fd < 0)
		return;
	if (file_size(fd, &size, NULL) < 0)
		ledger->keeps_notes = false;
	else if (file_write_at(fd, bytes, size, "checkpoints", NULL) < 0)
		ledger->keeps_notes = ftruncate(fd, (off_t)size) == 0;
	else
		ledger->keeps_notes = fdatasync(fd) == 0;
	fd_close(&fd);
}
