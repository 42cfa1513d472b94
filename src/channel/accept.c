/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/err.h"
#include "base/fd.h"

/* Where it cannot be had now, the next accept tries again. */
static void refill(struct channel_spare *spare)
{
	if (spare->fd < 0)
		spare->fd = eventfd(0, EFD_CLOEXEC);
}

int channel_spare_open(struct channel_spare *spare, struct cht_err *err)
{
	spare->fd = -1;
	refill(spare);
	if (spare->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make a spare descriptor");
	return 0;
}

void channel_spare_close(struct channel_spare *spare)
{
	fd_close(&spare->fd);
}

/* Again where nothing happened that concerns us: a signal, or a peer that went away. */
static int accept_one(int listen_fd, struct channel_peer *peer)
{
	struct sockaddr_vm from = { .svm_family = AF_UNSPEC };
	socklen_t len;
	int fd;

	do {
		len = sizeof(from);
		fd = accept4(listen_fd, (struct sockaddr *)&from, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	*peer = (struct channel_peer){ .uid = UINT32_MAX, .gid = UINT32_MAX };
	if (fd >= 0 && len >= sizeof(from) && from.svm_family == AF_VSOCK)
		peer->cid = from.svm_cid;
	return fd;
}

/* Of a VM there is no process that could be asked for. */
static void ask_peer(int fd, struct channel_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (peer->cid != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return;
	peer->pid = (uint32_t)cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
}

/* Gives the spare up for long enough to take and close one connection. */
static int accept_and_close(int listen_fd, struct channel_spare *spare, struct channel_peer *peer,
			    struct cht_err *err)
{
	int fd, sys;

	fd_close(&spare->fd);
	fd = accept_one(listen_fd, peer);
	sys = errno;
	if (fd >= 0) {
		fd_close(&fd);
		refill(spare);
		return cht_fail(err, CHT_E_LIMIT, EMFILE, "a connection was closed");
	}
	refill(spare);
	if (sys == EAGAIN || sys == EWOULDBLOCK)
		return 0; /* the kernel asks for the descriptor before it looks who waits */
	return cht_fail(err, CHT_E_IO, sys, "accept");
}

int channel_accept(int listen_fd, struct channel_spare *spare, int *fd, struct channel_peer *peer,
		   struct cht_err *err)
{
	int got;

	refill(spare);
	got = accept_one(listen_fd, peer);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (got < 0 && (errno == EMFILE || errno == ENFILE) && spare->fd >= 0)
		return accept_and_close(listen_fd, spare, peer, err);
	if (got < 0)
		return cht_fail(err, CHT_E_IO, errno, "accept");
	ask_peer(got, peer);
	*fd = got;
	return 1;
}
