/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "verify/source_entries.h"

int source_broken(struct source *source, enum verify_fault fault, uint64_t file_offset,
		  struct cht_err *err, const char *fmt, ...)
{
	char text[120];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	source->fault = fault;
	source->place.index = source->next;
	source->place.n =
		fault == VERIFY_CUT && source->size != UINT64_MAX ? source->size - source->next : 0;
	source->place.file_offset = file_offset;
	return cht_fail(err, CHT_E_STATE, 0, "%s", text);
}

/* Reads up to max bytes of an open file into a new text. */
static int read_text(int fd, size_t max, struct cht_str *out, struct cht_err *err)
{
	char *text = malloc(max > 0 ? max : 1);
	ssize_t n;

	if (text == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to read a file");
	n = entries_pread(fd, text, max, 0, err);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	*out = (struct cht_str){ text, (size_t)n };
	return 1;
}

int source_read_text(int dir_fd, const char *name, size_t max, struct cht_str *out,
		     struct cht_err *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open %s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = cht_fail(err, CHT_E_IO, 0, "%s is not a regular file", name);
	else
		r = read_text(fd, max, out, err);
	fd_close(&fd);
	return r;
}

static bool has(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_in(struct source **out, int dir_fd, const char *path, struct cht_err *err)
{
	int fd, r;

	if (has(dir_fd, "entries"))
		return source_open_ledger(out, dir_fd, err);
	if (has(dir_fd, "tile"))
		return source_open_tiles(out, dir_fd, err);
	if (!has(dir_fd, "ledger"))
		return cht_fail(err, CHT_E_CONFIG, 0, "no ledger and no tiles in %s", path);
	fd = fd_open_dir(dir_fd, "ledger", err);
	if (fd < 0)
		return fd;
	r = has(fd, "entries") ? source_open_ledger(out, fd, err)
			       : cht_fail(err, CHT_E_CONFIG, 0, "no ledger in %s", path);
	fd_close(&fd);
	return r;
}

int source_open(struct source **out, const char *path, struct cht_err *err)
{
	/* Who may read the ledger need not be able to list the directory that it is in. */
	int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return cht_fail(err, errno == ENOENT ? CHT_E_CONFIG : CHT_E_IO, errno, "open %s",
				path);
	if (fstat(fd, &st) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "stat %s", path);
	else if (S_ISDIR(st.st_mode))
		r = open_in(out, fd, path, err);
	else if (S_ISREG(st.st_mode))
		r = source_open_bundle(out, path, err);
	else
		r = cht_fail(err, CHT_E_CONFIG, 0, "%s is neither a directory nor a file", path);
	fd_close(&fd);
	return r;
}

void source_close(struct source *source)
{
	if (source == NULL)
		return;
	free((void *)(uintptr_t)source->note.ptr);
	free((void *)(uintptr_t)source->hint.ptr);
	source->ops->close(source);
}
