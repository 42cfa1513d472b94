/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "verify/source_entries.h"
#include "verify/walk.h"

enum { WINDOW = 4 * TLOG_NOTE_MAX_BYTES };

int kept_open(struct kept *kept, int dir_fd, struct cht_err *err)
{
	kept->fd = openat(dir_fd, "checkpoints", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (kept->fd < 0)
		return errno == ENOENT ? 0 : cht_fail(err, CHT_E_IO, errno, "open checkpoints");
	kept->text = malloc(WINDOW);
	return kept->text != NULL ? 0 : cht_fail(err, CHT_E_NOMEM, 0, "no memory for checkpoints");
}

void kept_close(struct kept *kept)
{
	fd_close(&kept->fd);
	free(kept->text);
	kept->text = NULL;
}

/* A whole note with the empty line behind it; what has none is a torn end. 1, 0, CHT_E_IO. */
static int read_note(struct kept *kept, struct cht_str *note, size_t *whole, struct cht_err *err)
{
	for (bool is_fresh = false;; is_fresh = true) {
		struct cht_str rest = { kept->text + kept->at, kept->len - kept->at };
		const char *text_end = memmem(rest.ptr, rest.len, "\n\n", 2), *end = NULL;
		ssize_t n;

		if (text_end != NULL)
			end = memmem(text_end + 2, rest.len - (size_t)(text_end + 2 - rest.ptr),
				     "\n\n", 2);
		if (end != NULL) {
			*note = (struct cht_str){ rest.ptr, (size_t)(end + 1 - rest.ptr) };
			*whole = note->len + 1;
			return 1;
		}
		if (is_fresh)
			return 0;
		memmove(kept->text, rest.ptr, rest.len);
		kept->at = 0;
		kept->len = rest.len;
		n = entries_pread(kept->fd, kept->text + rest.len, WINDOW - rest.len,
				  kept->offset + rest.len, err);
		if (n < 0)
			return (int)n;
		kept->len += (size_t)n;
	}
}

static void fault(struct anchors *a, enum verify_fault fault, uint64_t index, const char *detail)
{
	struct verify_finding f = {
		.fault = fault,
		.at = { .part = VERIFY_IN_HISTORY, .index = index, .file_offset = a->kept.offset }
	};

	(void)snprintf(f.detail, sizeof(f.detail), "%s", detail);
	finding_add(a->report, &f);
}

int kept_next(struct anchors *anchors, struct cht_err *err)
{
	struct kept *kept = &anchors->kept;
	struct verify_checkpoint c;
	struct cht_err why = { 0 };
	struct cht_str note;
	size_t whole = 0;
	int r;

	if (kept->has_next) {
		anchors->report->anchors.kept++;
		kept->at += kept->whole;
		kept->offset += kept->whole;
		kept->has_next = false;
	}
	if (kept->fd < 0 || kept->is_over)
		return 0;
	r = read_note(kept, &note, &whole, err);
	if (r <= 0) {
		kept->is_over = true;
		return r;
	}
	if (verify_checkpoint_read(note, anchors->has_key ? &anchors->key : NULL, &c, &why) < 0) {
		fault(anchors, VERIFY_HISTORY, kept->size, why.text);
		kept->is_over = true;
		return 0;
	}
	if (c.at.size < kept->size) {
		fault(anchors, VERIFY_HISTORY, c.at.size, "it is smaller than the one before it");
		kept->is_over = true;
		return 0;
	}
	kept->has_next = true;
	kept->whole = whole;
	kept->size = c.at.size;
	kept->root = c.at.root;
	return 0;
}

void kept_is_larger(struct anchors *anchors)
{
	char detail[120];

	(void)snprintf(detail, sizeof(detail),
		       "a checkpoint of %" PRIu64 " entries is kept, the newest is of %" PRIu64,
		       anchors->kept.size, anchors->report->checkpoint.size);
	fault(anchors, VERIFY_ROLLED_BACK, anchors->report->checkpoint.size, detail);
}
