/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

enum { NAME_TRIES = 8, TREE_FDS = 16 };

/* A name beside path that nothing bears, and what is made by it. */
static int make(struct newfile *file, struct cht_err *err)
{
	size_t len = strlen(file->path);
	uint32_t random;
	int r, n;

	while (len > 1 && file->path[len - 1] == '/')
		len--;
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		r = fd_random(&random, sizeof(random), err);
		if (r < 0)
			return r;
		n = snprintf(file->temp, sizeof(file->temp), "%.*s.%08" PRIx32 ".tmp", (int)len,
			     file->path, random);
		if (n < 0 || (size_t)n >= sizeof(file->temp))
			return cht_fail(err, CHT_E_CONFIG, 0, "the path is too long");
		if (file->is_dir && mkdir(file->temp, 0777) == 0)
			return fd_open_dir(AT_FDCWD, file->temp, err);
		if (!file->is_dir)
			r = openat(AT_FDCWD, file->temp,
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
		else
			r = -1;
		if (r >= 0)
			return r;
		if (errno != EEXIST)
			break;
	}
	return cht_fail(err, CHT_E_IO, errno, "create %s", file->temp);
}

static int begin(struct newfile *file, const char *path, bool is_dir, struct cht_err *err)
{
	struct stat st;

	file->path = path;
	file->is_dir = is_dir;
	file->fd = -1;
	file->n = 0;
	file->err = (struct cht_err){ 0 };
	if (lstat(path, &st) == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s is there already: nothing is overwritten",
				path);
	file->fd = make(file, err);
	return file->fd < 0 ? file->fd : 0;
}

int newfile_begin(struct newfile *file, const char *path, struct cht_err *err)
{
	return begin(file, path, false, err);
}

int newfile_begin_dir(struct newfile *dir, const char *path, struct cht_err *err)
{
	return begin(dir, path, true, err);
}

static void flush(struct newfile *file)
{
	if (file->err.code == 0)
		(void)!fd_write_all(file->fd, file->bytes, file->n, &file->err);
	file->n = 0;
}

void newfile_put(struct newfile *file, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		size_t some = sizeof(file->bytes) - file->n;

		if (some > n)
			some = n;
		memcpy(file->bytes + file->n, p, some);
		file->n += some;
		p += some;
		n -= some;
		if (file->n == sizeof(file->bytes))
			flush(file);
	}
}

int newfile_close(struct newfile *file, struct cht_err *err)
{
	flush(file);
	fd_close(&file->fd);
	if (file->err.code != 0)
		return cht_fail(err, file->err.code, file->err.sys, "write %s", file->path);
	return 0;
}

int newfile_open_in(struct newfile *file, const struct newfile *dir, const char *path,
		    struct cht_err *err)
{
	char part[256];

	file->path = dir->path;
	file->n = 0;
	file->err = (struct cht_err){ 0 };
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdirat(dir->fd, part, 0777) < 0 && errno != EEXIST)
			return cht_fail(err, CHT_E_IO, errno, "make %s below %s", part, dir->path);
	}
	file->fd =
		openat(dir->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (file->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "create %s below %s", path, dir->path);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void drop(const struct newfile *file)
{
	if (file->is_dir)
		(void)nftw(file->temp, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS);
	else
		(void)unlink(file->temp);
}

static int sync_parent(const char *path, struct cht_err *err)
{
	const char *slash = strrchr(path, '/');
	char parent[4096] = ".";
	int fd, r = 0;

	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s",
			       slash == path ? 1 : (int)(slash - path), path);
	fd = openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync %s", parent);
	fd_close(&fd);
	return r;
}

/* Where the file system cannot rename without replacing, what was looked for at the beginning must
 * do. */
static int give_name(const struct newfile *file, struct cht_err *err)
{
	int r = renameat2(AT_FDCWD, file->temp, AT_FDCWD, file->path, RENAME_NOREPLACE);

	if (r < 0 && errno == EINVAL)
		r = rename(file->temp, file->path);
	if (r == 0)
		return 0;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s is there already: nothing is overwritten",
				file->path);
	return cht_fail(err, CHT_E_IO, errno, "rename to %s", file->path);
}

int newfile_end(struct newfile *file, int r, struct cht_err *err)
{
	if (file->fd < 0)
		return r;
	if (r == 0 && !file->is_dir)
		flush(file);
	if (r == 0 && file->err.code != 0)
		r = cht_fail(err, file->err.code, file->err.sys, "write %s", file->path);
	/* All files of a directory at once: one by one each would wait for the disk. */
	if (r == 0 && (file->is_dir ? syncfs(file->fd) : fsync(file->fd)) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync %s", file->path);
	if (r == 0)
		r = give_name(file, err);
	fd_close(&file->fd);
	if (r < 0)
		drop(file);
	else
		r = sync_parent(file->temp, err);
	return r;
}
