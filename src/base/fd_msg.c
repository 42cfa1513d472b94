/* SPDX-License-Identifier: Apache-2.0
 *
 * Apart from fd.c because the guest agent, which passes no descriptors, is built with a C library
 * whose CMSG macros do not compile with our warnings.
 */
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

enum { MSG_FDS_MAX = 8 };

int fd_send_msg(int sock, struct cht_bytes msg, const int *fds, unsigned n_fds, struct cht_err *err)
{
	union {
		char space[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg.ptr, .iov_len = msg.len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > MSG_FDS_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "too many descriptors in one message");
	if (n_fds > 0) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	for (;;) {
		if (sendmsg(sock, &mh, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return cht_fail(err, CHT_E_PEER, errno, "send a message");
		return cht_fail(err, CHT_E_IO, errno, "send a message");
	}
}

unsigned fd_take_passed(struct msghdr *mh, int *fds, unsigned cap)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < cap)
				fds[n] = fd;
			else
				fd_close(&fd);
		}
	}
	return n;
}

/* At least n_min and at most n_max descriptors; those that did not come are -1. */
static ssize_t recv_msg(int sock, struct iovec iov, int *fds, unsigned n_min, unsigned n_max,
			struct cht_err *err)
{
	union {
		char space[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space) };
	unsigned got;
	ssize_t r;

	/* A peer that closed with messages of ours unread resets the socket: that is said once,
	 * and what it sent before can still be read. */
	do
		r = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (r < 0 && (errno == EINTR || errno == ECONNRESET));
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return cht_fail(err, CHT_E_FULL, 0, "no message waits");
	if (r < 0)
		return cht_fail(err, CHT_E_IO, errno, "receive a message");
	if (r == 0)
		return 0;
	for (unsigned i = 0; i < n_max; i++)
		fds[i] = -1;
	got = fd_take_passed(&mh, fds, n_max);
	if (n_min < n_max && got == 0 && (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == MSG_CTRUNC) {
		fds[0] = FD_LOST;
		return r;
	}
	if (got >= n_min && got <= n_max && (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return r;
	for (unsigned i = 0; i < got && i < n_max; i++)
		fd_close(&fds[i]);
	return cht_fail(err, CHT_E_PEER, 0, "a message was cut or has %u descriptors, not %u", got,
			n_max);
}

ssize_t fd_recv_msg(int sock, void *out, size_t cap, int *fds, unsigned n_fds, struct cht_err *err)
{
	return recv_msg(sock, (struct iovec){ out, cap }, fds, n_fds, n_fds, err);
}

ssize_t fd_recv_msg_opt(int sock, void *out, size_t cap, int *fd, struct cht_err *err)
{
	return recv_msg(sock, (struct iovec){ out, cap }, fd, 0, 1, err);
}
