/* SPDX-License-Identifier: Apache-2.0 */
/* Who wants to hear that a v1 cgroup is out of memory writes so into another file of it, for which
 * it takes rights that the line does not have. What is written says two descriptors and nothing
 * else, and only a directory of that very file system is written to. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

static int arm(int dir_fd, const char *name, int *fd, struct cht_err *err)
{
	struct statfs fs;
	int oom_fd = -1, control_fd = -1, r;

	if (fstatfs(dir_fd, &fs) < 0)
		return cht_fail(err, CHT_E_IO, errno, "%s", name);
	if (fs.f_type != CGROUP_SUPER_MAGIC)
		return cht_fail(err, CHT_E_IO, 0, "not in a cgroup of version 1: %s", name);
	r = open_plain(dir_fd, name, O_RDONLY, &oom_fd, err);
	if (r == 0)
		r = open_plain(dir_fd, "cgroup.event_control", O_WRONLY, &control_fd, err);
	if (r == 0)
		r = *fd = fd_oom_event(oom_fd, control_fd, err);
	fd_close(&control_fd);
	fd_close(&oom_fd);
	return r < 0 ? r : 0;
}

int do_oom(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	const char *name;
	int dir_fd, r;

	(void)answer;
	dir_fd = roots_find(&opener->reads, request->path, &name, err);
	if (dir_fd < 0)
		return dir_fd;
	if (strcmp(name, "memory.oom_control") == 0)
		r = arm(dir_fd, name, fd, err);
	else
		r = cht_fail(err, CHT_E_RANGE, 0, "not a memory.oom_control: %s", request->path);
	fd_close(&dir_fd);
	return r;
}
