/* SPDX-License-Identifier: Apache-2.0 */
#include "base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

enum { ENTRY_BYTES = 16384 };

int user_find(const char *text, int64_t *uid, struct cht_err *err)
{
	struct passwd entry, *found = NULL;
	char bytes[ENTRY_BYTES];
	uint64_t number;
	int sys;

	if (read_u64(str_of(text), UINT32_MAX - 1, &number)) {
		*uid = (int64_t)number;
		return 0;
	}
	sys = getpwnam_r(text, &entry, bytes, sizeof(bytes), &found);
	if (found == NULL)
		return cht_fail(err, CHT_E_CONFIG, sys,
				"there is no user \"%s\": make it, or give a number", text);
	*uid = entry.pw_uid;
	return 0;
}

int user_find_group(const char *text, int64_t *gid, struct cht_err *err)
{
	const struct group *found;
	uint64_t number;

	if (read_u64(str_of(text), UINT32_MAX - 1, &number)) {
		*gid = (int64_t)number;
		return 0;
	}
	found = getgrnam(text); /* with all its members, for which it finds room */
	if (found == NULL)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"there is no group \"%s\": make it, or give a number", text);
	*gid = found->gr_gid;
	return 0;
}

int user_of_peer(int sock, int64_t *uid, struct cht_err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return cht_fail(err, CHT_E_IO, errno, "ask who is there");
	*uid = peer.uid;
	return 0;
}

int user_ask_senders(int sock, bool ask, struct cht_err *err)
{
	int on = ask;

	if (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return cht_fail(err, CHT_E_IO, errno, "ask who sends");
	return 0;
}

/* The kernel filled it in, whatever the sender wrote. */
static bool find_credentials(struct msghdr *mh, struct ucred *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(*out))) {
			memcpy(out, CMSG_DATA(c), sizeof(*out));
			return true;
		}
	return false;
}

int user_of_sender(int sock, int64_t *uid, struct cht_err *err)
{
	union {
		char space[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	char first;
	struct iovec iov = { .iov_base = &first, .iov_len = 1 };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space) };
	struct ucred sender;
	/* A descriptor that came with it has no room, and the kernel makes none of it. */
	ssize_t n = recvmsg(sock, &mh, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return cht_fail(err, CHT_E_FULL, 0, "no message waits");
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 1;
	if (n < 0)
		return cht_fail(err, CHT_E_IO, errno, "look at a message");
	if (!find_credentials(&mh, &sender))
		return cht_fail(err, CHT_E_PEER, 0, "a message does not say who sent it");
	*uid = sender.uid;
	return 0;
}
