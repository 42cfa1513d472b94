/* SPDX-License-Identifier: Apache-2.0 */
#include "base/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/fd.h"
#include "base/text.h"

enum { STATE_MAX = 256 };

bool notify_is_for_us(const char *pid)
{
	uint64_t whose;

	return read_u64(str_of(pid), INT32_MAX, &whose) && whose == (uint64_t)getpid();
}

/* WATCHDOG_PID says for whom the other is; without it, for us. */
static uint64_t watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us;

	if (usec == NULL || !read_u64(str_of(usec), UINT64_MAX / 1000, &us))
		return 0;
	if (pid != NULL && !notify_is_for_us(pid))
		return 0;
	return us * 1000;
}

static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	socklen_t len;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return -1;
	memcpy(to.sun_path, path, n);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, len) < 0)
		fd_close(&fd);
	return fd;
}

void notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*n = (struct notify)NOTIFY_NULL;
	if (path == NULL)
		return;
	n->fd = connect_to(path);
	if (n->fd < 0)
		diag(DIAG_WARNING,
		     "the service manager will not be told: NOTIFY_SOCKET cannot be used");
	else
		n->every_ns = watchdog_ns() / 2;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	fd_close(&n->fd);
}

void notify_manager(const struct notify *n, const char *state)
{
	/* One that does not listen does not hold us up. */
	if (n->fd >= 0 && send(n->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		diag(DIAG_WARNING, "the service manager was not told: it does not listen");
}

uint64_t notify_deadline(const struct notify *n)
{
	return n->fd >= 0 && n->every_ns > 0 ? n->next_ns : UINT64_MAX;
}

void notify_alive(struct notify *n, uint64_t now_ns, const char *state)
{
	char text[STATE_MAX];

	if (now_ns < notify_deadline(n))
		return;
	n->next_ns = now_ns + n->every_ns;
	(void)snprintf(text, sizeof(text), "WATCHDOG=1\n%s", state);
	notify_manager(n, text);
}

int notify_passed_socket(void)
{
	enum { FIRST = 3 };
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int type = 0;
	socklen_t len = sizeof(type);

	if (pid == NULL || fds == NULL || !notify_is_for_us(pid) || strcmp(fds, "1") != 0 ||
	    getsockopt(FIRST, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET ||
	    fcntl(FIRST, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return FIRST;
}

void notify_ready_fd(int *fd)
{
	if (*fd >= 0 && fd_write_all(*fd, "\n", 1, NULL) < 0)
		diag(DIAG_WARNING, "--ready-fd: nobody reads it");
	fd_close(fd);
}
