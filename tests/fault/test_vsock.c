/* SPDX-License-Identifier: Apache-2.0
 *
 * The AF_VSOCK listener where its system calls fail, and whose connection an accept took.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
/* It needs the one before it. */
#include <linux/vm_sockets.h>
#include <unistd.h>

#include "base/limits.h"
#include "channel/channel.h"

int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/* What each call fails with, one after the other; 0: it does not. */
static int socket_errno, bind_errno, listen_errno, accept_errno[4];
static unsigned accepts;
static struct sockaddr_vm from, bound;

static int pipe_end(void)
{
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	close(fds[1]);
	return fds[0];
}

static int failed(int with)
{
	errno = with;
	return with == 0 ? 0 : -1;
}

int __wrap_socket(int domain, int type, int protocol)
{
	CHECK_INT(domain, AF_VSOCK);
	CHECK_INT(type, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK_INT(protocol, 0);
	return failed(socket_errno) < 0 ? -1 : pipe_end();
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	CHECK(fd >= 0);
	CHECK_INT(len, sizeof(bound));
	memcpy(&bound, address, sizeof(bound));
	return failed(bind_errno);
}

int __wrap_listen(int fd, int backlog)
{
	CHECK(fd >= 0);
	CHECK_INT(backlog, LISTEN_BACKLOG);
	return failed(listen_errno);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	CHECK(fd >= 0);
	CHECK_INT(flags, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK(*len >= sizeof(from));
	if (failed(accept_errno[accepts++]) < 0)
		return -1;
	memcpy(address, &from, sizeof(from));
	*len = sizeof(from);
	return pipe_end();
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void test_what_is_not_to_be_had_is_said(void **state)
{
	static const struct {
		int socket, bind, listen, result, sys;
		const char *text;
	} rows[] = {
		{ EAFNOSUPPORT, 0, 0, CHT_E_UNSUPPORTED, 0, "no AF_VSOCK: load vhost_vsock" },
		{ EMFILE, 0, 0, CHT_E_BIND, EMFILE, "make an AF_VSOCK socket" },
		{ EPERM, 0, 0, CHT_E_BIND, EPERM, "make an AF_VSOCK socket" },
		{ 0, EADDRINUSE, 0, CHT_E_BIND, 0, "another process has port 9001" },
		{ 0, EADDRNOTAVAIL, 0, CHT_E_BIND, EADDRNOTAVAIL, "bind port 9001" },
		{ 0, 0, EADDRINUSE, CHT_E_BIND, EADDRINUSE, "listen on port 9001" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned before = open_descriptors();
		struct cht_err err = { 0 };
		struct channel_socket s;
		int r;

		check_row = rows[i].text;
		socket_errno = rows[i].socket;
		bind_errno = rows[i].bind;
		listen_errno = rows[i].listen;
		r = channel_vsock_open(&s, &err);
		if (rows[i].socket == 0) {
			CHECK_INT(r, 0);
			r = channel_vsock_listen(&s, &err);
		}
		CHECK_INT(r, rows[i].result);
		CHECK_INT(err.sys, rows[i].sys);
		CHECK(strstr(err.text, rows[i].text) != NULL);
		channel_unbind(&s);
		CHECK_INT(open_descriptors(), before);
	}
	socket_errno = bind_errno = listen_errno = 0;
}

static void test_it_listens_for_every_vm_on_port_9001(void **state)
{
	struct channel_socket s;

	(void)state;
	CHECK_INT(channel_vsock_open(&s, NULL), 0);
	CHECK_INT(channel_vsock_listen(&s, NULL), 0);
	CHECK_INT(bound.svm_family, AF_VSOCK);
	CHECK_INT(bound.svm_cid, VMADDR_CID_ANY);
	CHECK_INT(bound.svm_port, 9001);
	channel_unbind(&s);
	channel_unbind(&s);
}

static void test_the_cid_is_the_kernels_and_there_is_no_user(void **state)
{
	static const struct {
		const char *name;
		int errnos[4];
		uint16_t family;
		uint32_t cid, want_cid;
		int result;
	} rows[] = {
		{ "usual", { 0 }, AF_VSOCK, 3, 3, 1 },
		{ "highest", { 0 }, AF_VSOCK, UINT32_MAX - 1, UINT32_MAX - 1, 1 },
		{ "again", { EINTR, ECONNABORTED }, AF_VSOCK, 7, 7, 1 },
		/* By way of the spare: closed, and it is known whose it was. */
		{ "EMFILE", { EMFILE }, AF_VSOCK, 7, 7, CHT_E_LIMIT },
		{ "ENFILE", { ENFILE, EINTR }, AF_VSOCK, 8, 8, CHT_E_LIMIT },
		/* An address of another family has no CID in it. */
		{ "other family", { 0 }, AF_UNIX, 3, 0, 1 },
		{ "nobody", { EAGAIN }, AF_VSOCK, 3, 0, 0 },
		{ "ENOMEM", { ENOMEM }, AF_VSOCK, 3, 0, CHT_E_IO },
	};
	struct channel_socket s;

	(void)state;
	CHECK_INT(channel_vsock_open(&s, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct channel_spare spare = CHANNEL_SPARE_NULL;
		struct channel_peer peer = { .pid = 1, .uid = 1, .gid = 1, .cid = 1 };
		int fd = -1;

		check_row = rows[i].name;
		CHECK_INT(channel_spare_open(&spare, NULL), 0);
		memcpy(accept_errno, rows[i].errnos, sizeof(accept_errno));
		accepts = 0;
		from = (struct sockaddr_vm){ .svm_family = rows[i].family, .svm_cid = rows[i].cid };
		CHECK_INT(channel_accept(s.fd, &spare, &fd, &peer, NULL), rows[i].result);
		CHECK_INT(peer.cid, rows[i].want_cid);
		CHECK_INT(peer.pid, 0);
		CHECK_INT(peer.uid, UINT32_MAX);
		CHECK_INT(peer.gid, UINT32_MAX);
		CHECK_INT(fd >= 0, rows[i].result == 1);
		CHECK(spare.fd >= 0);
		if (fd >= 0)
			close(fd);
		channel_spare_close(&spare);
	}
	channel_unbind(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_to_be_had_is_said),
		cmocka_unit_test(test_it_listens_for_every_vm_on_port_9001),
		cmocka_unit_test(test_the_cid_is_the_kernels_and_there_is_no_user),
	};

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
