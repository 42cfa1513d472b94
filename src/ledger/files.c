/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"

enum { LOCK_RETRY_MS = 20, ORIGIN_DIGITS = 16 };

int write_code(int sys)
{
	return sys == ENOSPC || sys == EDQUOT ? CHT_E_FULL : CHT_E_IO;
}

/* flock has no deadline and we take no signals, hence the short naps. */
static int wait_for_lock(int fd, struct cht_err *err)
{
	const uint64_t until = clk_monotonic_ns() + LOCK_WAIT_S * NS_PER_S;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return cht_fail(err, CHT_E_IO, errno, "lock the ledger");
		if (clk_monotonic_ns() >= until)
			return cht_fail(err, CHT_E_LIMIT, 0,
					"another writer has held the ledger's lock for %d s",
					LOCK_WAIT_S);
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	}
	return 0;
}

int lock_take(int dir_fd, struct cht_err *err)
{
	int r, fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			   LEDGER_FILE_MODE);

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open ledger/lock");
	r = wait_for_lock(fd, err);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	return fd;
}

static bool is_origin(struct cht_str s)
{
	size_t name = s.len - ORIGIN_DIGITS - 1;
	uint8_t digits[ORIGIN_DIGITS / 2];
	size_t n;

	if (s.len < ORIGIN_DIGITS + 2 || name > LEDGER_NAME_MAX || s.ptr[name] != '/')
		return false;
	for (size_t i = 0; i < name; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", s.ptr[i]) == NULL)
			return false;
	return read_hex((struct cht_str){ s.ptr + name + 1, ORIGIN_DIGITS }, digits, sizeof(digits),
			&n);
}

/* One line of text without its LF. 1, 0 when the file is absent, CHT_E_STATE, CHT_E_IO. */
static int read_line(int dir_fd, const char *name, char *out, size_t cap, struct cht_err *err)
{
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(dir_fd, name, out, cap - 1, &why);

	if (n < 0 && why.sys == ENOENT)
		return 0;
	if (n == CHT_E_IO)
		return cht_fail(err, CHT_E_IO, why.sys, "read ledger/%s", name);
	if (n < 1 || out[n - 1] != '\n' || memchr(out, '\0', (size_t)n) != NULL)
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: %s is no line of text", name);
	out[n - 1] = '\0';
	return 1;
}

int origin_read(int dir_fd, char out[LEDGER_ORIGIN_MAX + 1], struct cht_err *err)
{
	char line[LEDGER_ORIGIN_MAX + 1];
	int r = read_line(dir_fd, "origin", line, sizeof(line), err);

	if (r <= 0)
		return r;
	if (!is_origin(str_of(line)))
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: origin is not a name");
	memcpy(out, line, sizeof(line));
	return 1;
}

int mark_read(int dir_fd, uint64_t *entries, struct cht_err *err)
{
	char line[DECIMAL_MAX + 3];
	int r = read_line(dir_fd, "clean", line, sizeof(line), err);

	if (r <= 0)
		return r;
	if (!read_u64(str_of(line), UINT64_MAX, entries))
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: clean is not a number");
	return 1;
}

int mark_write(int dir_fd, uint64_t entries, struct cht_err *err)
{
	uint8_t mem[DECIMAL_MAX + 1];
	struct buf b = buf_init(mem, sizeof(mem));

	put_u64(&b, entries);
	buf_put_byte(&b, '\n');
	return fd_replace_file(dir_fd, "clean", LEDGER_FILE_MODE, buf_bytes(&b), err);
}

int mark_remove(int dir_fd, struct cht_err *err)
{
	if (unlinkat(dir_fd, "clean", 0) < 0 && errno != ENOENT)
		return cht_fail(err, write_code(errno), errno, "remove the clean mark");
	if (fsync(dir_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync ledger/");
	return 0;
}
