/* SPDX-License-Identifier: Apache-2.0 */
/* cells.d beside the file: whoever deploys a cell puts a file there and edits nobody else's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "conf/conf.h"
#include "conf/keys.h"

void conf_names_free(struct conf_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
	*names = (struct conf_names){ .n = 0 };
}

static bool names_add(struct conf_names *names, const char *name)
{
	if (names->n == names->cap) {
		size_t cap = names->cap == 0 ? 16 : names->cap * 2;
		char **grown = reallocarray(names->list, cap, sizeof(*grown));

		if (grown == NULL)
			return false;
		names->list = grown;
		names->cap = cap;
	}
	names->list[names->n] = strdup(name);
	return names->list[names->n++] != NULL;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Those that an editor or a package manager leaves beside are none. */
static bool is_drop_in(const char *name)
{
	size_t n = strlen(name), suffix = strlen(".conf");

	return name[0] != '.' && n > suffix && strcmp(name + n - suffix, ".conf") == 0;
}

int conf_list(int dir_fd, const char *path, struct conf_names *names, struct cht_err *err)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0), r = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_CONFIG, errno, "%s", path);
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		if (is_drop_in(entry->d_name) && !names_add(names, entry->d_name))
			r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for the configuration");
	if (r == 0 && errno != 0)
		r = cht_fail(err, CHT_E_CONFIG, errno, "%s", path);
	(void)closedir(dir);
	if (names->n > 0)
		qsort(names->list, names->n, sizeof(names->list[0]), by_name);
	return r;
}

static int read_one(struct conf *conf, int dir_fd, const char *dir, const char *name,
		    struct cht_bytes space, struct cht_err *err)
{
	struct cht_err why = { 0 };
	char path[CONF_TEXT_MAX + 1];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "%s/%s", dir, name);
	n = fd_read_file(dir_fd, name, (uint8_t *)(uintptr_t)space.ptr, space.len, &why);
	if (n < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s: %s", path, why.text);
	return conf_read_cells(conf, path, (struct cht_bytes){ space.ptr, (size_t)n }, err);
}

int conf_cells_dir(const char *file, char *out, size_t cap, struct cht_err *err)
{
	const char *slash = strrchr(file, '/');
	int before = slash != NULL ? (int)(slash - file) + 1 : 0;
	int n = snprintf(out, cap, "%.*scells.d", before, file);

	if (n < 0 || (size_t)n >= cap)
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "%s", file);
	return 0;
}

int drop_ins_read(struct conf *conf, const char *file, struct cht_bytes space, struct cht_err *err)
{
	struct conf_names names = { .n = 0 };
	char dir[CONF_TEXT_MAX + 1];
	int dir_fd, r = conf_cells_dir(file, dir, sizeof(dir), err);

	if (r < 0)
		return r;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : cht_fail(err, CHT_E_CONFIG, errno, "%s", dir);
	r = conf_list(dir_fd, dir, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = read_one(conf, dir_fd, dir, names.list[i], space, err);
	conf_names_free(&names);
	fd_close(&dir_fd);
	return r;
}
