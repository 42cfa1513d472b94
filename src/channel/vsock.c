/* SPDX-License-Identifier: Apache-2.0 */
/* The socket is made at the start and listens when the first cell needs it: a line that is locked
 * down may make no socket any more, and one without such cells keeps the port free for others. */
#include "channel/channel.h"

#include <errno.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/err.h"
#include "base/limits.h"

int channel_vsock_open(struct channel_socket *s, struct cht_err *err)
{
	*s = (struct channel_socket)CHANNEL_SOCKET_NULL;
	s->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0)
		return 0;
	if (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0,
				"this kernel has no AF_VSOCK: load vhost_vsock");
	return cht_fail(err, CHT_E_BIND, errno, "make an AF_VSOCK socket");
}

int channel_vsock_listen(struct channel_socket *s, struct cht_err *err)
{
	const struct sockaddr_vm address = { .svm_family = AF_VSOCK,
					     .svm_cid = VMADDR_CID_ANY,
					     .svm_port = CHT_VSOCK_TELEMETRY_PORT };

	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EADDRINUSE)
			return cht_fail(err, CHT_E_BIND, 0,
					"another process has port %u of AF_VSOCK: another chtd?",
					address.svm_port);
		return cht_fail(err, CHT_E_BIND, errno, "bind port %u of AF_VSOCK",
				address.svm_port);
	}
	if (listen(s->fd, LISTEN_BACKLOG) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "listen on port %u of AF_VSOCK",
				address.svm_port);
	return 0;
}
