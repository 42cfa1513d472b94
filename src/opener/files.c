/* SPDX-License-Identifier: Apache-2.0 */
/* A file is looked at before it is opened: as a place (O_PATH), which opens nothing, and then by
 * that place's descriptor, so that it is the one that was looked at. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "channel/channel.h"
#include "opener/opener.h"

/* What stands under name, as a place. */
int look_at_place(int dir_fd, const char *name, struct stat *st, struct cht_err *err)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, st) == 0)
		return fd;
	(void)cht_fail(err, CHT_E_IO, errno, "%s", name);
	fd_close(&fd);
	return CHT_E_IO;
}

/* Opens the place; *fd. */
int open_place(int place_fd, int flags, int *fd, struct cht_err *err)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", place_fd);
	*fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return *fd < 0 ? cht_fail(err, CHT_E_IO, errno, "open") : 0;
}

/* ---- files */

/* Behind the digits at its begin; null: there are none. */
static const char *skip_number(const char *path)
{
	size_t n = strspn(path, "0123456789");

	return n > 0 ? path + n : NULL;
}

/* Behind "/proc/PID"; null: it is none such. */
static const char *skip_process(const char *path)
{
	static const char proc[] = "/proc/";

	return strncmp(path, proc, sizeof(proc) - 1) == 0 ? skip_number(path + sizeof(proc) - 1)
							  : NULL;
}

/* /proc/PID/stat, /proc/PID/schedstat, and of a thread, /proc/PID/task/TID/...: anybody may read
 * them. */
static bool is_process_file(const char *path)
{
	static const char task[] = "/task/";

	path = skip_process(path);
	if (path != NULL && strncmp(path, task, sizeof(task) - 1) == 0)
		path = skip_number(path + sizeof(task) - 1);
	return path != NULL && (strcmp(path, "/stat") == 0 || strcmp(path, "/schedstat") == 0);
}

/* /proc/PID/task: its threads' numbers. */
static bool is_task_list(const char *path)
{
	path = skip_process(path);
	return path != NULL && strcmp(path, "/task") == 0;
}

static int open_list(int dir_fd, const char *name, int *fd, struct cht_err *err)
{
	*fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? cht_fail(err, CHT_E_IO, errno, "%s", name) : 0;
}

int open_plain(int dir_fd, const char *name, int flags, int *fd, struct cht_err *err)
{
	struct stat st;
	int r, place = look_at_place(dir_fd, name, &st, err);

	if (place < 0)
		return place;
	if (S_ISREG(st.st_mode) && st.st_nlink == 1)
		r = open_place(place, flags, fd, err);
	else
		r = cht_fail(err, CHT_E_IO, 0, "not a plain file of one name: %s", name);
	fd_close(&place);
	return r;
}

int do_read(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err)
{
	const char *name = request->path;
	int dir_fd, r;

	(void)answer;
	if (is_process_file(request->path))
		return open_plain(AT_FDCWD, name, O_RDONLY, fd, err);
	if (is_task_list(request->path))
		return open_list(AT_FDCWD, name, fd, err);
	dir_fd = roots_find(&opener->reads, request->path, &name, err);
	if (dir_fd < 0)
		return dir_fd;
	r = open_plain(dir_fd, name, O_RDONLY, fd, err);
	fd_close(&dir_fd);
	return r;
}

static bool is_conf_name(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".conf") == 0;
}

/* What path is called in a directory of the configuration: "" for itself; null: nothing there. */
static const char *name_in(const struct root *root, const char *path)
{
	const char *name = path + root->len;

	if (strncmp(path, root->path, root->len) != 0 || (*name != '/' && *name != '\0'))
		return NULL;
	name += *name == '/';
	if (root->only != NULL)
		return strcmp(name, root->only) == 0 ? name : NULL;
	return *name == '\0' || (strchr(name, '/') == NULL && is_conf_name(name)) ? name : NULL;
}

/* One file of the configuration, or a directory of such, to be listed. */
int do_conf(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err)
{
	const struct root *root = opener->confs.list;
	const char *name = NULL;

	(void)answer;
	for (unsigned i = 0; i < opener->confs.n && name == NULL; i++) {
		root = &opener->confs.list[i];
		name = name_in(root, request->path);
	}
	if (name == NULL)
		return cht_fail(err, CHT_E_IO, 0, "no file of the configuration: %s",
				request->path);
	if (*name != '\0')
		return open_plain(root->fd, name, O_RDONLY, fd, err);
	return open_list(root->fd, ".", fd, err);
}

/* ---- processes */

int do_pidfd(struct opener *opener, const struct opening_request *request,
	     struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)opener;
	(void)answer;
	if (request->pid == 0 || request->pid > INT32_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "no process has such an id");
	*fd = channel_pidfd((uint32_t)request->pid);
	if (*fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "process %llu",
				(unsigned long long)request->pid);
	return 0;
}
