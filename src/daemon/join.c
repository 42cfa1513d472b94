/* SPDX-License-Identifier: Apache-2.0
 *
 * The listener was made by the service manager, so that who listens there says little: the first
 * message must come from the user's own process. It is looked at before anything is believed.
 */
#include "daemon/join.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/user.h"
#include "handoff/handoff.h"

static int connect_to(const char *path, struct cht_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(to.sun_path))
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "%s", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make a socket");
	r = user_ask_senders(fd, true, err);
	if (r == 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		r = cht_fail(err, CHT_E_CONFIG, errno, "connect to %s", path);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int join_open(struct child *child, const char *path, const char *user, struct cht_err *err)
{
	int64_t listener = -1;
	int r = 0;

	*child = (struct child)CHILD_NULL;
	child->uid = geteuid();
	if (user != NULL)
		r = user_find(user, &child->uid, err);
	if (r < 0)
		return r;
	child->sock = connect_to(path, err);
	if (child->sock < 0)
		return child->sock;
	child->is_joined = true;
	r = user_of_peer(child->sock, &listener, err);
	if (r == 0 && listener != 0 && listener != child->uid)
		r = cht_fail(err, CHT_E_CONFIG, 0, "user %lld listens on %s, not %lld",
			     (long long)listener, path, (long long)child->uid);
	if (r < 0)
		fd_close(&child->sock); /* nobody there is waited for */
	return r;
}

int join_check(struct child *child, struct cht_err *err)
{
	int64_t sender = -1;
	int r;

	if (!child->is_joined || child->is_known)
		return 0;
	r = user_of_sender(child->sock, &sender, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (sender != child->uid)
		return cht_fail(err, CHT_E_PEER, 0, "user %lld answers for user %lld",
				(long long)sender, (long long)child->uid);
	child->is_known = true;
	return user_ask_senders(child->sock, false, err);
}

/* Its last word, if it has one. */
static int hear_out(int sock)
{
	struct handoff_msg msg;
	int r, status = 0;

	while ((r = handoff_recv(sock, &msg, NULL, 0, NULL)) == 1)
		if (msg.kind == HANDOFF_FAILED)
			status = msg.failed.exit_status;
	return r == CHT_E_FULL ? -1 : status;
}

int join_wait(struct child *child, int enough_fd)
{
	struct pollfd fds[] = { { .fd = child->sock, .events = POLLIN },
				{ .fd = enough_fd, .events = POLLIN } };
	int status = 0;

	(void)shutdown(child->sock, SHUT_WR);
	for (;;) {
		int n = poll(fds, 2, -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (fds[0].revents == 0 && fds[1].revents != 0)) {
			status = -1;
			break;
		}
		status = hear_out(child->sock);
		if (status >= 0)
			break;
	}
	fd_close(&child->sock);
	return status;
}
