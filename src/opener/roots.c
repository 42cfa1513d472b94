/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a path only chooses the root; that nothing leads out of it is the kernel's doing,
 * step by step while it walks, so that no exchange of a component in between can matter. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

/* path has its len bytes before what is to be opened ends. */
static int open_root(struct roots *roots, const char *path, size_t len, struct cht_err *err)
{
	struct root *root = &roots->list[roots->n];
	char dir[PATH_MAX];

	if (path[0] != '/' || len >= sizeof(dir))
		return cht_fail(err, CHT_E_CONFIG, 0, "root %s: expected an absolute path", path);
	(void)snprintf(dir, sizeof(dir), "%.*s", len > 0 ? (int)len : 1, path);
	root->fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0)
		return cht_fail(err, CHT_E_CONFIG, errno,
				"root %s: make it, or do not name it in %s", dir, roots->key);
	while (len > 0 && path[len - 1] == '/')
		len--;
	root->path = path;
	root->len = len;
	root->only = NULL;
	roots->n++;
	return 0;
}

int roots_open(struct roots *roots, const char *const *paths, unsigned n, struct cht_err *err)
{
	int r = 0;

	roots->n = 0;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = open_root(roots, paths[i], strlen(paths[i]), err);
	return r;
}

int roots_also(struct roots *roots, const char *path, struct cht_err *err)
{
	const char *slash = strrchr(path, '/');
	int r = open_root(roots, path, slash != NULL ? (size_t)(slash - path) : 0, err);

	if (r == 0)
		roots->list[roots->n - 1].only = slash + 1;
	return r;
}

void roots_if_there(struct roots *roots, const char *path)
{
	(void)!open_root(roots, path, strlen(path), NULL);
}

int roots_conf(struct roots *roots, const char *path, struct cht_err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return open_root(roots, path, strlen(path), err);
	return roots_also(roots, path, err);
}

void roots_close(struct roots *roots)
{
	for (unsigned i = 0; i < roots->n; i++)
		fd_close(&roots->list[i].fd);
	roots->n = 0;
}

static bool has_dotdot(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2)
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
			return true;
	return false;
}

/* The longest that path is below; null when it is below none. */
static const struct root *choose(const struct roots *roots, const char *path)
{
	const struct root *best = NULL;

	for (unsigned i = 0; i < roots->n; i++) {
		const struct root *root = &roots->list[i];

		if (strncmp(path, root->path, root->len) == 0 && path[root->len] == '/' &&
		    (root->only == NULL || strcmp(path + root->len + 1, root->only) == 0) &&
		    (best == NULL || root->len > best->len))
			best = root;
	}
	return best;
}

static int open_beneath(int root_fd, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
						 RESOLVE_NO_MAGICLINKS };
	long fd;

	do
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

static int explain(const char *dir, struct cht_err *err)
{
	switch (errno) {
	case ELOOP:
		return cht_fail(err, CHT_E_BIND, 0,
				"a symlink on the way: name the true path, or the link as a root: "
				"%s",
				dir);
	case ENOSYS:
		return cht_fail(err, CHT_E_UNSUPPORTED, errno,
				"openat2 is not there (Linux 5.6, or a container's filter)");
	case EMFILE:
	case ENFILE:
		return cht_fail(err, CHT_E_LIMIT, errno,
				"cht-opener has a descriptor a socket: raise its limit of open "
				"files");
	default: return cht_fail(err, CHT_E_BIND, errno, "directory %s", dir);
	}
}

int roots_find(const struct roots *roots, const char *path, const char **name, struct cht_err *err)
{
	char dir[OPENING_PATH_MAX + 1];
	const char *slash = strrchr(path, '/'), *rest;
	const struct root *root;
	size_t len;
	int fd;

	if (path[0] != '/')
		return cht_fail(err, CHT_E_BIND, 0, "expected an absolute path: %s", path);
	if (slash[1] == '\0' || has_dotdot(path))
		return cht_fail(err, CHT_E_BIND, 0,
				"expected a name at its end and no \"..\" on the way: %s", path);
	root = choose(roots, path);
	if (root == NULL)
		return cht_fail(err, CHT_E_BIND, 0, "not below a root of cht-opener, see %s: %s",
				roots->key, path);
	len = (size_t)(slash - path);
	if (len >= sizeof(dir))
		return cht_fail(err, CHT_E_BIND, ENAMETOOLONG, "path");
	memcpy(dir, path, len);
	dir[len] = '\0';
	rest = dir + root->len;
	rest += strspn(rest, "/");
	fd = open_beneath(root->fd, *rest != '\0' ? rest : ".");
	if (fd < 0)
		return explain(dir, err);
	*name = slash + 1;
	return fd;
}
