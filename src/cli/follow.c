/* SPDX-License-Identifier: Apache-2.0
 *
 * The key in the ledger's own vkey is no authority: whoever can write the ledger can write it. To
 * hold the checkpoint against it finds damage, not forgery.
 */
#include "cli/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/cli.h"
#include "verify/note.h"

void follow_fault(struct follow *f, const struct cht_err *err)
{
	if (f->is_faulty)
		return;
	f->is_faulty = true;
	cli_flush();
	diag_err(err);
}

static int check_signature(const struct follow *f, struct cht_err *err)
{
	struct tlog_vkey vkey;
	struct tlog_note note;
	struct cht_err why = { 0 };
	size_t at;

	if (verify_vkey_read(str_of(f->view.vkey), &vkey, &why) < 0)
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: vkey: %s", why.text);
	if (tlog_note_read((struct cht_str){ f->view.note, f->view.note_len }, &note, &at) < 0)
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: checkpoint is no note");
	switch (verify_note_signature(&note, &vkey, NULL)) {
	case VERIFY_NOTE_HOLDS:
		if (str_eq(str_of(vkey.name), str_of(f->view.origin)))
			return 0;
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: vkey and checkpoint are of different logs");
	case VERIFY_NOTE_ABSENT:
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: the key in vkey did not sign the checkpoint of "
				"%" PRIu64 " entries",
				f->view.size);
	case VERIFY_NOTE_BROKEN: break;
	}
	return cht_fail(err, CHT_E_STATE, 0,
			"ledger damaged: the signature of the checkpoint of %" PRIu64
			" entries does not hold",
			f->view.size);
}

/* Takes the view's checkpoint as the end, and says what does not hold of it. CHT_E_IO. */
static int take_checkpoint(struct follow *f, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r;

	f->reader.limit = f->view.size;
	if (f->view.note_len == 0)
		return 0;
	if (f->view.vkey[0] != '\0' && check_signature(f, &why) < 0)
		follow_fault(f, &why);
	r = ledger_check_take(&f->check, &f->view, &why);
	if (r == CHT_E_STATE)
		follow_fault(f, &why);
	else if (r < 0)
		*err = why;
	return r == CHT_E_STATE ? 0 : r;
}

int follow_open(struct follow *f, const char *dir, bool is_following, struct cht_err *err)
{
	int r;

	memset(f, 0, sizeof(*f));
	f->reader = (struct ledger_reader)LEDGER_READER_NULL;
	f->is_following = is_following;
	r = ledger_view_open(&f->view, dir, err);
	if (r == 0 && is_following) {
		/* Before what is read last: what comes after it then wakes us. */
		r = ledger_view_watch(&f->view, err);
		if (r >= 0)
			r = ledger_view_refresh(&f->view, err);
	}
	if (r >= 0)
		r = ledger_reader_open_view(&f->reader, &f->view, err);
	if (r == 0 && f->view.note_len > 0 && f->view.vkey[0] == '\0')
		diag(DIAG_WARNING,
		     "no vkey in the ledger: the checkpoint's signature is not checked");
	if (r == 0)
		r = take_checkpoint(f, err);
	if (r < 0)
		follow_close(f);
	return r < 0 ? r : 0;
}

void follow_close(struct follow *f)
{
	ledger_view_close(&f->view);
	ledger_reader_close(&f->reader);
}

/* 1: there is another checkpoint. 0: whoever read our output is gone, or the checkpoint went back,
 * which was said. */
static int wait_for_more(struct follow *f, struct cht_err *err)
{
	struct pollfd fds[] = { { .fd = f->view.watch_fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO, .events = 0 } };
	struct cht_err why = { 0 };
	int r = 0;

	cli_flush();
	while (r == 0) {
		if (cli_is_done())
			return 0;
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return cht_fail(err, CHT_E_IO, errno, "wait for the ledger to grow");
		}
		if ((fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
			return 0;
		ledger_view_clear(&f->view);
		r = ledger_view_refresh(&f->view, &why);
		if (r == 0 && f->view.is_moved) {
			diag(DIAG_NOTICE, "the log has ended: its directory was moved");
			return 0;
		}
	}
	if (r == CHT_E_STATE) {
		follow_fault(f, &why);
		return 0;
	}
	if (r == 1)
		r = take_checkpoint(f, &why);
	if (r < 0)
		*err = why;
	return r < 0 ? r : 1;
}

/* 1: the reader stands behind the damage. */
static int skip(struct follow *f, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);

	return ledger_reader_skip(&f->reader, &hashes, err);
}

static int check_entry(struct follow *f, struct cht_bytes entry, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r = ledger_check_entry(&f->check, &f->view, f->reader.next - 1, entry, &why);

	if (r == CHT_E_STATE)
		follow_fault(f, &why);
	else if (r < 0)
		*err = why;
	return r == CHT_E_STATE ? 0 : r;
}

int follow_next(struct follow *f, struct cht_bytes *entry, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r = 1;

	while (r == 1 && !cli_is_done()) {
		r = ledger_next(&f->reader, entry, &why);
		if (r == 1) {
			r = check_entry(f, *entry, err);
			return r < 0 ? r : 1;
		}
		if (r == CHT_E_STATE) {
			follow_fault(f, &why);
			r = skip(f, err);
		} else if (r == 0 && f->is_following) {
			r = wait_for_more(f, err);
		} else if (r < 0) {
			*err = why;
		}
	}
	return r < 0 ? r : 0;
}

int follow_look(struct follow *f, struct cht_bytes *entry, struct cht_err *err)
{
	int r;

	while ((r = ledger_next(&f->reader, entry, err)) == CHT_E_STATE) {
		r = skip(f, err);
		if (r <= 0)
			return r;
	}
	return r;
}

int follow_get(struct follow *f, uint64_t index, struct cht_bytes *entry, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	int r;

	if (index >= f->view.size)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"no entry %" PRIu64 ": the newest checkpoint covers %" PRIu64
				" entries, counted from 0",
				index, f->view.size);
	r = ledger_reader_goto(&f->reader, &hashes, index, err);
	if (r == 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"entry %" PRIu64
				" is not there any more: the first one is %" PRIu64,
				index, f->reader.next);
	if (r == 1)
		r = ledger_next(&f->reader, entry, err);
	if (r == 1) {
		r = check_entry(f, *entry, err);
		return r < 0 ? r : 1;
	}
	return r;
}

static bool is_one_line(struct cht_bytes entry)
{
	uint8_t least = 0xff;

	if (entry.len < 2 || entry.ptr[0] != '{' || entry.ptr[entry.len - 1] != '}')
		return false;
	for (size_t i = 0; i < entry.len; i++)
		least = entry.ptr[i] < least ? entry.ptr[i] : least;
	return least >= 0x20 && utf8_is_valid(entry.ptr, entry.len);
}

static void put_unreadable(struct cht_bytes entry, uint64_t index)
{
	static uint8_t line[2 * CHT_ENTRY_MAX_BYTES + 128];
	struct buf b = buf_init(line, sizeof(line));

	buf_put_lit(&b, "{\"unreadable\":{\"hex\":\"");
	put_hex(&b, entry.ptr, entry.len);
	buf_put_lit(&b, "\",\"index\":\"");
	put_u64(&b, index);
	buf_put_lit(&b, "\"}}");
	cli_put(b.start, buf_len(&b));
}

void put_entry(struct cht_bytes entry, uint64_t index)
{
	if (is_one_line(entry))
		cli_put(entry.ptr, entry.len);
	else
		put_unreadable(entry, index);
}

void put_entry_line(struct cht_bytes entry, uint64_t index)
{
	put_entry(entry, index);
	cli_put("\n", 1);
}

int follow_status(const struct follow *f, int r, const struct cht_err *err)
{
	if (r < 0) {
		cli_flush();
		/* What is damaged was said already, at its beginning. */
		if (r != CHT_E_STATE || !f->is_faulty)
			diag_err(err);
	}
	if (r == CHT_E_STATE || f->is_faulty)
		return CLI_DAMAGED;
	return r < 0 ? CLI_FAILED : CLI_OK;
}
