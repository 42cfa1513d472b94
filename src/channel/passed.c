/* SPDX-License-Identifier: Apache-2.0 */
/* A listener that somebody else made: it is looked at, and brought to what ours are. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "channel/channel.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void channel_refuse_fds(int listen_fd)
{
	const int no = 0;

	(void)setsockopt(listen_fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static int write_name(int fd, char *out, size_t cap, struct cht_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(address);
	const char *name = address.sun_path;
	size_t n;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || len > sizeof(address))
		return cht_fail(err, CHT_E_BIND, errno, "the name of the descriptor's socket");
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (n > 1 && name[0] == '\0') { /* abstract: as it is written everywhere */
		address.sun_path[0] = '@';
		if (memchr(name, '\0', n) != NULL)
			n = 0;
	} else {
		n = strnlen(name, n);
	}
	if (n < 2 || (name[0] != '/' && name[0] != '@') || !utf8_is_valid((const uint8_t *)name, n))
		return cht_fail(err, CHT_E_BIND, 0,
				"the descriptor's socket must be bound to an absolute path, or to "
				"an abstract name, of UTF-8 text: attribution rests on it");
	n = (size_t)snprintf(out, cap, "fd:%.*s", (int)n, name);
	return n < cap ? 0 : cht_fail(err, CHT_E_BIND, ENAMETOOLONG, "the name of a socket");
}

int channel_look_at_passed(int fd, char *name, size_t cap, struct cht_err *err)
{
	int domain = option(fd, SO_DOMAIN), flags, r;

	if (domain == AF_VSOCK)
		return cht_fail(err, CHT_E_BIND, 0,
				"the descriptor is an AF_VSOCK socket, which any VM can reach: "
				"register the cell with its cid");
	if (domain != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM)
		return cht_fail(err, CHT_E_BIND, 0,
				"the descriptor is no stream socket of AF_UNIX");
	if (option(fd, SO_ACCEPTCONN) != 1)
		return cht_fail(err, CHT_E_BIND, 0,
				"the descriptor's socket does not listen: call listen first");
	r = write_name(fd, name, cap, err);
	if (r < 0)
		return r;
	flags = fcntl(fd, F_GETFL);
	/* A short backlog can freeze a VM that finds it full. */
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "the descriptor's socket");
	channel_refuse_fds(fd);
	return 0;
}

void channel_unblock_passed(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}
