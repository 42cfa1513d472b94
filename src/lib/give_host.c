/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "channel/channel.h"
#include "lib/give.h"

static int open_file(const char *path, int flags, struct cht_err *err)
{
	int fd = open(path, flags | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? cht_fail(err, CHT_E_IO, errno, "%s", path) : fd;
}

struct probe_given give_oom(const struct probe_want *want)
{
	static const char control[] = "/cgroup.event_control";
	char path[sizeof(want->path) + sizeof(control)];
	const char *slash = strrchr(want->path, '/');
	size_t len = slash != NULL ? (size_t)(slash - want->path) : 0;
	struct cht_err err = { 0 };
	int oom_fd, control_fd = -1, fd = -1;

	memcpy(path, want->path, len);
	memcpy(path + len, control, sizeof(control));
	oom_fd = open_file(want->path, O_RDONLY, &err);
	if (oom_fd >= 0)
		control_fd = open_file(path, O_WRONLY, &err);
	if (control_fd >= 0)
		fd = fd_oom_event(oom_fd, control_fd, &err);
	fd_close(&control_fd);
	fd_close(&oom_fd);
	return (struct probe_given){ .fd = fd < 0 ? -1 : fd, .code = err.code, .sys = err.sys };
}

struct probe_given give_pidfd(const struct probe_want *want)
{
	int fd = channel_pidfd(want->pid);

	return (struct probe_given){ .fd = fd,
				     .code = fd < 0 ? CHT_E_IO : 0,
				     .sys = fd < 0 ? errno : 0 };
}
