/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"

int fd_oom_event(int oom_fd, int control_fd, struct cht_err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char line[32];
	int n;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "an eventfd");
	n = snprintf(line, sizeof(line), "%d %d", fd, oom_fd);
	if (write(control_fd, line, (size_t)n) == n)
		return fd;
	(void)cht_fail(err, CHT_E_IO, errno, "cgroup.event_control");
	fd_close(&fd);
	return CHT_E_IO;
}
