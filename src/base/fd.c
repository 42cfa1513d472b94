/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_write_all(int fd, const void *bytes, size_t n, struct cht_err *err)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return cht_fail(err, CHT_E_IO, errno, "write");
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t fd_read_all(int fd, void *out, size_t cap, struct cht_err *err)
{
	uint8_t *p = out, extra;
	size_t have = 0;

	for (;;) {
		bool past = have == cap;
		ssize_t r = read(fd, past ? &extra : p + have, past ? 1 : cap - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return cht_fail(err, CHT_E_IO, errno, "read");
		if (r == 0)
			return (ssize_t)have;
		if (past)
			return cht_fail(err, CHT_E_RANGE, 0, "longer than %zu bytes", cap);
		have += (size_t)r;
	}
}

ssize_t fd_read_file(int dirfd, const char *name, void *out, size_t cap, struct cht_err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t r;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "stat %s", name);
	else if (!S_ISREG(st.st_mode))
		r = cht_fail(err, CHT_E_IO, 0, "%s is not a regular file", name);
	else
		r = fd_read_all(fd, out, cap, err);
	fd_close(&fd);
	return r;
}

int fd_open_dir(int dirfd, const char *name, struct cht_err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open directory %s", name);
	return fd;
}

static int sync_parent(int dirfd, const char *name, struct cht_err *err)
{
	const char *slash = strrchr(name, '/');
	char parent[4096];
	int fd, r = 0;

	if (slash == NULL)
		(void)snprintf(parent, sizeof(parent), ".");
	else
		(void)snprintf(parent, sizeof(parent), "%.*s",
			       slash == name ? 1 : (int)(slash - name), name);
	fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync directory %s", parent);
	fd_close(&fd);
	return r;
}

int fd_make_dir(int dirfd, const char *name, mode_t mode, struct cht_err *err)
{
	if (mkdirat(dirfd, name, mode) == 0) {
		int r = sync_parent(dirfd, name, err);

		if (r < 0)
			return r;
	} else if (errno != EEXIST) {
		return cht_fail(err, CHT_E_IO, errno, "make directory %s", name);
	}
	return fd_open_dir(dirfd, name, err);
}

int fd_replace_file(int dirfd, const char *name, mode_t mode, struct cht_bytes content,
		    struct cht_err *err)
{
	char temp[256];
	int fd, r, n = snprintf(temp, sizeof(temp), "%s.tmp", name);

	if (n < 0 || (size_t)n >= sizeof(temp))
		return cht_fail(err, CHT_E_RANGE, 0, "file name too long");
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "create %s", temp);
	r = fd_write_all(fd, content.ptr, content.len, err);
	if (r == 0 && fdatasync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync %s", temp);
	fd_close(&fd);
	if (r == 0 && renameat(dirfd, temp, dirfd, name) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "rename %s", temp);
	if (r < 0) {
		(void)unlinkat(dirfd, temp, 0);
		return r;
	}
	if (fsync(dirfd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync the directory of %s", name);
	return 0;
}

int fd_stop_signals(struct cht_err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return cht_fail(err, CHT_E_IO, errno, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? cht_fail(err, CHT_E_IO, errno, "wait for signals") : fd;
}

int fd_random(void *out, size_t n, struct cht_err *err)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t r = getrandom(p, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return cht_fail(err, CHT_E_IO, errno, "getrandom");
		p += r;
		n -= (size_t)r;
	}
	return 0;
}
