/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"
#include "ledger/segment.h"

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

bool name_is_valid(struct cht_str name)
{
	if (name.len < 1 || name.len > LEDGER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", name.ptr[i]) == NULL)
			return false;
	return true;
}

static bool is_origin(struct cht_str s)
{
	size_t name = s.len - ORIGIN_DIGITS - 1;
	uint8_t digits[ORIGIN_DIGITS / 2];
	size_t n;

	if (s.len < ORIGIN_DIGITS + 2 || s.ptr[name] != '/' ||
	    !name_is_valid((struct cht_str){ s.ptr, name }))
		return false;
	return read_hex((struct cht_str){ s.ptr + name + 1, ORIGIN_DIGITS }, digits, sizeof(digits),
			&n);
}

int line_read(int dir_fd, const char *name, char *out, size_t cap, struct cht_err *err)
{
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(dir_fd, name, out, cap - 1, &why);

	if (n < 0 && why.sys == ENOENT)
		return 0;
	if (n == CHT_E_IO)
		return cht_fail(err, CHT_E_IO, why.sys, "read ledger/%s", name);
	if (n < 1 || out[n - 1] != '\n' || memchr(out, '\0', (size_t)n) != NULL)
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: %s is no line of text; " SUCCEED_HINT, name);
	out[n - 1] = '\0';
	return 1;
}

int origin_read(int dir_fd, char out[LEDGER_ORIGIN_MAX + 1], struct cht_err *err)
{
	char line[LEDGER_ORIGIN_MAX + 1];
	int r = line_read(dir_fd, "origin", line, sizeof(line), err);

	if (r <= 0)
		return r;
	if (!is_origin(str_of(line)))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: origin is not a name; " SUCCEED_HINT);
	memcpy(out, line, sizeof(line));
	return 1;
}

int machine_id_read(uint8_t out[LEDGER_MACHINE_ID_BYTES], struct cht_err *err)
{
	static const char not_yet[] = "uninitialized";
	char text[64] = { 0 };
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(AT_FDCWD, "/etc/machine-id", text, sizeof(text), &why);

	if (n < 0 && why.sys != ENOENT)
		return cht_fail(err, CHT_E_IO, why.sys, "read /etc/machine-id");
	memset(out, 0, LEDGER_MACHINE_ID_BYTES);
	if (n < LEDGER_MACHINE_ID_BYTES || memcmp(text, not_yet, sizeof(not_yet) - 1) == 0)
		return 0;
	memcpy(out, text, LEDGER_MACHINE_ID_BYTES);
	return 0;
}

int level_open(int hashes_fd, unsigned level, int more, struct cht_err *err)
{
	const char name[] = { (char)('0' + level), '\0' };
	int fd = openat(hashes_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | more, LEDGER_FILE_MODE);

	if (fd < 0)
		return cht_fail(err, errno == ENOENT ? CHT_E_STATE : CHT_E_IO, errno,
				"open ledger/hashes/%s", name);
	return fd;
}

int level_read(void *context, unsigned level, uint64_t first, size_t n, struct tlog_hash *out)
{
	const int *fds = context;
	ptrdiff_t want = (ptrdiff_t)(n * TLOG_HASH_BYTES), got;

	got = segment_read(fds[level], out->b, (size_t)want, first * TLOG_HASH_BYTES, NULL);
	if (got < 0)
		return (int)got;
	return got == want ? 0 : CHT_E_STATE;
}

int file_size(int fd, uint64_t *out, struct cht_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat a file of the ledger");
	*out = (uint64_t)st.st_size;
	return 0;
}

int file_write_at(int fd, struct cht_bytes bytes, uint64_t at, const char *what,
		  struct cht_err *err)
{
	while (bytes.len > 0) {
		ssize_t w = pwrite(fd, bytes.ptr, bytes.len, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			int sys = w < 0 ? errno : EIO;

			return cht_fail(err, write_code(sys), sys, "write %s", what);
		}
		at += (uint64_t)w;
		bytes.ptr += w;
		bytes.len -= (size_t)w;
	}
	return 0;
}
