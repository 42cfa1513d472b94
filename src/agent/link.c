/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"

static int read_unix(struct link_address *out, struct cht_str path, struct cht_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path.len == 0 || path.len >= sizeof(to.sun_path))
		return cht_fail(err, CHT_E_CONFIG, 0, "unix:PATH takes a path of 1 to %zu bytes",
				sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path.ptr, path.len);
	out->to.local = to;
	out->len = sizeof(to);
	return 0;
}

static int read_vsock(struct link_address *out, struct cht_str text, struct cht_err *err)
{
	const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
	struct sockaddr_vm to = { .svm_family = AF_VSOCK };
	uint64_t cid, port;
	size_t n;

	if (colon == NULL)
		return cht_fail(err, CHT_E_CONFIG, 0, "expected vsock:CID:PORT");
	n = (size_t)(colon - text.ptr);
	if (!read_u64((struct cht_str){ text.ptr, n }, UINT32_MAX - 1, &cid) ||
	    !read_u64((struct cht_str){ colon + 1, text.len - n - 1 }, UINT32_MAX - 1, &port))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"vsock:CID:PORT takes two numbers below 4294967295");
	to.svm_cid = (uint32_t)cid;
	to.svm_port = (uint32_t)port;
	memcpy(&out->to.room, &to, sizeof(to));
	out->len = sizeof(to);
	return 0;
}

int link_address_read(struct link_address *out, struct cht_str text, struct cht_err *err)
{
	struct cht_str local = STR("unix:"), vm = STR("vsock:");

	if (str_starts(text, local))
		return read_unix(
			out, (struct cht_str){ text.ptr + local.len, text.len - local.len }, err);
	if (str_starts(text, vm))
		return read_vsock(out, (struct cht_str){ text.ptr + vm.len, text.len - vm.len },
				  err);
	return cht_fail(err, CHT_E_CONFIG, 0, "expected unix:PATH or vsock:CID:PORT");
}

static int new_socket(const struct link *l)
{
	return socket(l->address.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int link_open(struct link *l, const struct link_address *address, uint64_t seed,
	      struct cht_err *err)
{
	*l = (struct link){
		.address = *address, .fd = -1, .delay_ns = LINK_DELAY_MIN_NS, .random = seed | 1
	};
	l->fd = new_socket(l);
	if (l->fd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return cht_fail(err, CHT_E_UNSUPPORTED, errno, "no sockets of the channel's kind");
	fd_close(&l->fd);
	return 0;
}

/* Between half the delay and all of it, so that the agents of a host that came back do not
 * arrive together. */
static uint64_t jittered(struct link *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->delay_ns / 2 + l->random % (l->delay_ns / 2);
}

/* The delay begins anew only after a connection that lasted: a host that accepts and closes
 * at once is not asked twenty times a second for ever. */
static void go_down(struct link *l, uint64_t now_ns)
{
	if (link_is_up(l) && now_ns - l->up_since_ns >= LINK_DELAY_MAX_NS)
		l->delay_ns = LINK_DELAY_MIN_NS;
	fd_close(&l->fd);
	l->state = LINK_DOWN;
	l->retry_at_ns = now_ns + jittered(l);
	l->delay_ns = l->delay_ns < LINK_DELAY_MAX_NS / 2 ? 2 * l->delay_ns : LINK_DELAY_MAX_NS;
}

static void go_up(struct link *l, uint64_t now_ns)
{
	l->state = LINK_UP;
	l->up_since_ns = now_ns;
	l->connections++;
}

void link_turn(struct link *l, uint64_t now_ns)
{
	if (l->state != LINK_DOWN || now_ns < l->retry_at_ns)
		return;
	l->fd = new_socket(l);
	if (l->fd >= 0 && connect(l->fd, &l->address.to.any, l->address.len) == 0)
		go_up(l, now_ns);
	else if (l->fd >= 0 && (errno == EINPROGRESS || errno == EINTR))
		l->state = LINK_CONNECTING;
	else
		go_down(l, now_ns);
}

short link_events(const struct link *l)
{
	switch (l->state) {
	case LINK_DOWN: return 0;
	case LINK_CONNECTING: return POLLOUT;
	case LINK_UP: return POLLIN | POLLRDHUP;
	case LINK_BLOCKED: return POLLIN | POLLRDHUP | POLLOUT;
	}
	return 0;
}

static void on_connected(struct link *l, uint64_t now_ns)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
		go_down(l, now_ns);
	else
		go_up(l, now_ns);
}

/* The host says nothing on this channel: what it sends is thrown away, its end ends ours. */
static void on_input(struct link *l, uint64_t now_ns)
{
	uint8_t nothing[512];
	ssize_t r = recv(l->fd, nothing, sizeof(nothing), MSG_DONTWAIT);

	if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
		go_down(l, now_ns);
}

void link_on_event(struct link *l, short revents, uint64_t now_ns)
{
	if (revents == 0)
		return;
	if (l->state == LINK_CONNECTING) {
		on_connected(l, now_ns);
		return;
	}
	if (l->state == LINK_BLOCKED && (revents & POLLOUT) != 0)
		l->state = LINK_UP;
	if (link_is_up(l) && (revents & (POLLERR | POLLHUP | POLLRDHUP)) != 0)
		go_down(l, now_ns);
	else if (link_is_up(l) && (revents & POLLIN) != 0)
		on_input(l, now_ns);
}

size_t link_send(struct link *l, struct iovec *spans, int n, uint64_t now_ns)
{
	struct msghdr msg = { .msg_iov = spans };
	ssize_t sent;

	msg.msg_iovlen = (__typeof__(msg.msg_iovlen))n; /* size_t in glibc, int in musl */
	if (l->state != LINK_UP)
		return 0;
	do
		sent = sendmsg(l->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent > 0)
		return (size_t)sent;
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		l->state = LINK_BLOCKED;
	else
		go_down(l, now_ns);
	return 0;
}

uint64_t link_deadline(const struct link *l)
{
	return l->state == LINK_DOWN ? l->retry_at_ns : UINT64_MAX;
}

void link_close(struct link *l)
{
	fd_close(&l->fd);
	l->state = LINK_DOWN;
}
