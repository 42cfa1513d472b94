/* SPDX-License-Identifier: Apache-2.0
 *
 * The state comes first, because recovery goes by it; `checkpoint` is what readers see, and a lost
 * rename is put back from the state at the next start.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "ledger/commit.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/state.h"

bool ledger_is_unpublished(const struct ledger *ledger)
{
	return ledger->extent.tree.size != ledger->state.tree.size ||
	       (!ledger->is_published && ledger->state.note[0] != '\0');
}

static const char temporary[] = "checkpoint.tmp";

/* The note in a file beside `checkpoint`, its sync begun. */
static int write_note(struct ledger *ledger, const char *note, struct cht_err *err)
{
	int r;

	fd_close(&ledger->note_fd);
	ledger->note_fd =
		openat(ledger->dir_fd, temporary,
		       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, LEDGER_FILE_MODE);
	if (ledger->note_fd < 0)
		return cht_fail(err, write_code(errno), errno, "create ledger/%s", temporary);
	r = file_write_at(ledger->note_fd,
			  (struct cht_bytes){ (const uint8_t *)note, strlen(note) }, 0,
			  "ledger/checkpoint.tmp", err);
	if (r < 0)
		return r;
	flush_add(&ledger->flush, ledger->note_fd);
	return 0;
}

/* What the state will say once this note is the newest, in the slot whose turn it is; its sync
 * begun. It counts when that has ended well. */
static int write_state(struct ledger *ledger, struct cht_str note, struct cht_err *err)
{
	struct ledger_state *next = &ledger->next_state;
	int r;

	if (note.len == 0 || note.len > LEDGER_NOTE_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "a checkpoint of %zu bytes", note.len);
	*next = ledger->state;
	next->tail_first = ledger->extent.tail_first;
	next->tail_bytes = ledger->extent.tail_bytes;
	next->tree = ledger->extent.tree;
	next->is_closed = ledger->state.is_closed || ledger->is_closing;
	memcpy(next->note, note.ptr, note.len);
	next->note[note.len] = '\0';
	r = state_put(ledger->slots_fd, next, err);
	if (r < 0)
		return r;
	flush_add(&ledger->flush, ledger->slots_fd);
	return 0;
}

/* Ends syncs that a failure left under way, so that nothing is believed that was begun for it. */
static int give_up(struct ledger *ledger, int code)
{
	if (flush_end(&ledger->flush, NULL) < 0)
		code = CHT_E_IO;
	if (code == CHT_E_IO)
		ledger->is_broken = true;
	return code;
}

int ledger_publish_begin(struct ledger *ledger, struct cht_str note, struct cht_err *err)
{
	bool is_new = ledger->extent.tree.size != ledger->state.tree.size;
	int r = 0;

	if (ledger->is_broken)
		return cht_fail(err, CHT_E_IO, 0, "the ledger is not written after a failure");
	if (!ledger_is_unpublished(ledger))
		return 0;
	if (is_new)
		r = write_state(ledger, note, err);
	if (r == 0)
		r = write_note(ledger, is_new ? ledger->next_state.note : ledger->state.note, err);
	return r < 0 ? give_up(ledger, r) : 0;
}

/* The rename itself need not be durable: the state has the note. */
int ledger_publish_end(struct ledger *ledger, struct cht_err *err)
{
	int r = flush_end(&ledger->flush, err);

	if (r < 0 || ledger->note_fd < 0) {
		ledger->is_broken = ledger->is_broken || r < 0;
		return r;
	}
	if (ledger->extent.tree.size != ledger->state.tree.size) {
		ledger->state = ledger->next_state;
		ledger->is_published = false;
	}
	fd_close(&ledger->note_fd);
	if (renameat(ledger->dir_fd, temporary, ledger->dir_fd, "checkpoint") < 0)
		r = cht_fail(err, write_code(errno), errno, "rename ledger/%s", temporary);
	ledger->is_published = r == 0;
	return r < 0 ? give_up(ledger, r) : 0;
}

int ledger_publish(struct ledger *ledger, struct cht_str note, struct cht_err *err)
{
	int r = ledger_publish_begin(ledger, note, err);

	return r < 0 ? r : ledger_publish_end(ledger, err);
}

int ledger_mark_clean(struct ledger *ledger, struct cht_err *err)
{
	int r;

	if (ledger->is_broken || ledger->state.is_clean)
		return 0;
	assert(ledger->tree.size == ledger->state.tree.size);
	if (commit_cut_rest(ledger, err) < 0)
		return CHT_E_IO;
	ledger->state.is_clean = true;
	r = state_write(ledger->slots_fd, &ledger->state, err);
	ledger->state.is_clean = r == 0;
	ledger->is_broken = r < 0;
	return r < 0 ? CHT_E_IO : 0;
}
