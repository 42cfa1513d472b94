/* SPDX-License-Identifier: Apache-2.0 */
/* setns(2) is the one way to a socket of another namespace. It moves the thread that calls it, so
 * the way back is tried before the first step is taken. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "netlink/netlink.h"

/* Only for want of memory can the kernel refuse the way back: a moment later it has some. */
enum { RETURNS_MAX = 1000 };

bool netlink_is_name(const char *name)
{
	size_t len = strnlen(name, NETLINK_NAME_MAX + 1);

	return len > 0 && len <= NETLINK_NAME_MAX && strchr(name, '/') == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int open_socket(int protocol, struct cht_err *err)
{
	const int bytes = NETLINK_RECEIVE_BYTES;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0)
		return fd;
	(void)cht_fail(err, CHT_E_IO, errno, "a netlink socket");
	fd_close(&fd);
	return CHT_E_IO;
}

static int open_named(const char *name, struct cht_err *err)
{
	int dir, fd;

	if (!netlink_is_name(name))
		return cht_fail(err, CHT_E_RANGE, 0,
				"a network namespace has a name of 1 to %d bytes without a slash",
				NETLINK_NAME_MAX);
	dir = open(NETLINK_NAMES, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = dir < 0 ? -1
		     : openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		(void)cht_fail(err, CHT_E_IO, errno,
			       "network namespace %.40s: " NETLINK_NAMES
			       " must be there when this program begins",
			       name);
	else if (fd < 0)
		(void)cht_fail(err, CHT_E_IO, errno, "network namespace %.100s", name);
	fd_close(&dir);
	return fd < 0 ? CHT_E_IO : fd;
}

/* A pidfd stands for the process's namespaces, whatever is in its /proc. */
static int open_of_process(uint32_t pid, struct cht_err *err)
{
	int fd = pid > INT32_MAX ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);

	if (pid > INT32_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "no process has such an id");
	return fd >= 0 ? fd : cht_fail(err, CHT_E_IO, errno, "process %u", pid);
}

static int refuse(const struct netlink_place *place, struct cht_err *err)
{
	if (errno == EPERM && place->pid != 0)
		return cht_fail(err, CHT_E_IO, errno,
				"the network namespace of process %u needs CAP_SYS_ADMIN and, of "
				"another user's, CAP_SYS_PTRACE",
				place->pid);
	if (errno == EPERM)
		return cht_fail(err, CHT_E_IO, errno,
				"another network namespace needs CAP_SYS_ADMIN");
	if (errno == EINVAL)
		return cht_fail(err, CHT_E_IO, errno, "no network namespace");
	return cht_fail(err, CHT_E_IO, errno, "enter a network namespace");
}

static int come_back(int here, struct cht_err *err)
{
	for (int i = 0; i < RETURNS_MAX; i++) {
		if (setns(here, CLONE_NEWNET) == 0)
			return 0;
		(void)sched_yield();
	}
	return cht_fail(err, CHT_E_STATE, errno, "come back from a network namespace");
}

static int open_there(int here, int there, int protocol, const struct netlink_place *place,
		      struct cht_err *err)
{
	int fd, r;

	if (setns(here, CLONE_NEWNET) < 0 || setns(there, CLONE_NEWNET) < 0)
		return refuse(place, err);
	fd = open_socket(protocol, err);
	r = come_back(here, err);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int netlink_open(int protocol, const struct netlink_place *place, struct cht_err *err)
{
	bool is_named = place->name != NULL && place->name[0] != '\0';
	int here, there, r;

	if (is_named && place->pid != 0)
		return cht_fail(err, CHT_E_RANGE, 0,
				"a network namespace is named or a process's, not both");
	if (!is_named && place->pid == 0)
		return open_socket(protocol, err);
	there = is_named ? open_named(place->name, err) : open_of_process(place->pid, err);
	if (there < 0)
		return there;
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (here < 0)
		r = cht_fail(err, CHT_E_IO, errno, "/proc/thread-self/ns/net");
	else
		r = open_there(here, there, protocol, place, err);
	fd_close(&here);
	fd_close(&there);
	return r;
}
