/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/follow.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/cli.h"

int follow_open(struct follow *f, const char *dir, bool is_following, struct cht_err *err)
{
	int r;

	*f = (struct follow){ LEDGER_READER_NULL, is_following };
	r = ledger_reader_open(&f->reader, dir, err);
	/* Before the first entry is read: what comes after it then wakes us. */
	if (r == 0 && is_following)
		r = ledger_reader_watch(&f->reader, err);
	if (r < 0)
		follow_close(f);
	return r < 0 ? r : 0;
}

void follow_close(struct follow *f)
{
	ledger_reader_close(&f->reader);
}

/* 1: the ledger may have grown. 0: whoever read our output is gone. */
static int wait_for_more(struct follow *f, struct cht_err *err)
{
	struct pollfd fds[] = { { .fd = f->reader.watch_fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO, .events = 0 } };

	cli_flush();
	if (cli_is_done())
		return 0;
	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return cht_fail(err, CHT_E_IO, errno, "wait for the ledger to grow");
	if ((fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		return 0;
	ledger_reader_clear(&f->reader);
	return 1;
}

int follow_next(struct follow *f, struct cht_bytes *entry, struct cht_err *err)
{
	if (cli_is_done())
		return 0;
	for (;;) {
		int r = ledger_next(&f->reader, entry, err);

		if (r != 0 || !f->is_following)
			return r;
		r = wait_for_more(f, err);
		if (r <= 0)
			return r;
	}
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
	buf_put_lit(&b, "\"}}\n");
	cli_put(b.start, buf_len(&b));
}

void put_entry_line(struct cht_bytes entry, uint64_t index)
{
	if (!is_one_line(entry)) {
		put_unreadable(entry, index);
		return;
	}
	cli_put(entry.ptr, entry.len);
	cli_put("\n", 1);
}

int follow_status(int r, const struct cht_err *err)
{
	if (r >= 0)
		return CLI_OK;
	cli_flush();
	diag_err(err);
	return r == CHT_E_STATE ? CLI_DAMAGED : CLI_FAILED;
}
