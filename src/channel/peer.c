/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "channel/channel.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static bool is_connected(int fd)
{
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };

	return poll(&end, 1, 0) == 0;
}

/* Before Linux 6.5 there is the number alone, which may have another owner by now: the process that
 * connected has not ended if its end is still open, unless it handed that on. */
static int open_by_number(int fd)
{
	struct ucred cred = { .pid = 0 };
	socklen_t len = sizeof(cred);
	int pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return -1;
	pidfd = channel_pidfd((uint32_t)cred.pid);
	if (pidfd >= 0 && !is_connected(fd))
		fd_close(&pidfd);
	return pidfd;
}

int channel_peer_pidfd(int fd)
{
	socklen_t len = sizeof(int);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd; /* close-on-exec, as all of them */
	return open_by_number(fd);
}

int channel_pidfd(uint32_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}
